import { describe, expect, it } from 'vitest'
import type { Utterance } from '../api/types'
import { groupsOf, turnAt, turnsOf } from './turns'

function said(startMs: number, endMs: number, speaker = 'operator'): Utterance {
  return { speaker, channel: '0', start_ms: startMs, end_ms: endMs, text: `${startMs}` } as Utterance
}

describe('turns of a dialogue', () => {
  it('are sorted, and no turn has a negative length', () => {
    const turns = turnsOf([said(5_000, 4_000), said(-300, 900), said(1_000, 7_000)])
    expect(turns.map(({ startMs, endMs }) => [startMs, endMs])).toEqual([[0, 900], [1_000, 7_000], [5_000, 5_000]])
    expect(turns.map(({ index }) => index)).toEqual([0, 1, 2])
  })

  it('survive missing times and unknown speakers', () => {
    const broken = { speaker: 'robot', text: 'да' } as unknown as Utterance
    expect(turnsOf([broken])).toEqual([{ index: 0, speaker: 'unknown', startMs: 0, endMs: 0, text: 'да' }])
  })

  it('are found by time, also between turns and before the first', () => {
    const turns = turnsOf([said(1_000, 2_000), said(3_000, 4_000), said(3_000, 5_000)])
    expect([0, 1_000, 2_500, 3_000, 99_000].map((ms) => turnAt(turns, ms))).toEqual([-1, 0, 0, 2, 2])
  })

  it('are found among 10,000 in a few steps', () => {
    const turns = turnsOf(Array.from({ length: 10_000 }, (_, at) => said(at * 10, at * 10 + 5)))
    expect(turnAt(turns, 77_777)).toBe(7_777)
    expect(groupsOf(turns)).toHaveLength(200)
  })
})
