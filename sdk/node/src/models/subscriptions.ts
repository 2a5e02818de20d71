// Types of request bodies and answers: subscriptions.
// Generated from api/openapi.json by sdk/generator: changes here are lost.

import type { SubscriptionAccess } from './shared.js'

/** A seat that a user occupies. */
export interface OccupiedSeat {
  /** User id in amoCRM. */
  user_id: number
  /** Name of the user in amoCRM; null in the first minutes, and if the account's grant may not read users. */
  user_name: string | null
  /** When the user took the seat. */
  taken_at: string
  /** The user's latest handshake, at most an hour late. */
  seen_at: string
  /**
   * Day from which the user has no seat, Moscow time, because the subscription will have fewer; null if the seat stays.
   */
  lost_on: string | null
}

/** All seats that users occupy, first comers first. */
export interface OccupiedSeatPage {
  /** The seats; empty if the widget gives no seats to users. */
  items: OccupiedSeat[]
  /** Always null: the list has one page. */
  next: string | null
}

/** State of a subscription. States may be added: decide by the access. */
export type SubscriptionState =
  | 'trialing'
  | 'trial_ended'
  | 'active'
  | 'renewing'
  | 'past_due'
  | 'expired'
  | 'cancelled'
  | (string & {})

/** Price of a seat for one length of the period. */
export interface SeatPrice {
  /** Months that are paid at once: 1, 3, 6 or 12. */
  months: number
  /** Price of a seat for all these months, in kopecks. */
  seat_price_kopecks: number
}

/** A plan on offer. */
export interface SubscriptionPlan {
  /** Id of this version of the plan, to ask for a quote. */
  id: string
  /** Code of the plan, the same in all versions. */
  code: string
  /** Version of the plan. */
  version: number
  /** Title in Russian. */
  title: string
  /** Prices by length of the period, shortest first. */
  prices: SeatPrice[]
  /** Minimum number of seats. */
  min_seats: number
  /** Maximum number of seats; null if there is none. */
  max_seats: number | null
  /** Currency of the prices, always `RUB`. */
  currency: string
  /** Features of the plan, as the vendor registered them. */
  features: unknown
}

/** Kind of a change that waits for the next period. */
export type PendingChangeKind =
  | 'plan'
  | 'seats'
  | 'length'
  | (string & {})

/** A change that waits for the next period. */
export interface PendingChange {
  /** Kind of the change. Each kind is withdrawn by itself. */
  kind: PendingChangeKind
  /** Id of the next version of the plan; null for other kinds. */
  plan_id: string | null
  /** Next number of seats; null for other kinds. */
  seats: number | null
  /** Next number of months; null for other kinds. */
  months: number | null
}

/** A new price of a seat, of which the account was notified. */
export interface SubscriptionPriceChange {
  /** First day of the first period that has the new price, Moscow time. */
  on: string
  /** Price of a seat for a period until then, in kopecks. */
  seat_price_kopecks: number
  /** Price of a seat for a period from then on, in kopecks. */
  next_seat_price_kopecks: number
}

/** What an invoice pays: a first period, a change within a period, or the next period. */
export type InvoiceKind =
  | 'start'
  | 'change'
  | 'renewal'
  | (string & {})

/** State of an invoice. `void`: withdrawn, not to be paid. */
export type InvoiceState =
  | 'open'
  | 'paid'
  | 'void'
  | (string & {})

/**
 * Subject of a line. `difference`: the rest of the period on other terms; `waiver`: not charged, below the bank's
 * minimum.
 */
export type InvoiceLineKind =
  | 'period'
  | 'difference'
  | 'waiver'
  | (string & {})

/** Rounding of an amount. `half_up`: a share by days, rounded once to the nearest kopeck. */
export type Rounding =
  | 'exact'
  | 'half_up'
  | (string & {})

/** A line of a quote or an invoice. The lines sum to the total. */
export interface InvoiceLine {
  /** Subject of the line. */
  kind: InvoiceLineKind
  /** Text in Russian. */
  title: string
  /** First day that the line covers, Moscow time. */
  from: string
  /** Day after the last one that the line covers, Moscow time. */
  until: string
  /** Number of seats after the change. */
  seats: number
  /** Amount, in kopecks; negative for a waiver. */
  amount_kopecks: number
  /** Rounding of the amount. */
  rounding: Rounding
}

/** An invoice. */
export interface SubscriptionInvoice {
  /** Invoice id, `inv_…`. */
  id: string
  /** Subject that the invoice pays. */
  kind: InvoiceKind
  /** State. */
  state: InvoiceState
  /** Title in Russian. */
  title: string
  /** Lines, which sum to the total. */
  lines: InvoiceLine[]
  /** Amount, in kopecks. */
  total_kopecks: number
  /** Refunded amount, including refunds in progress, in kopecks. */
  refunded_kopecks: number
  /** First day that it pays, Moscow time. */
  period_from: string
  /** Day after the last one that it pays, Moscow time. */
  period_until: string
  /** Until when it can be paid; null if the subscription waits for it. */
  due_at: string | null
  /** When the card is charged next; null if it is not. */
  charge_at: string | null
  /** Why the last payment failed, in Russian. */
  failure: string | null
  /** Time of the payment. */
  paid_at: string | null
  /** Time when it was written. */
  created_at: string
}

/** Subject of a notice. Subjects may be added. */
export type SubscriptionNoticeKind =
  | 'trial_ending'
  | 'charge_upcoming'
  | 'payment_needed'
  | 'ends_with_period'
  | 'price_changing'
  | 'access'
  | (string & {})

/** Notice to the users of the account about its subscription. */
export interface SubscriptionNotice {
  /** Subject. */
  kind: SubscriptionNoticeKind
  /** Sentence in Russian. */
  text: string
  /** The day that it is about, Moscow time; null for a notice about access. */
  on: string | null
}

/** Subscription of an account. */
export interface Subscription {
  /** Subscription id, `sub_…`. */
  id: string
  /** State. Decide by `access`, not by the state. */
  state: SubscriptionState
  /** Name of the state in Russian. */
  label: string
  /** Whether the account may use the widget. */
  access: SubscriptionAccess
  /** Version of the plan; null before the first purchase. Its price may differ from the plan on offer. */
  plan: SubscriptionPlan | null
  /** Number of seats; null before the first purchase. */
  seats: number | null
  /** Number of seats that users occupy; null if the widget gives no seats to users, and before the first purchase. */
  seats_taken: number | null
  /**
   * Whether the user who asks has a seat, in the answers of the handshake and of `getSubscription`: if all are in use,
   * `access` is that user's. Null elsewhere, if the widget gives no seats to users, and before the first purchase.
   */
  has_seat: boolean | null
  /** Months that are paid at once; null before the first purchase. */
  months: number | null
  /** Price of a seat for these months, in kopecks; null before the first purchase. */
  seat_price_kopecks: number | null
  /** First day of the current or last period, Moscow time. */
  period_from: string | null
  /** Day after the last one of the current or last period, Moscow time. */
  period_until: string | null
  /** Day after the last one that is paid, Moscow time; later than `period_until` if the next period is paid ahead. */
  paid_until: string | null
  /** Day after the last one of the trial, Moscow time; null if there was none. */
  trial_until: string | null
  /** Whether a card is charged for the next period. Not one that was saved at another terminal than the seller's. */
  renews: boolean
  /** Whether the subscription ends with its period. */
  cancels: boolean
  /** Changes that wait for the next period. */
  pending_changes: PendingChange[]
  /** A new price of which the account was notified at least 30 days before; null if the price stays. */
  price_change: SubscriptionPriceChange | null
  /** The invoice to be paid. */
  open_invoice: SubscriptionInvoice | null
  /** Notices for users now, such as the coming end of a trial. */
  notices: SubscriptionNotice[]
}
