/** The control API of `flysk-sandbox`, and a backend that receives its events. */
import assert from 'node:assert/strict'

import { InvalidSignatureError, verifyEvent } from 'flysk'
import { startServer } from './local-server.mjs'

/** Address of the control API; undefined if Flysk is no sandbox. */
export const controlUrl = process.env.SANDBOX_CONTROL_URL

/** The answer to a request of the control API, which must succeed. */
export async function ask(method, path, body) {
  const json = { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
  const answer = await fetch(`${controlUrl}${path}`, { method, ...(body === undefined ? {} : json) })
  const told = await answer.json()
  assert.equal(answer.status, 200, JSON.stringify(told))
  return told
}

/** Lets the next request of Flysk's API to a path fail. */
export function fail(path, failure) {
  return ask('POST', '/api/fail', { path, ...failure })
}

/** Starts a backend that verifies events with `secrets` and answers 204, or 401. */
export async function startReceiver(secrets) {
  const verdicts = []
  const waiting = []
  const judge = (headers, body) => {
    try {
      return verifyEvent(receiver.secrets, headers, body)
    } catch (error) {
      if (error instanceof InvalidSignatureError) return null
      throw error
    }
  }
  const { url, close } = await startServer((incoming, body, answer) => {
    const event = judge(incoming.headers, body)
    answer.writeHead(event === null ? 401 : 204).end()
    const next = waiting.shift()
    if (next) next(event)
    else verdicts.push(event)
  })
  const receiver = {
    secrets,
    url: `${url}/flysk/events`,
    /** The next event; null if its signature was wrong. */
    next: () => (verdicts.length > 0 ? verdicts.shift() : new Promise((resolve) => waiting.push(resolve))),
    close,
  }
  return receiver
}
