import { describe, expect, it } from 'vitest'
import type { CallRecord } from '../api/types'
import { slotView } from './progress'

function record(state: string, more: object = {}): CallRecord {
  const bare = ['none', 'resolving', 'unknown'].includes(state)
  const transcription = bare ? null : { state, state_label: `label of ${state}`, failure_code: null }
  const known = bare ? state : 'transcribed'
  return { record_id: '1', state: known, is_pending: false, is_requested: true, note_id: 1, problem: null, transcription, ...more } as unknown as CallRecord
}

describe('the view of a record', () => {
  it('is a button while nothing is known and while there is no transcription', () => {
    expect(slotView(undefined).kind).toBe('button')
    expect(slotView(record('none')).kind).toBe('button')
    expect(slotView(record('resolving', { is_requested: false, is_pending: true })).kind).toBe('button')
  })

  it('goes forward with the stages', () => {
    const stages = ['resolving', 'queued', 'fetching', 'converting', 'holding', 'uploading', 'submitting', 'recognizing', 'storing', 'settling']
    const percents = stages.map((state) => slotView(record(state, { is_pending: true }))).map((view) => (view.kind === 'progress' ? view.percent : -1))
    expect(percents).toEqual([...percents].sort((a, b) => a - b))
    expect(percents[0]).toBeGreaterThan(0)
  })

  it('offers another run unless it cannot help', () => {
    expect(slotView(record('failed'))).toMatchObject({ kind: 'ended', canRetry: true })
    expect(slotView(record('unknown'))).toMatchObject({ kind: 'ended', canRetry: false })
  })

  it('shows a state of a newer server with its label', () => {
    expect(slotView(record('dreaming', { is_pending: true }))).toMatchObject({ kind: 'progress', label: 'label of dreaming' })
    expect(slotView(record('dreaming'))).toMatchObject({ kind: 'ended', label: 'label of dreaming' })
  })
})
