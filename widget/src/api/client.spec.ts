import { describe, expect, it, vi } from 'vitest'
import { AccountApi } from './account'
import { CallsApi, fileName } from './calls'
import { createApiClient } from './client'
import type { Session } from './session'

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } })
}

function build(...answers: (Response | Error)[]) {
  const tokens = ['old', 'new']
  const session = {
    bearer: vi.fn(async () => tokens[0]!),
    renew: vi.fn(async () => {
      tokens.shift()
      return { handshake: {} }
    }),
  }
  const send = vi.fn(async (request: Request) => {
    void request
    const next = answers.shift()
    if (next instanceof Error) throw next
    return next!
  })
  const api = new CallsApi(createApiClient('https://api.example', session as unknown as Session, send as unknown as typeof fetch))
  return { api, session, send }
}

describe('the client', () => {
  it('renews a refused session once and repeats the request with its body', async () => {
    const { api, session, send } = build(json(401, { code: 'token_expired' }), json(200, { items: [], version: '1', unchanged: false }))
    expect(await api.lookUp(['a'])).toEqual({ version: '1', items: [] })
    expect(session.renew).toHaveBeenCalledTimes(1)
    const [first, second] = send.mock.calls.map(([request]) => request)
    expect([first?.headers.get('Authorization'), second?.headers.get('Authorization')]).toEqual(['Bearer old', 'Bearer new'])
    expect(await second?.text()).toBe('{"record_ids":["a"]}')
  })

  it('does not ask for ever', async () => {
    const { api, send } = build(json(401, { code: 'unauthorized' }), json(401, { code: 'unauthorized' }))
    await expect(api.lookUp(['a'])).rejects.toMatchObject({ status: 401 })
    expect(send).toHaveBeenCalledTimes(2)
  })

  it('tells problems by their code, and answers that are cut or missing', async () => {
    await expect(build(json(403, { code: 'reconnect_required' })).api.lookUp(['a'])).rejects.toMatchObject({ code: 'reconnect_required', isBlocking: true })
    await expect(build(new TypeError('failed')).api.lookUp(['a'])).rejects.toMatchObject({ code: 'offline', isTransient: true })
    const cut = new Response('{"items": [', { status: 200, headers: { 'Content-Type': 'application/json' } })
    await expect(build(cut).api.lookUp(['a'])).rejects.toMatchObject({ code: 'bad_answer' })
    const page = new Response('<html>502</html>', { status: 502, headers: { 'Content-Type': 'text/html' } })
    await expect(build(page).api.lookUp(['a'])).rejects.toMatchObject({ status: 502, isTransient: true })
  })

  it('does not wait for ever for an answer, nor for the rest of one', async () => {
    vi.useFakeTimers()
    const silent = build()
    silent.send.mockImplementationOnce((request) => new Promise((_, reject) => request.signal.addEventListener('abort', () => reject(request.signal.reason))))
    const stopped = build()
    stopped.send.mockImplementationOnce(async (request) => {
      const body = new ReadableStream({
        start(stream) {
          stream.enqueue(new TextEncoder().encode('{"items": ['))
          request.signal.addEventListener('abort', () => stream.error(request.signal.reason))
        },
      })
      return new Response(body, { status: 200, headers: { 'Content-Type': 'application/json' } })
    })
    for (const { api } of [silent, stopped]) {
      const asked = expect(api.lookUp(['a'])).rejects.toMatchObject({ code: 'timeout', isTransient: true })
      await vi.advanceTimersByTimeAsync(20_000)
      await asked
    }
    vi.useRealTimers()
  })

  it('takes an answer without a body', async () => {
    const { send } = build()
    send.mockResolvedValueOnce(new Response(null, { status: 204 }))
    const session = { bearer: async () => 'one' } as unknown as Session
    const account = new AccountApi(createApiClient('https://api.example', session, send as unknown as typeof fetch))
    await expect(account.unbind('bnd_1')).resolves.toBeUndefined()
  })

  it('gives every list of an answer, also of one that leaves them out', async () => {
    const { api } = build(json(200, { id: 'tr_1', state: 'dreaming' }))
    expect(await api.details('tr_1')).toMatchObject({ labels: [], tags: [], utterances: [], talk: [] })
  })
})

describe('the name of a file', () => {
  it.each([
    ["attachment; filename*=UTF-8''%D0%B7%D0%B2%D0%BE%D0%BD%D0%BE%D0%BA.txt", 'звонок.txt'],
    ['attachment; filename="call.srt"', 'call.srt'],
    ["attachment; filename*=UTF-8''%zz", null],
    [null, null],
  ])('of %s is %s', (header, name) => {
    expect(fileName(header)).toBe(name)
  })
})
