import type { Speaker, Utterance } from '../api/types'

/** Uninterrupted speech of one speaker, with times that can be trusted. */
export interface Turn {
  index: number
  speaker: Speaker
  /** Milliseconds from the start of the recording. */
  startMs: number
  endMs: number
  text: string
}

/** Turns are rendered in groups: the browser skips groups that are out of view. */
export const GROUP_SIZE = 50

/**
 * The dialogue in order. Times of the recogniser may overlap, be negative or missing: they are sorted and clamped, so that
 * no turn has a negative length.
 */
export function turnsOf(utterances: readonly Utterance[]): Turn[] {
  const timed = utterances.map((utterance) => {
    const startMs = Math.max(0, Number(utterance.start_ms) || 0)
    const endMs = Math.max(startMs, Number(utterance.end_ms) || 0)
    return { speaker: speakerOf(utterance.speaker), startMs, endMs, text: utterance.text ?? '' }
  })
  const isSorted = timed.every((turn, at) => at === 0 || timed[at - 1]!.startMs <= turn.startMs)
  if (!isSorted) timed.sort((a, b) => a.startMs - b.startMs)
  return timed.map((turn, index) => ({ index, ...turn }))
}

function speakerOf(text: string): Speaker {
  return text === 'operator' || text === 'client' ? text : 'unknown'
}

/** Index of the last turn that has begun; -1 before the first. */
export function turnAt(turns: readonly Turn[], ms: number): number {
  let low = 0
  let high = turns.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (turns[middle]!.startMs <= ms) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Splits turns into groups for rendering. */
export function groupsOf(turns: readonly Turn[]): Turn[][] {
  const groups: Turn[][] = []
  for (let at = 0; at < turns.length; at += GROUP_SIZE) groups.push(turns.slice(at, at + GROUP_SIZE))
  return groups
}

/** Estimated height of a group, in pixels: a poor estimate would make the scroll bar jump. */
export function estimatedHeight(turns: readonly Turn[], charactersPerLine: number): number {
  const lines = turns.reduce((sum, turn) => sum + Math.max(1, Math.ceil(turn.text.length / charactersPerLine)), 0)
  return lines * 21 + turns.length * 36
}
