/** Flysk for backends of amoCRM widgets: PAuth, settings, Flycoins, subscriptions, events, and the gateway to amoCRM. */

export { Flysk, items, type AmocrmOptions, type Page } from './client.js'
export {
  AmocrmError,
  ApiError,
  FlyskError,
  HoldEndedError,
  IdempotencyKeyReusedError,
  InstallNotActiveError,
  InstallNotFoundError,
  InsufficientBalanceError,
  InvalidPathError,
  InvalidSignatureError,
  MoreThanChargedError,
  NoAnswerError,
  PriceAboveLimitError,
  ReconnectRequiredError,
  TokenExpiredError,
  TooManyRequestsError,
  UnauthorizedError,
  UnavailableError,
  VersionConflictError,
  type ErrorDetails,
} from './errors.js'
export { verifyEvent, type EventHeaders, type VerifyOptions } from './events.js'
export type * from './models.js'
export type * from './operations.js'
export { DEFAULT_RETRIES, type RetryPolicy } from './retry.js'
export { Answer, type CallOptions, type FlyskOptions, type KeyedOptions, type RequestOptions } from './transport.js'
export { VERSION } from './version.js'
