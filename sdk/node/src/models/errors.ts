// Types of request bodies and answers: errors.
// Generated from api/openapi.json by sdk/generator: changes here are lost.

/** Codes of errors. Codes may be added. */
export type ErrorCode =
  | 'bad_request'
  | 'flycoins_not_used'
  | 'hold_ended'
  | 'idempotency_key_missing'
  | 'idempotency_key_reused'
  | 'install_not_active'
  | 'install_not_found'
  | 'insufficient_balance'
  | 'internal'
  | 'invalid'
  | 'invalid_request'
  | 'more_than_charged'
  | 'not_found'
  | 'price_above_limit'
  | 'reconnect_required'
  | 'subscriptions_not_used'
  | 'token_expired'
  | 'token_renewed'
  | 'too_large'
  | 'too_many_requests'
  | 'unauthorized'
  | 'unavailable'
  | 'unknown_charge'
  | 'unknown_hold'
  | 'unknown_service'
  | 'unsupported_media_type'
  | 'upstream_unavailable'
  | 'version_conflict'
  | 'wrong_state'
  | (string & {})

/** An error. Match on `code`: `title` and `detail` are for humans and may change. New codes may be added. */
export interface Problem {
  /** URL of the description of the code. */
  type: string
  /** Short description of the code, for humans. */
  title: string
  /** The HTTP status. */
  status: number
  /** Description of this error, for humans. */
  detail: string
  /** Stable machine-readable error code. */
  code: string
  /** Id of the new quote, with `quote_changed` only. */
  quote_id?: string | null
}
