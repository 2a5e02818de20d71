// Types of request bodies and answers: shared.
// Generated from api/openapi.json by sdk/generator: changes here are lost.

/**
 * Level of access. `grace`: the widget works and asks for a payment; `restricted`: it shows its data, but does nothing
 * that costs.
 */
export type AccessLevel =
  | 'allowed'
  | 'grace'
  | 'restricted'
  | 'off'
  | (string & {})

/** Reason of a level of access. Reasons may be added. */
export type AccessReason =
  | 'trial'
  | 'paid'
  | 'granted'
  | 'renewing'
  | 'payment_overdue'
  | 'under_review'
  | 'not_subscribed'
  | 'trial_ended'
  | 'expired'
  | 'cancelled'
  | 'no_seat'
  | 'not_sold'
  | (string & {})

/** Whether the account, or the user who asks, may use the widget. */
export interface SubscriptionAccess {
  /** Level of access. */
  level: AccessLevel
  /** Why. */
  reason: AccessReason
  /** Text for users, in Russian; null if nothing needs to be said. */
  notice: string | null
  /** Until when, if that is known. */
  until: string | null
}
