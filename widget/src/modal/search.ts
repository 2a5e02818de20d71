import type { Turn } from './turns'

/** A match in a turn: character positions in its text. */
export interface Match {
  turn: number
  from: number
  to: number
}

/** Case and ё do not matter. The result has the same length as the text, so that positions stay. */
export function folded(text: string): string {
  const lower = text.toLowerCase()
  return (lower.length === text.length ? lower : lowerEach(text)).replaceAll('ё', 'е')
}

/** Some letters are longer in lower case; they stay as they are. */
function lowerEach(text: string): string {
  return Array.from(text, (character) => {
    const lower = character.toLowerCase()
    return lower.length === character.length ? lower : character
  }).join('')
}

/** All matches in order of the dialogue. */
export function findMatches(foldedTexts: readonly string[], query: string): Match[] {
  const wanted = folded(query.trim())
  if (wanted === '') return []
  const matches: Match[] = []
  foldedTexts.forEach((text, turn) => {
    for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + wanted.length)) {
      matches.push({ turn, from: at, to: at + wanted.length })
    }
  })
  return matches
}

/** A piece of a turn's text. */
export interface Piece {
  text: string
  isMatch: boolean
  /** The match that the user is at. */
  isCurrent: boolean
}

/** Cuts a text at its matches. */
export function piecesOf(turn: Turn, matches: readonly Match[], current: Match | undefined): Piece[] {
  const pieces: Piece[] = []
  let end = 0
  for (const match of matches) {
    if (match.from > end) pieces.push({ text: turn.text.slice(end, match.from), isMatch: false, isCurrent: false })
    pieces.push({ text: turn.text.slice(match.from, match.to), isMatch: true, isCurrent: match === current })
    end = match.to
  }
  if (end < turn.text.length) pieces.push({ text: turn.text.slice(end), isMatch: false, isCurrent: false })
  return pieces
}
