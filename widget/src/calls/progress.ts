import type { CallRecord } from '../api/types'

/** Stages of a transcription in order. Source: docs/architecture.md, Call processing. */
const STAGES = [
  'resolving',
  'queued',
  'fetching',
  'converting',
  'holding',
  'uploading',
  'submitting',
  'recognizing',
  'storing',
  'settling',
] as const

/** Part of the work that is behind a stage, in percent. Recognition takes most of the time. */
const DONE_BEFORE: Record<(typeof STAGES)[number], number> = {
  resolving: 2,
  queued: 5,
  fetching: 10,
  converting: 20,
  holding: 30,
  uploading: 35,
  submitting: 40,
  recognizing: 50,
  storing: 85,
  settling: 92,
}

/** How a record looks below its call. */
export type SlotView =
  /** Nothing known yet, or no transcription: the button. */
  | { kind: 'button' }
  | { kind: 'progress'; percent: number; state: string; label: string; canCancel: boolean }
  /** Waits for something that takes an unknown time: the recording, coins. */
  | { kind: 'waiting'; state: string; label: string }
  | { kind: 'result' }
  /** Ended without a dialogue. */
  | { kind: 'ended'; state: string; label: string; canRetry: boolean }

/** Failures that another run cannot mend. */
const HOPELESS_FAILURES: readonly string[] = ['note_gone', 'not_a_call']

/** States before the recording is paid for recognition: cancelling is free. */
const CANCELLABLE: readonly string[] = [
  'resolving',
  'queued',
  'waiting_for_link',
  'fetching',
  'converting',
  'holding',
  'no_balance',
  'uploading',
  'submitting',
  'recognizing',
]

/** The view of a record. A state that a newer server invents is shown with its own label. */
export function slotView(record: CallRecord | undefined): SlotView {
  if (!record || record.state === 'none' || (record.state === 'resolving' && !record.is_requested)) return { kind: 'button' }
  const { transcription } = record
  const state: string = transcription?.state ?? record.state
  const label = transcription?.state_label ?? state
  if (state === 'done') return { kind: 'result' }
  if (state === 'no_balance' || state === 'waiting_for_link') return { kind: 'waiting', state, label }
  if (state === 'unknown' || state === 'no_speech' || state === 'failed' || state === 'cancelled') {
    const isHopeless = state === 'unknown' || HOPELESS_FAILURES.includes(transcription?.failure_code ?? '')
    return { kind: 'ended', state, label, canRetry: !isHopeless }
  }
  const percent = DONE_BEFORE[state as keyof typeof DONE_BEFORE]
  if (percent === undefined && !record.is_pending) return { kind: 'ended', state, label, canRetry: true }
  const canCancel = transcription !== null && CANCELLABLE.includes(state)
  return { kind: 'progress', percent: percent ?? 50, state, label, canCancel }
}
