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

function cancellable(id: string): CallRecord {
  return { ...record(id, true), transcription: { id: `tr_${id}` } } as CallRecord
}

/** Lets the next call of a mock wait for its answer. */
function held<T>(mock: { mockImplementationOnce(answer: () => Promise<T>): unknown }): { resolve(value: T): void; reject(error: unknown): void } {
  const waiting = {} as { resolve(value: T): void; reject(error: unknown): void }
  mock.mockImplementationOnce(() => new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject })))
  return waiting
}

function build() {
  const lookUp = vi.fn(async (ids: string[]) => ({ version: '1', items: ids.map((id) => record(id)) }))
  const request = vi.fn(async (_card: unknown, ids: string[]) => ids.map((id) => record(id, true)))
  const cancel = vi.fn(async () => cancellable('a').transcription)
  const store = createAppStore()
  const blocked = vi.fn()
  const service = new CallService({ lookUp, request, cancel } as unknown as CallsApi, store, document, blocked)
  return { service, store, lookUp, request, cancel, blocked }
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

  it('are looked up on the next card, too, if it shows the same ones', async () => {
    const { service, store, lookUp } = build()
    for (const end of ['answer', 'failure'] as const) {
      const first = held(lookUp)
      service.see(['a'])
      service.leave()
      service.see(['a'])
      if (end === 'answer') first.resolve({ version: '1', items: [record('a')] })
      else first.reject(new ApiProblem(404, 'not_found'))
      await settle()
      expect(Object.keys(store.state.records), end).toEqual(['a'])
      service.leave()
    }
  })

  it('of the next card are polled, although an answer for the former one comes later', async () => {
    const { service, lookUp } = build()
    lookUp.mockImplementation(async (ids) => ({ version: '1', items: ids.map((id) => record(id, true)) }))
    service.see(['a'])
    await settle()
    const late = held(lookUp)
    await vi.advanceTimersByTimeAsync(3_000)
    service.leave()
    service.see(['b'])
    await settle()
    late.resolve({ version: '2', items: [] })
    await vi.advanceTimersByTimeAsync(3_000)
    expect(lookUp.mock.calls.at(-1)?.[0]).toEqual(['b'])
    expect(lookUp).toHaveBeenCalledTimes(4)
  })

  it('are not asked for at every change of the page while the server is away', async () => {
    const { service, store, lookUp } = build()
    lookUp.mockRejectedValueOnce(new ApiProblem(429, 'too_many_requests', null, 30_000))
    for (let at = 0; at < 100; at++) {
      service.see(['a'])
      await vi.advanceTimersByTimeAsync(200)
    }
    expect(lookUp).toHaveBeenCalledTimes(1)
    lookUp.mockRejectedValue(new ApiProblem(503, 'unavailable'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(lookUp).toHaveBeenCalledTimes(2)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(lookUp.mock.calls.length).toBeLessThanOrEqual(6)
    lookUp.mockImplementation(async (ids) => ({ version: '1', items: ids.map((id) => record(id)) }))
    await vi.advanceTimersByTimeAsync(15_000)
    expect(Object.keys(store.state.records)).toEqual(['a'])
  })

  it('are cancelled once, and a cancellation that succeeds takes back the problem of the former one', async () => {
    const { service, store, cancel } = build()
    cancel.mockRejectedValueOnce(new ApiProblem(0, 'offline'))
    await service.cancel(cancellable('a'))
    expect(store.state.requests.a).toEqual({ isSending: false, problem: 'offline' })
    const pressed = [service.cancel(cancellable('a')), service.cancel(cancellable('a'))]
    expect(store.state.requests.a?.isSending).toBe(true)
    await Promise.all(pressed)
    expect(cancel).toHaveBeenCalledTimes(2)
    expect(store.state.requests.a).toEqual({ isSending: false, problem: null })
  })

  it('tell nothing of a request on another card', async () => {
    const { service, store, request } = build()
    const late = held(request)
    const asked = service.request(CARD, 'a')
    service.leave()
    late.reject(new ApiProblem(429, 'too_many_runs'))
    await asked
    expect(store.state.requests).toEqual({})
  })
})
