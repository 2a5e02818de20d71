import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AccessWatch } from './access'
import { ApiProblem } from './api/problem'
import type { Handshake } from './api/types'
import type { Host } from './host/host'
import { Preferred } from './host/preferred'
import type { Texts } from './host/texts'
import { createAppStore } from './store'

const ACTIVE = { handshake: { status: 'active', reason: null, warning: null, connect_url: null, is_admin: true } as unknown as Handshake }
const REFUSED = { handshake: { ...ACTIVE.handshake, status: 'reconnect', reason: 'Доступ отозван', connect_url: 'https://connect' } as Handshake }

function build() {
  const notifyError = vi.fn()
  const host = { document, notifyError } as unknown as Host
  const texts = { get: (key: string) => key, find: (key: string) => (key === 'activation.inactive' ? 'not activated' : undefined) } as unknown as Texts
  const store = createAppStore()
  const watch = new AccessWatch(host, texts, store, new Preferred(window.localStorage, '1'))
  return { watch, store, notifyError }
}

describe('access', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    window.localStorage.clear()
  })
  afterEach(() => vi.useRealTimers())

  it('is blocked with one notice, and says who can do something', () => {
    const { watch, store, notifyError } = build()
    watch.onHandshake(REFUSED)
    watch.onHandshake(REFUSED)
    expect(notifyError).toHaveBeenCalledTimes(1)
    expect(notifyError.mock.calls[0]?.[2]).toBe('https://connect')
    expect(store.state.access).toMatchObject({ phase: 'blocked', reason: 'Доступ отозван', connectUrl: 'https://connect' })
  })

  it('says that the widget is not activated where that is the reason', () => {
    const { watch, notifyError } = build()
    watch.onHandshake({ handshake: { ...ACTIVE.handshake, status: 'inactive' } as Handshake })
    expect(notifyError).toHaveBeenCalledWith('access.header', 'not activated', undefined)
  })

  it.each(['installing', 'uninstalled'])('waits for an installation (%s) without a notice, and asks soon', async (status) => {
    const { watch, store, notifyError } = build()
    const answers = [{ handshake: { ...ACTIVE.handshake, status } as Handshake }, ACTIVE]
    const recheck = vi.fn(() => watch.onHandshake(answers.shift()!))
    watch.start(recheck)
    recheck()
    expect(store.state.access.phase).toBe('blocked')
    await vi.advanceTimersByTimeAsync(3_000)
    expect(store.state.access.phase).toBe('open')
    expect(notifyError).not.toHaveBeenCalled()
  })

  it('keeps what the handshake told when requests are refused, too', async () => {
    const { watch, store, notifyError } = build()
    watch.onHandshake(REFUSED)
    watch.onProblem(new ApiProblem(403, 'install_not_active'))
    expect(store.state.access).toMatchObject({ code: 'reconnect', connectUrl: 'https://connect' })
    expect(notifyError).toHaveBeenCalledTimes(1)
    watch.onHandshake(ACTIVE)
    expect(store.state.access.phase).toBe('open')
  })

  it('is refused once after an installation without a notice, and with one if that goes on', async () => {
    const { watch, store, notifyError } = build()
    watch.start(() => watch.onHandshake(ACTIVE))
    watch.onHandshake(ACTIVE)
    watch.onProblem(new ApiProblem(403, 'install_not_active'))
    expect(store.state.access.phase).toBe('blocked')
    await vi.advanceTimersByTimeAsync(30_000)
    expect(store.state.access.phase).toBe('open')
    expect(notifyError).not.toHaveBeenCalled()
    watch.onProblem(new ApiProblem(403, 'install_not_active'))
    expect(notifyError).toHaveBeenCalledTimes(1)
  })

  it('says that the widget is not installed if that does not pass', async () => {
    const { watch, notifyError } = build()
    const absent = { handshake: { ...ACTIVE.handshake, status: 'uninstalled' } as Handshake }
    watch.start(() => watch.onHandshake(absent))
    watch.onHandshake(absent)
    expect(notifyError).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(notifyError).toHaveBeenCalledTimes(1)
  })

  it('keeps the subscription that the handshake tells', () => {
    const { watch, store } = build()
    const subscription = { label: 'Пробный период', paid_until: null, trial_until: '2026-12-14' }
    watch.onHandshake({ handshake: { ...ACTIVE.handshake, subscription } as unknown as Handshake })
    expect(store.state.access.subscription).toEqual({ label: 'Пробный период', until: '2026-12-14' })
  })

  it('asks again by itself and recovers', async () => {
    const { watch, store } = build()
    const recovered = vi.fn()
    watch.onRecovered = recovered
    const recheck = vi.fn(() => watch.onHandshake(ACTIVE))
    watch.start(recheck)
    watch.onHandshake(REFUSED)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(recheck).toHaveBeenCalledTimes(1)
    expect(recovered).toHaveBeenCalledTimes(1)
    expect(store.state.access.phase).toBe('open')
  })

  it('does not run in circles if handshakes succeed while requests are refused', async () => {
    const { watch } = build()
    const recheck = vi.fn(() => watch.onHandshake(ACTIVE))
    watch.onRecovered = () => watch.onProblem(new ApiProblem(403, 'install_not_active'))
    watch.start(recheck)
    watch.onProblem(new ApiProblem(403, 'install_not_active'))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(recheck.mock.calls.length).toBeLessThan(5)
  })

  it('is not lost because something is for administrators, or the server is away', () => {
    const { watch, store, notifyError } = build()
    watch.onProblem(new ApiProblem(403, 'admin_only'))
    watch.onProblem(new ApiProblem(503, 'unavailable'))
    watch.onHandshake({ problem: new ApiProblem(0, 'offline') })
    expect(store.state.access.phase).toBe('unknown')
    expect(notifyError).not.toHaveBeenCalled()
  })
})
