/** An error of the API or of the way to it. */
export class ApiProblem extends Error {
  constructor(
    /** HTTP status; 0 if there was no answer. */
    readonly status: number,
    /** Stable code of the API, or `offline`, `timeout`, `bad_answer`. */
    readonly code: string,
    /** Text of the API for this error, if any; in Russian where the API promises it. */
    readonly reason: string | null = null,
    /** Delay before a further attempt, in milliseconds, if the API named one. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(`${status} ${code}`)
    this.name = 'ApiProblem'
  }

  /** Whether access to the account is lost, so that no request can succeed until somebody acts. */
  get isBlocking(): boolean {
    return this.status === 403 && this.code !== 'admin_only'
  }

  /** Whether the same request may succeed later. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

/** Reads `application/problem+json`; an answer that is none becomes a problem by its status. */
export function problemOf(status: number, body: unknown, headers?: Headers): ApiProblem {
  const fields = body !== null && typeof body === 'object' ? (body as Record<string, unknown>) : {}
  const code = typeof fields.code === 'string' ? fields.code : `http_${status}`
  const reason = typeof fields.reason === 'string' ? fields.reason : null
  const seconds = Number(headers?.get('Retry-After') ?? Number.NaN)
  return new ApiProblem(status, code, reason, Number.isFinite(seconds) ? seconds * 1000 : null)
}

/** Any error as a problem. */
export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error
  if (error instanceof DOMException && error.name === 'AbortError') return new ApiProblem(0, 'timeout')
  if (error instanceof SyntaxError) return new ApiProblem(0, 'bad_answer')
  return new ApiProblem(0, 'offline')
}
