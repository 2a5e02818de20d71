import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CallsApi } from '../api/calls'
import { ApiProblem } from '../api/problem'
import type { CallRecord } from '../api/types'
import { createAppStore } from '../store'
import { CallService } from './service'

const CARD = { entityType: 'leads' as const, entityId: 7 }

function record(id: string, isPending = false): CallRecord {
  return { record_id: id, state: 'none', is_pending: isPending, is_requested: false, note_id: 1, problem: null, transcription: null } as unknown as CallRecord
}

function build() {
  const lookUp = vi.fn(async (ids: string[]) => ({ version: '1', items: ids.map((id) => record(id)) }))
  const request = vi.fn(async (_card: unknown, ids: string[]) => ids.map((id) => record(id, true)))
  const store = createAppStore()
  const blocked = vi.fn()
  const service = new CallService({ lookUp, request } as unknown as CallsApi, store, document, blocked)
  return { service, store, lookUp, request, blocked }
}

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

describe('calls of a card', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  it('are looked up once, all in one request', async () => {
    const { service, store, lookUp } = build()
    service.see(['a', 'b', 'c'])
    await settle()
    service.see(['a', 'b', 'c', 'd'])
    await settle()
    expect(lookUp.mock.calls.map(([ids]) => ids)).toEqual([['a', 'b', 'c'], ['d']])
    expect(Object.keys(store.state.records)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('are looked up again after a failure', async () => {
    const { service, store, lookUp } = build()
    lookUp.mockRejectedValueOnce(new ApiProblem(503, 'unavailable'))
    service.see(['a'])
    await settle()
    expect(store.state.isOffline).toBe(true)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(Object.keys(store.state.records)).toEqual(['a'])
    expect(store.state.isOffline).toBe(false)
  })

  it('are polled together while they are pending', async () => {
    const { service, lookUp } = build()
    lookUp.mockImplementation(async (ids) => ({ version: '1', items: ids.map((id) => record(id, id !== 'c')) }))
    service.see(['a', 'b', 'c'])
    await settle()
    await vi.advanceTimersByTimeAsync(3_000)
    expect(lookUp.mock.calls.at(-1)?.[0]).toEqual(['a', 'b'])
  })

  it('tell the problem of one request at its record, and block the widget only at 403', async () => {
    const { service, store, request, blocked } = build()
    request.mockRejectedValueOnce(new ApiProblem(429, 'too_many_runs'))
    await service.request(CARD, 'a')
    expect(store.state.requests.a).toEqual({ isSending: false, problem: 'too_many_runs' })
    expect(blocked).not.toHaveBeenCalled()
    request.mockRejectedValueOnce(new ApiProblem(403, 'reconnect_required'))
    await service.request(CARD, 'a')
    expect(blocked).toHaveBeenCalledTimes(1)
  })

  it('are forgotten with the card, also by answers that come later', async () => {
    const { service, store, lookUp } = build()
    let answer: (value: { version: string; items: CallRecord[] }) => void = () => undefined
    lookUp.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)))
    service.see(['a'])
    service.leave()
    answer({ version: '1', items: [record('a', true)] })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(store.state.records).toEqual({})
    expect(lookUp).toHaveBeenCalledTimes(1)
  })
})
