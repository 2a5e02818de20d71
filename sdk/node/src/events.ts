// Verifies events of Flysk: Standard Webhooks 1.0, https://www.standardwebhooks.com.
import { createHmac, timingSafeEqual } from 'node:crypto'

import { InvalidSignatureError } from './errors.js'
import type { Event } from './models.js'

const SECRET_PREFIX = 'whsec_'
const TOLERANCE_S = 300

/** Headers of a request: of `fetch`, or of `node:http`, in any case. */
export type EventHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>

/** Options of the verification. */
export interface VerifyOptions {
  /** How much the timestamp may differ from the clock, seconds; 300 by default. */
  toleranceS?: number | undefined
  /** The time, Unix seconds; the clock's by default. */
  nowS?: number | undefined
}

/**
 * The event in a request that Flysk sent.
 *
 * `secrets`: the event secret (`whsec_…`), or several, while it is being replaced. `body`: the raw body, as it arrived:
 * parsed and written again it has another signature. An event may arrive twice, with the same `id`: take each once.
 *
 * Throws `InvalidSignatureError` if Flysk did not send it, or not within the tolerated time, and `TypeError` if a secret is
 * not an event secret.
 */
export function verifyEvent(
  secrets: string | readonly string[],
  headers: EventHeaders,
  body: string | Uint8Array,
  options: VerifyOptions = {},
): Event {
  const keys = (typeof secrets === 'string' ? [secrets] : secrets).map(keyOf)
  const [id, sentAt] = [headerOf(headers, 'webhook-id'), headerOf(headers, 'webhook-timestamp')]
  if (!id || !/^[0-9]{1,12}$/.test(sentAt)) {
    throw new InvalidSignatureError('the headers webhook-id and webhook-timestamp are missing')
  }
  const nowS = options.nowS ?? Date.now() / 1_000
  if (Math.abs(nowS - Number(sentAt)) > (options.toleranceS ?? TOLERANCE_S)) {
    throw new InvalidSignatureError('the timestamp is too far from the clock: a repeated old request, or a wrong clock')
  }
  const ours = keys.map((key) => {
    const mac = createHmac('sha256', key).update(`${id}.${sentAt}.`).update(body)
    return Buffer.from(`v1,${mac.digest('base64')}`)
  })
  const theirs = headerOf(headers, 'webhook-signature').split(' ').map((text) => Buffer.from(text))
  // All pairs are compared, each in constant time.
  const matches = ours.flatMap((own) => theirs.map((their) => own.length === their.length && timingSafeEqual(own, their)))
  if (!matches.includes(true)) throw new InvalidSignatureError('no signature matches a secret')
  return JSON.parse(typeof body === 'string' ? body : new TextDecoder().decode(body)) as Event
}

function headerOf(headers: EventHeaders, wanted: string): string {
  if (headers instanceof Headers) return headers.get(wanted) ?? ''
  const found = Object.entries(headers).find(([name]) => name.toLowerCase() === wanted)?.[1]
  return (typeof found === 'string' ? found : found?.[0]) ?? ''
}

function keyOf(secret: string): Buffer {
  const text = secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : ''
  const key = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : Buffer.alloc(0)
  if (key.length === 0) throw new TypeError(`an event secret is ${SECRET_PREFIX} and base64`)
  return key
}
