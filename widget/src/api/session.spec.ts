import { describe, expect, it, vi } from 'vitest'
import type { Host } from '../host/host'
import { Session } from './session'

function answer(token: string, expiresAt: string) {
  return { status: 200, body: { status: 'active', session: { token, expires_at: expiresAt } } }
}

function build(...answers: { status: number; body: unknown }[]) {
  const authorizedPost = vi.fn(async () => answers[Math.min(authorizedPost.mock.calls.length, answers.length) - 1]!)
  const clock = { ms: 0 }
  const outcome = vi.fn()
  const session = new Session({ authorizedPost } as unknown as Host, 'https://api', outcome, () => clock.ms)
  return { session, authorizedPost, clock, outcome }
}

const SOON = (): string => new Date(Date.now() + 15 * 60_000).toISOString()

describe('the session', () => {
  it('costs one token for many requests, also simultaneous ones', async () => {
    const { session, authorizedPost } = build(answer('one', SOON()))
    expect(await Promise.all([session.bearer(), session.bearer()])).toEqual(['one', 'one'])
    expect(await session.bearer()).toBe('one')
    expect(authorizedPost).toHaveBeenCalledTimes(1)
  })

  it('is renewed before it ends', async () => {
    const { session, clock } = build(answer('one', SOON()), answer('two', SOON()))
    await session.bearer()
    clock.ms = 13.5 * 60_000
    expect(await session.bearer()).toBe('two')
  })

  it('does not believe a wrong clock: neither a past nor a far end', async () => {
    const { session, clock, authorizedPost } = build(answer('one', '2001-01-01T00:00:00Z'), answer('two', '2099-01-01T00:00:00Z'))
    await session.bearer()
    clock.ms = 60_000
    expect(await session.bearer()).toBe('one')
    clock.ms = 6 * 60_000
    expect(await session.bearer()).toBe('two')
    clock.ms = 20 * 60_000
    await session.bearer()
    expect(authorizedPost).toHaveBeenCalledTimes(3)
  })

  it('tells why there is none', async () => {
    const { session, outcome } = build({ status: 0, body: null })
    await expect(session.bearer()).rejects.toMatchObject({ status: 0 })
    expect(outcome).toHaveBeenCalledWith({ problem: expect.objectContaining({ status: 0 }) })
  })

  it('is none while the widget is not installed', async () => {
    const { session } = build({ status: 200, body: { status: 'reconnect', session: null } })
    await expect(session.bearer()).rejects.toMatchObject({ status: 403 })
  })
})
