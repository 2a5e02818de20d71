// Types of request bodies and answers.
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

/** Status of an install. A widget works only while it is `active`. */
export type InstallStatus =
  | 'installing'
  | 'active'
  | 'inactive'
  | 'reconnect'
  | 'uninstalled'
  | (string & {})

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
  | (string & {})

/** Whether the account, or the user who asks, may use the widget. */
export interface SubscriptionAccess {
  /** Level of access. */
  level: AccessLevel
  /** Why. */
  reason: AccessReason
  /** What users should read, in Russian; null if nothing needs to be said. */
  notice: string | null
  /** Until when, if that is known. */
  until: string | null
}

/** Access of a widget to an account. */
export interface AccountAccess {
  /**
   * Access token for amoCRM's API. Flysk never returns the refresh token: using it would invalidate the stored token
   * pair.
   */
  access_token: string
  /** Expiry of the access token. */
  expires_at: string
  /** The account's host, for example `demo.amocrm.ru`. */
  base_domain: string
  /** Account id in amoCRM. */
  account_id: number
  /** Install id. */
  install_id: string
  /** Always `active`: other statuses return a problem. */
  install_status: InstallStatus
  /** Settings of the install. */
  settings: unknown
  /** User id of the token; null for a request with `account_id`. */
  user_id: number | null
  /**
   * Whether the account may use the widget, or the user of the `token`, if the widget gives seats to users; null if the
   * widget sells no subscriptions.
   */
  subscription: SubscriptionAccess | null
}

/**
 * Outcome of an attempt. `refused`: the backend answered 410; `interrupted`: the worker stopped, the backend may have
 * received the event.
 */
export type AttemptOutcome =
  | 'delivered'
  | 'refused'
  | 'failed'
  | 'interrupted'
  | (string & {})

/** A service and a quantity. */
export interface PriceLineInput {
  /** Service name, `<widget code>.<service>`, up to 48 characters. */
  service: string
  /** Quantity in seconds or pieces, depending on the service's tariff. */
  quantity: number
}

/** Request to capture a hold. */
export interface CaptureRequest {
  /** Services and quantities to charge, 1 to 20 lines. */
  lines: PriceLineInput[]
  /**
   * Highest price that may be charged, in micro-Flycoins. If the lines cost more, nothing is charged
   * (`price_above_limit`). Without it, the lines may cost more than the hold. Set it to the hold's `amount_micro` to
   * charge at most the hold.
   */
  at_most_micro?: number | null
  /** Text that the account's users see with the charge, up to 200 characters. */
  reference?: string | null
}

/** Kind of a tariff. */
export type TariffKind =
  | 'per_minute'
  | 'per_piece'
  | (string & {})

/** The tariff of a service. */
export interface Tariff {
  /** Kind of the tariff. */
  kind: TariffKind
  /** Rate per minute or piece, in micro-Flycoins. */
  rate_micro: number
  /** Minimum billed quantity, in seconds; null for `per_piece`. */
  at_least_s: number | null
}

/** Unit of a quantity. */
export type PriceUnit =
  | 'second'
  | 'piece'
  | (string & {})

/** Rounding of a price. */
export type PriceRounding =
  | 'exact'
  | 'half_up'
  | (string & {})

/** The price of one line and its calculation. */
export interface PriceLine {
  /** Service name. */
  service: string
  /** Version of the price rule. */
  version: number
  /** The tariff. */
  tariff: Tariff
  /** Unit of the quantity. */
  unit: PriceUnit
  /** Requested quantity. */
  quantity: number
  /** Billed quantity: the requested quantity, or the tariff's minimum. */
  billed: number
  /** Rounding of the price. */
  rounding: PriceRounding
  /** Price of the line, in micro-Flycoins. */
  amount_micro: number
}

/** A charge. */
export interface Charge {
  /** Id of the charge, to refund it. */
  transaction_id: string
  /** Charged amount, in micro-Flycoins. */
  charged_micro: number
  /** Available balance after the operation, in micro-Flycoins. */
  available_micro: number
  /** Coins in holds after the operation, in micro-Flycoins. */
  held_micro: number
  /** Prices, one per requested line. */
  receipt: PriceLine[]
}

/** Request to charge an account. */
export interface ChargeRequest {
  /** Id of the paying account in amoCRM. */
  account_id: number
  /** Services and quantities to charge, 1 to 20 lines. */
  lines: PriceLineInput[]
  /** Text that the account's users see with the charge, up to 200 characters. */
  reference?: string | null
}

/** A new hold. */
export interface CreatedHold {
  /** Hold id, to capture or release it. */
  hold_id: string
  /** Id of the transaction that created the hold. */
  transaction_id: string
  /** Held amount, in micro-Flycoins. */
  amount_micro: number
  /** Time when the hold expires. */
  expires_at: string
  /** Available balance after the operation, in micro-Flycoins. */
  available_micro: number
  /** Coins in holds after the operation, in micro-Flycoins. */
  held_micro: number
  /** Prices, one per requested line; empty for a hold of an amount. */
  receipt: PriceLine[]
}

/** An attempt to deliver an event. */
export interface DeliveryAttempt {
  /** Number of the attempt, from 1; begins at 1 again with each replay. */
  attempt: number
  /** Start of the attempt. */
  started_at: string
  /** Duration of the attempt; 0 if it was interrupted. */
  took_ms: number
  /** Outcome. */
  outcome: AttemptOutcome
  /** HTTP status of the response; null without a response. */
  status: number | null
  /** Reason why there was no response. */
  error: string | null
  /** Beginning of the response body. */
  answer_head: string | null
}

/** All attempts to deliver an event, oldest first. */
export interface DeliveryAttemptPage {
  /** The attempts. */
  items: DeliveryAttempt[]
  /** Always null: there is one page. */
  next: string | null
}

/** Type of an event. Types may be added: ignore unknown ones. */
export type EventKind =
  | 'install'
  | 'activate'
  | 'deactivate'
  | 'settings.changed'
  | 'flycoins.purchased'
  | 'flycoins.balance_low'
  | 'flycoins.hold_expired'
  | 'subscription.trial_ending'
  | 'subscription.trial_ended'
  | 'subscription.activated'
  | 'subscription.renewal_upcoming'
  | 'subscription.price_changing'
  | 'subscription.renewed'
  | 'subscription.payment_failed'
  | 'subscription.past_due'
  | 'subscription.changed'
  | 'subscription.cancelled'
  | 'subscription.expired'
  | 'test'
  | (string & {})

/** An attempt to deliver an event, with its event. */
export interface Delivery {
  /** Event id. */
  event_id: string
  /** Event type. */
  type: EventKind
  /** Account id in amoCRM. */
  account_id: number
  /** Install id. */
  install_id: string
  /** Number of the attempt, from 1; begins at 1 again with each replay. */
  attempt: number
  /** Start of the attempt. */
  started_at: string
  /** Duration of the attempt; 0 if it was interrupted. */
  took_ms: number
  /** Outcome. */
  outcome: AttemptOutcome
  /** HTTP status of the response; null without a response. */
  status: number | null
  /** Reason why there was no response. */
  error: string | null
  /** Beginning of the response body. */
  answer_head: string | null
}

/** A page of the delivery log, newest first. */
export interface DeliveryPage {
  /** The attempts. */
  items: Delivery[]
  /** Value of `cursor` for the next page; null on the last page. */
  next: string | null
}

/** An estimate. */
export interface Estimate {
  /** Prices, one per requested line. */
  lines: PriceLine[]
  /** Sum of the lines, in micro-Flycoins. */
  total_micro: number
  /** Available balance, in micro-Flycoins. */
  available_micro: number
  /** Whether the available balance covers the sum. */
  covered: boolean
}

/** Request to estimate a charge. */
export interface EstimateRequest {
  /** Id of the paying account in amoCRM. */
  account_id: number
  /** Services and quantities, 1 to 20 lines. */
  lines: PriceLineInput[]
}

/** An event about an install, as it is delivered: the same body in every attempt. */
export interface Event {
  /** Event id; the same in every delivery and in `webhook-id`. */
  id: string
  /** Event type. */
  type: EventKind
  /** Account id in amoCRM. */
  account_id: number
  /** First label of the account's host. */
  subdomain: string
  /** The account's host. */
  base_domain: string
  /** Install id. */
  install_id: string
  /** Number of the event among the install's events. A gap means that an event was missed. */
  sequence: number
  /** Number of the event among the widget's events, without gaps. */
  number: number
  /** Time of the event. */
  time: string
  /** Data of the type: see the example of each webhook. */
  data: unknown
}

/**
 * State of a delivery. `refused`: the backend answered 410; `failed`: the last attempt failed; `unaddressed`: the
 * widget had no event URL.
 */
export type EventState =
  | 'waiting'
  | 'delivered'
  | 'refused'
  | 'failed'
  | 'unaddressed'
  | (string & {})

/** An event of an install and the state of its delivery. */
export interface RecordedEvent {
  /** Event id; the same in every delivery. */
  id: string
  /** Event type. */
  type: EventKind
  /** Account id in amoCRM. */
  account_id: number
  /** First label of the account's host when the event happened. */
  subdomain: string
  /** The account's host when the event happened. */
  base_domain: string
  /** Install id. */
  install_id: string
  /** Number of the event among the install's events, which are delivered in this order. */
  sequence: number
  /** Number of the event among the widget's events, without gaps. */
  number: number
  /** Time of the event. */
  time: string
  /** Data of the type, as delivered. */
  data: unknown
  /** State of the delivery. */
  state: EventState
  /** Number of attempts since the event happened or was last replayed. */
  attempts: number
}

/** A page of events, oldest first. */
export interface EventPage {
  /** Events in order of `number`. */
  items: RecordedEvent[]
  /** Value of `cursor` for the next page; null if there are no more events now. */
  next: string | null
}

/** Request to replay events. */
export interface EventReplayRequest {
  /** Events at or after this time. */
  from: string
  /** Events before this time; by default all until now. */
  until?: string | null
  /** Only events in one of these states; by default those that were not delivered. */
  states?: EventState[] | null
  /** Only events of this type. */
  type?: EventKind | null
  /** Only events of this account. */
  account_id?: number | null
}

/** Balance of an account. */
export interface FlycoinBalance {
  /** Account id in amoCRM. */
  account_id: number
  /** Coins that can be spent, in micro-Flycoins. */
  available_micro: number
  /** Coins in open holds, in micro-Flycoins. */
  held_micro: number
}

/** State of a hold. */
export type HoldState =
  | 'open'
  | 'captured'
  | 'released'
  | 'expired'
  | (string & {})

/** A hold. */
export interface Hold {
  /** Hold id. */
  hold_id: string
  /** Account id in amoCRM. */
  account_id: number
  /** State of the hold. */
  state: HoldState
  /** Held amount, in micro-Flycoins. */
  amount_micro: number
  /** Charged amount, in micro-Flycoins; 0 unless captured. */
  captured_micro: number
  /** Time when the hold expires. */
  expires_at: string
}

/** Result of a capture. */
export interface HoldCapture {
  /** Hold id. */
  hold_id: string
  /** Id of the charge, to refund it. */
  transaction_id: string
  /** Charged amount, in micro-Flycoins. */
  charged_micro: number
  /** Available balance after the operation, in micro-Flycoins. */
  available_micro: number
  /** Coins in holds after the operation, in micro-Flycoins. */
  held_micro: number
  /** Prices, one per requested line. */
  receipt: PriceLine[]
}

/** Result of a release. */
export interface HoldRelease {
  /** Hold id. */
  hold_id: string
  /** Id of the release transaction. */
  transaction_id: string
  /** Available balance after the operation, in micro-Flycoins. */
  available_micro: number
  /** Coins in holds after the operation, in micro-Flycoins. */
  held_micro: number
}

/** Request to hold coins: the price of lines, or an amount. */
export interface HoldRequest {
  /** Id of the paying account in amoCRM. */
  account_id: number
  /** Services and quantities that are expected to be charged, 1 to 20 lines. Send either this or `amount_micro`. */
  lines?: PriceLineInput[] | null
  /** Amount to hold, in micro-Flycoins. Send either this or `lines`. */
  amount_micro?: number | null
  /** Seconds until the hold expires: 60 (a minute) to 604800 (a week). */
  expires_in_s: number
  /** Text that the account's users see with the hold, up to 200 characters. */
  reference?: string | null
}

/** An install: the widget in an account. */
export interface Install {
  /** Install id; the same after a reinstall. */
  id: string
  /** Account id in amoCRM. */
  account_id: number
  /** Name of the account. */
  account_name: string | null
  /** The account's host. */
  base_domain: string | null
  /** Status. */
  status: InstallStatus
  /** Version of the settings; 0 before the first change. */
  settings_version: number
  /** `sequence` of the install's last event; 0 before the first one. */
  last_event_sequence: number
  /** When access was last granted. */
  granted_at: string | null
  /** When the account began to install the widget for the first time. */
  created_at: string
  /** Time of the last change of the install, its settings included. */
  updated_at: string
}

/** A page of installs, by account id. */
export interface InstallPage {
  /** The installs. */
  items: Install[]
  /** Value of `cursor` for the next page; null on the last page. */
  next: string | null
}

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

/** The account: either a user's token or an account id. */
export interface PauthRequest {
  /** The `X-Auth-Token` that the widget sent to the backend. */
  token?: string | null
  /** Account id in amoCRM, for background work. */
  account_id?: number | null
  /**
   * SHA-256 of an access token that amoCRM answered with 401, as 64 lower-case hexadecimal digits. If this is still the
   * account's token, and it was issued more than ten minutes ago, it is renewed first.
   */
  refused_token_sha256?: string | null
}

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

/** A refund. */
export interface Refund {
  /** Id of the refund. */
  transaction_id: string
  /** Refunded amount, in micro-Flycoins. */
  refunded_micro: number
  /** Available balance after the operation, in micro-Flycoins. */
  available_micro: number
  /** Coins in holds after the operation, in micro-Flycoins. */
  held_micro: number
}

/** Request to refund a charge. */
export interface RefundRequest {
  /** Id of the paying account in amoCRM. */
  account_id: number
  /** Id of the charge or of the capture. */
  transaction_id: string
  /** Amount to refund, in micro-Flycoins. Send either this or `all`. */
  amount_micro?: number | null
  /** `true` to refund everything that is left of the charge. Send either this or `amount_micro`. */
  all?: boolean | null
  /** Text that the account's users see with the refund, up to 200 characters. */
  reference?: string | null
}

/** Money and coins of one period. */
export interface RevenuePeriod {
  /** First day of the period. */
  begins: string
  /** Money that accounts paid for Flycoins, in kopecks. */
  received_kopecks: number
  /** Money that was refunded for Flycoins, in kopecks. */
  refunded_kopecks: number
  /** Number of paid purchases. */
  purchases: number
  /** Purchased coins without bonus, in micro-Flycoins. */
  purchased_micro: number
  /** Charged coins, in micro-Flycoins. */
  charged_micro: number
  /** Refunded charges, in micro-Flycoins. */
  returned_micro: number
  /** Number of charges. */
  charges: number
}

/** Spending on one service in one period. */
export interface ServiceSpending {
  /** First day of the period. */
  begins: string
  /** Service name. */
  service: string
  /** Charged amount, in micro-Flycoins. */
  paid_micro: number
  /** Refunded amount, in micro-Flycoins. */
  returned_micro: number
  /** Number of charges. */
  charges: number
}

/** What a widget earns. */
export interface Revenue {
  /** First day. */
  from: string
  /** The day after the last day. */
  until: string
  /** All accounts together by period; periods without movements are absent. */
  items: RevenuePeriod[]
  /** Charges by period and service. */
  services: ServiceSpending[]
}

/** An install's settings. */
export interface Settings {
  /** Version, incremented by every change. */
  version: number
  /** The settings: a JSON object defined by the widget. */
  settings: unknown
}

/** New settings. */
export interface SettingsInput {
  /** The version that was read. If it is not the newest, the request fails with `version_conflict`. */
  version: number
  /** All settings: a JSON object of at most 64 KiB that satisfies the widget's schema. */
  settings: unknown
  /**
   * Version of the widget that writes. If this version has its own schema, the settings are validated by it, otherwise
   * by the widget's default schema.
   */
  widget_version?: string | null
}

/** Length of a period. */
export type StatisticsPeriod =
  | 'day'
  | 'week'
  | 'month'
  | (string & {})

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
  /** What the plan contains, as the vendor registered it. */
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
  /** What changes. Each kind is withdrawn by itself. */
  kind: PendingChangeKind
  /** Id of the next version of the plan; null for other kinds. */
  plan_id: string | null
  /** Next number of seats; null for other kinds. */
  seats: number | null
  /** Next number of months; null for other kinds. */
  months: number | null
}

/** A new price of a seat, of which the account was told. */
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
  /** What it pays. */
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

/** What users of the account should read about its subscription. */
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
  /** Whether a card is charged for the next period. */
  renews: boolean
  /** Whether the subscription ends with its period. */
  cancels: boolean
  /** Changes that wait for the next period. */
  pending_changes: PendingChange[]
  /** A new price of which the account was told at least 30 days before; null if the price stays. */
  price_change: SubscriptionPriceChange | null
  /** The invoice to be paid. */
  open_invoice: SubscriptionInvoice | null
  /** What users should read now, such as the coming end of a trial. */
  notices: SubscriptionNotice[]
}

/** Request to send a test event. */
export interface TestEventRequest {
  /** Account id in amoCRM; by default the account of the newest active install. */
  account_id?: number | null
}

/** Status of the widget in the account. */
export interface WidgetStatus {
  /** Status of the install. A widget that is switched on is `active` only while the account grants access. */
  status: InstallStatus
}

/** Request to switch the widget on or off. */
export interface WidgetSwitchRequest {
  /** Account id in amoCRM. */
  account_id: number
  /** Whether the widget may work in the account. */
  on: boolean
}

/** Kind of a transaction. Kinds may be added. */
export type TransactionKind =
  | 'credit'
  | 'charge'
  | 'hold'
  | 'capture'
  | 'release'
  | 'refund'
  | 'withdraw'
  | 'restore'
  | 'expire'
  | (string & {})

/** A transaction of one of the widget's wallets. */
export interface WidgetTransaction {
  /** Account id in amoCRM. */
  account_id: number
  /** Install id. */
  install_id: string
  /** Transaction id. */
  id: string
  /** Time of the transaction. */
  time: string
  /** Kind. */
  kind: TransactionKind
  /** Name of the kind in Russian. */
  label: string
  /**
   * Amount to show to users, in micro-Flycoins: positive if coins were added, negative if they were taken. For `hold`
   * and `release` the held or released amount, which stays in the wallet.
   */
  amount_micro: number
  /** Change of the available balance, in micro-Flycoins. */
  available_micro: number
  /** Change of the held balance, in micro-Flycoins. */
  held_micro: number
  /** Text from the vendor's backend. */
  reference: string | null
  /** Prices of the charged lines. */
  receipt: PriceLine[]
  /** Hold that the transaction created or ended. */
  hold_id: string | null
  /** Charge that the transaction refunded. */
  refund_of: string | null
}

/** A page of the widget's transactions, newest first. */
export interface WidgetTransactionPage {
  /** The transactions. */
  items: WidgetTransaction[]
  /** Value of `cursor` for the next page; null on the last page. */
  next: string | null
}
