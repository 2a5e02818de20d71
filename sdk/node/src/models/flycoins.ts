// Types of request bodies and answers: flycoins.
// Generated from api/openapi.json by sdk/generator: changes here are lost.

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
  /**
   * Amount of this charge that has been refunded by now, in micro-Flycoins. More than zero only in a repeated response:
   * the work of an earlier request was refunded, so do not do it for this charge.
   */
  refunded_micro: number
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
  /**
   * Amount of this charge that has been refunded by now, in micro-Flycoins. More than zero only in a repeated response:
   * the work of an earlier request was refunded, so do not do it for this charge.
   */
  refunded_micro: number
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

/** Revenue of a widget. */
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

/** Length of a period. */
export type StatisticsPeriod =
  | 'day'
  | 'week'
  | 'month'
  | (string & {})

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
