import { setTimeout as sleep } from 'node:timers/promises'

import { errorWith, InvalidPathError, NoAnswerError, type ApiError } from './errors.js'
import { Attempts, DEFAULT_RETRIES, parseRetryAfter, type RetryPolicy } from './retry.js'
import { VERSION } from './version.js'

const PROBLEM = 'application/problem+json'
const DEFAULT_TIMEOUT_MS = 30_000
/** Codes of failures before anything of the request was sent. */
const UNSENT: ReadonlySet<unknown> = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Where Flysk is, and how it is asked. */
export interface FlyskOptions {
  /** Address of Flysk, `https://flysk.example.com`. */
  baseUrl: string
  /** Project token of the widget, `fpt_…`. */
  projectToken: string
  /** Time for an attempt with its whole answer, ms; 30 s by default. */
  timeoutMs?: number | undefined
  /** Changes of the retry policy. */
  retries?: Partial<RetryPolicy> | undefined
  /** Replaces `fetch`, for proxies or certificates of your own. */
  fetch?: typeof globalThis.fetch | undefined
}

/** Options of every request. */
export interface CallOptions {
  /** Cancels the request and its repetitions. */
  signal?: AbortSignal | undefined
}

/** Options of a write of coins. */
export interface KeyedOptions extends CallOptions {
  /**
   * Key of the write, 1 to 120 visible ASCII characters. Derive it from its purpose, the account, the work and its input: the
   * same work is executed once then, after a crash of your backend, too, and other work is not free.
   */
  idempotencyKey: string
}

/** Options of `request`. */
export interface RequestOptions extends CallOptions {
  /** Parameters of the query; a list is repeated, undefined and null are left out. */
  query?: object | undefined
  /** Further headers. */
  headers?: Readonly<Record<string, string>> | undefined
  /** Body, sent as JSON. */
  body?: unknown
  /** Key of a write. */
  idempotencyKey?: string | undefined
  /** Whether it may be executed twice; by default a GET, and a request with a key. */
  repeatable?: boolean | undefined
}

/** An answer of Flysk, or of amoCRM through the gateway. */
export class Answer {
  constructor(
    readonly status: number,
    readonly headers: Headers,
    readonly body: Uint8Array,
  ) {}

  /** Whether the status is 2xx. */
  get isSuccess(): boolean {
    return this.status >= 200 && this.status < 300
  }

  /** The body as text. */
  text(): string {
    return new TextDecoder().decode(this.body)
  }

  /** The parsed body; undefined without a body. Throws `SyntaxError` if it is not JSON. */
  json(): unknown {
    return this.body.byteLength === 0 ? undefined : JSON.parse(this.text())
  }

  /** The body of an error of Flysk; empty if it is not one. */
  problem(): Record<string, unknown> {
    if (!this.headers.get('Content-Type')?.startsWith(PROBLEM)) return {}
    try {
      const body = this.json()
      return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
    } catch {
      return {}
    }
  }

  /** The code of an error of Flysk, `unknown` for other answers. */
  get code(): string {
    return String(this.problem()['code'] ?? 'unknown')
  }

  /** `Retry-After`, ms. */
  get retryAfterMs(): number | null {
    return parseRetryAfter(this.headers.get('Retry-After'))
  }
}

/**
 * Refuses a path that does not arrive as it is written: HTTP clients and proxies resolve `.` and `..`, encoded or not. Throws
 * `InvalidPathError`.
 */
export function checkPath(path: string): void {
  const [beforeQuery = ''] = path.split(/[?#]/, 1)
  // Parsers of addresses remove these characters, and take a backslash for a slash.
  const plain = beforeQuery.replace(/[\u0000-\u0020]/g, '').replace(/%2e/gi, '.').replace(/%2f|%5c/gi, '/')
  if (plain.split(/[/\\]/).some((part) => part === '.' || part === '..')) {
    throw new InvalidPathError('a path has no segments `.` and `..`: they would lead to another path')
  }
}

/** A part of a path. Throws `InvalidPathError` if it is `.` or `..`. */
export function segment(text: string): string {
  const encoded = encodeURIComponent(text)
  if (encoded === '.' || encoded === '..') checkPath(encoded)
  return encoded
}

/** The error that an answer is. */
export function errorOf(answer: Answer): ApiError {
  const problem = answer.problem()
  return errorWith({
    status: answer.status,
    code: answer.code,
    detail: String(problem['detail'] ?? 'not an answer of Flysk'),
    requestId: answer.headers.get('X-Request-Id'),
    retryAfterMs: answer.retryAfterMs,
    problem,
  })
}

/** Sends requests: credential, timeout, repetitions. */
export abstract class Transport {
  /** Address of Flysk. */
  readonly baseUrl: string
  // Private, so that neither `console.log` nor `JSON.stringify` shows it.
  readonly #projectToken: string
  readonly #timeoutMs: number
  readonly #retries: RetryPolicy
  readonly #fetch: typeof globalThis.fetch

  /** Throws `TypeError` if an option is not valid. */
  constructor(options: FlyskOptions) {
    if (!/^https?:$/.test(new URL(options.baseUrl).protocol)) throw new TypeError('baseUrl begins with https:// or http://')
    if (!options.projectToken) throw new TypeError('projectToken is empty')
    this.baseUrl = options.baseUrl.replace(/\/+$/, '')
    this.#projectToken = options.projectToken
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
    this.#retries = { ...DEFAULT_RETRIES, ...options.retries }
    this.#fetch = options.fetch ?? globalThis.fetch
  }

  /**
   * A request with the project token, for what has no method here. Returns errors, too; throws `NoAnswerError` if no
   * answer arrived, and `InvalidPathError` if the path does not begin with `/` or a segment is `.` or `..`.
   */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const isRepeatable = options.repeatable ?? (method === 'GET' || options.idempotencyKey !== undefined)
    const attempts = new Attempts(this.#retries, isRepeatable)
    checkPath(path)
    if (!path.startsWith('/')) throw new InvalidPathError('a path begins with /: otherwise it would change the host')
    const url = withQuery(`${this.baseUrl}${path}`, options.query)
    // Outside of the loop: what cannot be sent is not a missing answer.
    const init = this.#prepare(method, options)
    for (;;) {
      let delayMs: number | null
      try {
        const answer = await this.#send(url, init, options.signal)
        delayMs = attempts.delayAfterAnswer(answer.status, answer.code, answer.retryAfterMs)
        if (delayMs === null) return answer
      } catch (error) {
        options.signal?.throwIfAborted()
        delayMs = attempts.delayWithoutAnswer(!UNSENT.has(codeOf(error)))
        if (delayMs === null) throw new NoAnswerError(`no answer from ${this.baseUrl}: ${reasonOf(error)}`, { cause: error })
      }
      await sleep(delayMs, undefined, { signal: options.signal })
    }
  }

  /** The body of a success; throws an `ApiError` for an error. */
  protected async call<T>(method: string, path: string, options: RequestOptions): Promise<T> {
    const answer = await this.request(method, path, options)
    if (!answer.isSuccess) throw errorOf(answer)
    try {
      return answer.json() as T
    } catch {
      throw errorOf(answer)
    }
  }

  #prepare(method: string, options: RequestOptions): RequestInit {
    const headers = new Headers({
      Accept: 'application/json',
      'User-Agent': `flysk-node/${VERSION}`,
      ...options.headers,
      'X-Project-Token': this.#projectToken,
    })
    if (options.idempotencyKey !== undefined) headers.set('Idempotency-Key', options.idempotencyKey)
    // A redirect would carry the token elsewhere.
    const init: RequestInit = { method, headers, redirect: 'manual' }
    if (options.body !== undefined) {
      headers.set('Content-Type', 'application/json')
      init.body = JSON.stringify(options.body)
    }
    return init
  }

  async #send(url: string, init: RequestInit, signal: AbortSignal | undefined): Promise<Answer> {
    const send = this.#fetch
    const timeout = AbortSignal.timeout(this.#timeoutMs)
    const response = await send(url, { ...init, signal: signal ? AbortSignal.any([signal, timeout]) : timeout })
    // With its body: an answer that stops halfway is none.
    return new Answer(response.status, response.headers, new Uint8Array(await response.arrayBuffer()))
  }
}

/** An address with the parameters of a query. */
function withQuery(url: string, query: object | undefined): string {
  const pairs = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) pairs.append(name, String(one))
    }
  }
  if (pairs.size === 0) return url
  return `${url}${url.includes('?') ? '&' : '?'}${pairs.toString()}`
}

/** Code of a system error below an error of `fetch`. */
function codeOf(error: unknown): unknown {
  const cause = error instanceof Error ? error.cause : undefined
  return typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined
}

function reasonOf(error: unknown): string {
  const code = codeOf(error)
  return error instanceof Error ? [error.name, error.message, code].filter(Boolean).join(' ') : String(error)
}
