import { describe, expect, it } from 'vitest'
import { findMatches, folded, piecesOf } from './search'
import type { Turn } from './turns'

function turn(text: string): Turn {
  return { index: 0, speaker: 'client', startMs: 0, endMs: 1, text }
}

describe('search in the dialogue', () => {
  it('ignores case and ё', () => {
    expect(findMatches([folded('Ещё раз: ЕЩЕ')], 'еще')).toEqual([{ turn: 0, from: 0, to: 3 }, { turn: 0, from: 9, to: 12 }])
  })

  it('keeps positions when a letter becomes longer in lower case', () => {
    expect(folded('İстория')).toHaveLength('İстория'.length)
  })

  it('finds nothing for an empty query', () => {
    expect(findMatches(['что угодно'], '  ')).toEqual([])
  })

  it('cuts a text at its matches and keeps markup as text', () => {
    const said = turn('<b>дом</b> и дом')
    const matches = findMatches([folded(said.text)], 'дом')
    const pieces = piecesOf(said, matches, matches[1])
    expect(pieces.map((piece) => piece.text).join('')).toBe(said.text)
    expect(pieces.filter((piece) => piece.isMatch).map((piece) => piece.isCurrent)).toEqual([false, true])
  })
})
