import type { ErrorCode } from './models.js'

/** Everything that this package throws, except `TypeError` for arguments that no request can be made of. */
export class FlyskError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** A path with a segment `.` or `..`, which HTTP clients resolve, or one outside of amoCRM's API. Nothing was sent. */
export class InvalidPathError extends TypeError {
  constructor(message: string) {
    super(message)
    this.name = new.target.name
  }
}

/** No answer arrived. A write may have been executed: repeat it with the same idempotency key. */
export class NoAnswerError extends FlyskError {}

/** Flysk did not send this event, or not within the tolerated time. Answer 401 and do not use the body. */
export class InvalidSignatureError extends FlyskError {}

/** What an error of Flysk says. */
export interface ErrorDetails {
  /** The HTTP status. */
  status: number
  /** Stable code; `unknown` for an answer that is not Flysk's, for example of a proxy. */
  code: ErrorCode
  /** Description of this error, for humans. */
  detail: string
  /** `X-Request-Id` of the answer: quote it to support. */
  requestId: string | null
  /** Milliseconds after which a repetition makes sense, if the answer says so. */
  retryAfterMs: number | null
  /** The whole body, with members that belong to the code, such as `quote_id`. */
  problem: Record<string, unknown>
}

/** An error that Flysk answered, as `application/problem+json`. Match on `code`, or on the class. */
export class ApiError extends FlyskError implements ErrorDetails {
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  readonly requestId: string | null
  readonly retryAfterMs: number | null
  readonly problem: Record<string, unknown>

  constructor(details: ErrorDetails) {
    const quoted = details.requestId ? ` (request ${details.requestId})` : ''
    super(`${details.status} ${details.code}: ${details.detail}${quoted}`)
    this.status = details.status
    this.code = details.code
    this.detail = details.detail
    this.requestId = details.requestId
    this.retryAfterMs = details.retryAfterMs
    this.problem = details.problem
  }
}

/** `unauthorized`: the project token, or the token of the page, is missing or not valid. */
export class UnauthorizedError extends ApiError {}

/** `token_expired`: the token of the page has expired. Ask the page for a new one. */
export class TokenExpiredError extends ApiError {}

/** `insufficient_balance`: the account has not enough Flycoins. Do not start the work. */
export class InsufficientBalanceError extends ApiError {}

/** `install_not_found`: the widget is not installed in this account. */
export class InstallNotFoundError extends ApiError {}

/** `install_not_active`: the widget does not work in this account. Wait for the event `activate`. */
export class InstallNotActiveError extends ApiError {}

/** `reconnect_required`: an administrator must grant access again. Wait for the event `activate`. */
export class ReconnectRequiredError extends ApiError {}

/** `version_conflict`: the object has changed since it was read. Read it again. */
export class VersionConflictError extends ApiError {}

/** `hold_ended`: the hold is captured, released or expired. Read it to know which. */
export class HoldEndedError extends ApiError {}

/** `price_above_limit`: the lines cost more than `at_most_micro`. Nothing was charged, and the hold is open. */
export class PriceAboveLimitError extends ApiError {}

/** `more_than_charged`: the refund exceeds what is left of the charge. */
export class MoreThanChargedError extends ApiError {}

/** `idempotency_key_reused`: the key belongs to another request. Use a key for one purpose only. */
export class IdempotencyKeyReusedError extends ApiError {}

/** `too_many_requests`: the limit is used up. Repeat after `retryAfterMs`. */
export class TooManyRequestsError extends ApiError {}

/** `unavailable`, `upstream_unavailable`, `token_renewed` or `internal`: repeat later, a write with the same key. */
export class UnavailableError extends ApiError {}

type ErrorClass = new (details: ErrorDetails) => ApiError

/** The class of each code that a backend acts on. */
const CLASSES: ReadonlyMap<string, ErrorClass> = new Map<string, ErrorClass>([
  ['hold_ended', HoldEndedError],
  ['idempotency_key_reused', IdempotencyKeyReusedError],
  ['install_not_active', InstallNotActiveError],
  ['install_not_found', InstallNotFoundError],
  ['insufficient_balance', InsufficientBalanceError],
  ['internal', UnavailableError],
  ['more_than_charged', MoreThanChargedError],
  ['price_above_limit', PriceAboveLimitError],
  ['reconnect_required', ReconnectRequiredError],
  ['token_expired', TokenExpiredError],
  ['token_renewed', UnavailableError],
  ['too_many_requests', TooManyRequestsError],
  ['unauthorized', UnauthorizedError],
  ['unavailable', UnavailableError],
  ['upstream_unavailable', UnavailableError],
  ['version_conflict', VersionConflictError],
])

/** Codes with a class of their own, for tests. */
export const CODES_WITH_CLASS: readonly string[] = [...CLASSES.keys()]

/** The error with the class of its code. */
export function errorWith(details: ErrorDetails): ApiError {
  const kind = CLASSES.get(details.code) ?? ApiError
  return new kind(details)
}

/** An error that amoCRM answered to a request through the gateway, unchanged. */
export class AmocrmError extends FlyskError {
  /** The HTTP status. */
  readonly status: number
  /** The parsed JSON, or the text of a page. */
  readonly body: unknown

  constructor(status: number, body: unknown) {
    const isProblem = typeof body === 'object' && body !== null && 'title' in body
    super(`amoCRM answered ${status}: ${isProblem ? String(body.title) : 'not a problem'}`)
    this.status = status
    this.body = body
  }
}
