const TOO_MANY_REQUESTS = 429
/** The server or something before it failed: a write may have been executed. */
const UNKNOWN_OUTCOMES: ReadonlySet<number> = new Set([500, 502, 503, 504])
/** The gateway renewed amoCRM's token instead of forwarding the request, which can be repeated at once. */
const TOKEN_RENEWED = 'token_renewed'

/**
 * How often and after which delays a request is sent again.
 *
 * Repeated are: requests that were not executed (429, `token_renewed`, no connection), and after an unknown outcome (500,
 * 502, 503, 504, no answer) those that may be executed twice, because they only read, or carry an idempotency key. No other
 * 4xx is repeated.
 */
export interface RetryPolicy {
  /** Number of attempts, the first included; 1: no repetition. */
  attempts: number
  /** Delay before the second attempt, ms. It doubles with each attempt, and each is shortened by up to a half. */
  baseDelayMs: number
  /** Longest delay of that kind, ms. */
  maxDelayMs: number
  /** Longest `Retry-After` that is waited for, ms; after a longer one the error is thrown at once. */
  maxRetryAfterMs: number
}

/** The policy without other choices. */
export const DEFAULT_RETRIES: Readonly<RetryPolicy> = {
  attempts: 4,
  baseDelayMs: 500,
  maxDelayMs: 8_000,
  maxRetryAfterMs: 60_000,
}

/** The attempts of one request. */
export class Attempts {
  readonly #policy: RetryPolicy
  readonly #isRepeatable: boolean
  readonly #random: () => number
  #made = 0

  constructor(policy: RetryPolicy, isRepeatable: boolean, random: () => number = Math.random) {
    this.#policy = policy
    this.#isRepeatable = isRepeatable
    this.#random = random
  }

  /** Milliseconds until the next attempt after an answer; null: it is the result. */
  delayAfterAnswer(status: number, code: string, retryAfterMs: number | null): number | null {
    this.#made += 1
    const wasRefused = status === TOO_MANY_REQUESTS || code === TOKEN_RENEWED
    if (!wasRefused && !(this.#isRepeatable && UNKNOWN_OUTCOMES.has(status))) return null
    if (this.#made >= this.#policy.attempts) return null
    if (code === TOKEN_RENEWED) return 0
    if (retryAfterMs === null) return this.#backoff()
    return retryAfterMs <= this.#policy.maxRetryAfterMs ? retryAfterMs : null
  }

  /** Milliseconds until the next attempt after one without an answer; null: there is no further one. */
  delayWithoutAnswer(wasSent: boolean): number | null {
    this.#made += 1
    if ((wasSent && !this.#isRepeatable) || this.#made >= this.#policy.attempts) return null
    return this.#backoff()
  }

  #backoff(): number {
    const delay = Math.min(this.#policy.maxDelayMs, this.#policy.baseDelayMs * 2 ** (this.#made - 1))
    return (delay * (1 + this.#random())) / 2
  }
}

/** Milliseconds of a `Retry-After`: seconds, or a date (RFC 9110, 10.2.3). Null if there is none or it is not valid. */
export function parseRetryAfter(text: string | null, nowMs: number = Date.now()): number | null {
  if (text === null) return null
  const trimmed = text.trim()
  if (/^[0-9]+$/.test(trimmed)) return Number(trimmed) * 1_000
  // Only the form that HTTP requires: `Date.parse` takes almost anything.
  const moment = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(trimmed) ? Date.parse(trimmed) : NaN
  return Number.isNaN(moment) ? null : Math.max(0, moment - nowMs)
}
