// A method for each operation of the API that a vendor's backend may call.
// Generated from api/openapi.json by sdk/generator: changes here are lost.

import type {
  AccountAccess,
  AttemptOutcome,
  CaptureRequest,
  Charge,
  ChargeRequest,
  CreatedHold,
  DeliveryAttemptPage,
  DeliveryPage,
  Estimate,
  EstimateRequest,
  EventKind,
  EventPage,
  EventReplayRequest,
  EventState,
  FlycoinBalance,
  Hold,
  HoldCapture,
  HoldRelease,
  HoldRequest,
  Install,
  InstallPage,
  InstallStatus,
  OccupiedSeatPage,
  PauthRequest,
  RecordedEvent,
  Refund,
  RefundRequest,
  Revenue,
  Settings,
  SettingsInput,
  StatisticsPeriod,
  Subscription,
  TestEventRequest,
  WidgetStatus,
  WidgetSwitchRequest,
  WidgetTransactionPage,
} from './models.js'
import { Transport, segment, type CallOptions, type KeyedOptions } from './transport.js'

/** Query of `getBackendSettings`. */
export interface GetBackendSettingsQuery {
  /** Account id in amoCRM. */
  account_id: number
}

/** Query of `putBackendSettings`. */
export interface PutBackendSettingsQuery {
  /** Account id in amoCRM. */
  account_id: number
}

/** Query of `listInstalls`. */
export interface ListInstallsQuery {
  /** Only installs with this status. */
  status?: InstallStatus | undefined
  /** Only the install in this account. */
  account_id?: number | undefined
  /** `next` of the previous page. */
  cursor?: string | undefined
  /** Maximum number of installs. */
  limit?: number | undefined
}

/** Query of `listEvents`. */
export interface ListEventsQuery {
  /** Only events with a higher `number`, such as that of the last event that your backend has processed. */
  after_number?: number | undefined
  /** Only events of this type. */
  type?: EventKind | undefined
  /** Only events in this state. */
  state?: EventState | undefined
  /** Only events of this account. */
  account_id?: number | undefined
  /** Only events at or after this time. */
  from?: string | undefined
  /** Only events before this time. */
  until?: string | undefined
  /** `next` of the previous page. */
  cursor?: string | undefined
  /** Maximum number of events. */
  limit?: number | undefined
}

/** Query of `listDeliveries`. */
export interface ListDeliveriesQuery {
  /** Only attempts with this outcome. */
  outcome?: AttemptOutcome | undefined
  /** Only attempts for events of this type. */
  type?: EventKind | undefined
  /** Only attempts for events of this account. */
  account_id?: number | undefined
  /** Only attempts that started at or after this time. */
  from?: string | undefined
  /** Only attempts that started before this time. */
  until?: string | undefined
  /** `next` of the previous page. */
  cursor?: string | undefined
  /** Maximum number of attempts. */
  limit?: number | undefined
}

/** Query of `getFlycoinBalance`. */
export interface GetFlycoinBalanceQuery {
  /** Account id in amoCRM. */
  account_id: number
}

/** Query of `listWidgetTransactions`. */
export interface ListWidgetTransactionsQuery {
  /** Only transactions of this account. */
  account_id?: number | undefined
  /** Only transactions of these kinds, separated by commas: `charge,capture,refund`. */
  kinds?: string | undefined
  /** Only transactions at or after this time; by default 31 days before `until`. */
  from?: string | undefined
  /** Only transactions before this time; by default now. A request may cover at most 92 days. */
  until?: string | undefined
  /** `next` of the previous page. */
  cursor?: string | undefined
  /** Maximum number of transactions. */
  limit?: number | undefined
}

/** Query of `getRevenue`. */
export interface GetRevenueQuery {
  /** First day; by default the last 31 days. */
  from?: string | undefined
  /** The day after the last day; by default tomorrow, so that today is the last day. At most 366 days per request. */
  until?: string | undefined
  /** Length of periods; `day` by default. The first and the last period may be incomplete. */
  period?: StatisticsPeriod | undefined
  /** Offset of the days' time zone from UTC, in minutes; 180 (Moscow) by default. */
  utc_offset_min?: number | undefined
}

/** Query of `getBackendSubscription`. */
export interface GetBackendSubscriptionQuery {
  /** Account id in amoCRM. */
  account_id: number
}

/** Query of `listBackendSeats`. */
export interface ListBackendSeatsQuery {
  /** Account id in amoCRM. */
  account_id: number
}


/** The operations. */
export abstract class Operations extends Transport {
  /**
   * Exchange a user's one-time token, or an account id, for the caller's identity, the settings and an access token for
   * amoCRM.
   *
   * PAuth is the authentication of your project: send either the `token` that the widget received from amoCRM, which is
   * verified, or an `account_id` for background work. Answers 403 unless the widget is active in the account. An access
   * token that expires within five minutes is renewed first. Whether amoCRM still accepts a token is not checked: if
   * amoCRM answers 401 to it, ask again with `refused_token_sha256`. The gateway does this by itself.
   */
  pauth(body: PauthRequest, options: CallOptions = {}): Promise<AccountAccess> {
    return this.call('POST', '/v1/pauth', { body, repeatable: true, ...options })
  }

  /** Get the settings of an account. */
  getBackendSettings(query: GetBackendSettingsQuery, options: CallOptions = {}): Promise<Settings> {
    return this.call('GET', '/v1/backend/settings', { query, repeatable: true, ...options })
  }

  /** Replace the settings of an account. */
  putBackendSettings(
    body: SettingsInput,
    query: PutBackendSettingsQuery,
    options: CallOptions = {},
  ): Promise<Settings> {
    return this.call('PUT', '/v1/backend/settings', { body, query, repeatable: false, ...options })
  }

  /**
   * Switch the widget on or off in an account.
   *
   * While it is off, PAuth answers 403, and new charges and holds are refused. Settings, captures, releases, refunds
   * and the gateway go on working, so that the backend can tidy up. A change of the status sends an `activate` or
   * `deactivate` event. The switch survives uninstalling and reinstalling.
   */
  switchWidget(body: WidgetSwitchRequest, options: CallOptions = {}): Promise<WidgetStatus> {
    return this.call('PUT', '/v1/backend/switch', { body, repeatable: true, ...options })
  }

  /** List the widget's installs by account id, uninstalled ones included. */
  listInstalls(query: ListInstallsQuery = {}, options: CallOptions = {}): Promise<InstallPage> {
    return this.call('GET', '/v1/backend/installs', { query, repeatable: true, ...options })
  }

  /** Get an install of the widget. */
  getInstall(installId: string, options: CallOptions = {}): Promise<Install> {
    return this.call('GET', `/v1/backend/installs/${segment(installId)}`, { repeatable: true, ...options })
  }

  /** List events of the widget's installs, oldest first. */
  listEvents(query: ListEventsQuery = {}, options: CallOptions = {}): Promise<EventPage> {
    return this.call('GET', '/v1/backend/events', { query, repeatable: true, ...options })
  }

  /** Get an event. */
  getEvent(eventId: string, options: CallOptions = {}): Promise<RecordedEvent> {
    return this.call('GET', `/v1/backend/events/${segment(eventId)}`, { repeatable: true, ...options })
  }

  /** List all attempts to deliver an event, oldest first. */
  listEventAttempts(eventId: string, options: CallOptions = {}): Promise<DeliveryAttemptPage> {
    return this.call('GET', `/v1/backend/events/${segment(eventId)}/attempts`, { repeatable: true, ...options })
  }

  /**
   * Send a test event, to check the event URL and the verification of signatures.
   *
   * It is an event of type `test` about an install, delivered and logged as every other event.
   */
  sendTestEvent(body: TestEventRequest, options: CallOptions = {}): Promise<RecordedEvent> {
    return this.call('POST', '/v1/backend/events/test', { body, repeatable: false, ...options })
  }

  /**
   * Deliver an event again, whatever its state. A waiting event is tried now.
   *
   * If earlier events of the install wait, the first of them is tried now, because events of an install are delivered
   * in order.
   */
  replayEvent(eventId: string, options: CallOptions = {}): Promise<void> {
    return this.call('POST', `/v1/backend/events/${segment(eventId)}/replay`, { repeatable: false, ...options })
  }

  /** Deliver all events of a period again that were not delivered, or those in other states. */
  replayEvents(body: EventReplayRequest, options: CallOptions = {}): Promise<void> {
    return this.call('POST', '/v1/backend/events/replay', { body, repeatable: false, ...options })
  }

  /** List all attempts to deliver events of the widget, newest first. */
  listDeliveries(query: ListDeliveriesQuery = {}, options: CallOptions = {}): Promise<DeliveryPage> {
    return this.call('GET', '/v1/backend/deliveries', { query, repeatable: true, ...options })
  }

  /** Estimate the price of a charge, and whether the balance covers it. No coins are moved. */
  estimateFlycoins(body: EstimateRequest, options: CallOptions = {}): Promise<Estimate> {
    return this.call('POST', '/v1/backend/flycoins/estimate', { body, repeatable: true, ...options })
  }

  /**
   * Charge an account immediately.
   *
   * Use it for work whose price is known. If a request gets no response, repeat it with the same idempotency key: it is
   * executed once, and every repetition returns the first response; only `refunded_micro` is that of now.
   *
   * Derive the key from the account, the work and its input. With a key of an id alone that the widget's page chose, a
   * user gets another work for the same charge.
   */
  chargeFlycoins(body: ChargeRequest, options: KeyedOptions): Promise<Charge> {
    return this.call('POST', '/v1/backend/flycoins/charges', { body, repeatable: true, ...options })
  }

  /**
   * Hold coins before work whose price is not known yet.
   *
   * Held coins are not available for other charges. A hold ends when it is captured, released or expires.
   */
  holdFlycoins(body: HoldRequest, options: KeyedOptions): Promise<CreatedHold> {
    return this.call('POST', '/v1/backend/flycoins/holds', { body, repeatable: true, ...options })
  }

  /** Get a hold. */
  getFlycoinHold(holdId: string, options: CallOptions = {}): Promise<Hold> {
    return this.call('GET', `/v1/backend/flycoins/holds/${segment(holdId)}`, { repeatable: true, ...options })
  }

  /**
   * Capture a hold: charge the actual cost, which may exceed the hold.
   *
   * If the lines cost less than the hold, the rest is released. If they cost more, the difference is taken from the
   * available balance; if it is not sufficient, the request fails and the hold stays open. `at_most_micro` limits the
   * price: above it nothing is charged and the hold stays open. A hold can be captured once. Also works for an inactive
   * install.
   */
  captureFlycoinHold(holdId: string, body: CaptureRequest, options: KeyedOptions): Promise<HoldCapture> {
    return this.call('POST', `/v1/backend/flycoins/holds/${segment(holdId)}/capture`, { body, repeatable: true, ...options })
  }

  /**
   * Release the whole hold. Also works for an inactive install.
   *
   * Send no body or an empty object. To charge a part, capture the hold.
   */
  releaseFlycoinHold(holdId: string, options: KeyedOptions): Promise<HoldRelease> {
    return this.call('POST', `/v1/backend/flycoins/holds/${segment(holdId)}/release`, { repeatable: true, ...options })
  }

  /**
   * Refund a charge, in whole or in part.
   *
   * Coins return to the lots that they came from. The sum of all refunds never exceeds the charge. Coins that have
   * expired in the meantime can be spent for one more week. Also works for an inactive install.
   */
  refundFlycoins(body: RefundRequest, options: KeyedOptions): Promise<Refund> {
    return this.call('POST', '/v1/backend/flycoins/refunds', { body, repeatable: true, ...options })
  }

  /** Get the balance of an account. */
  getFlycoinBalance(query: GetFlycoinBalanceQuery, options: CallOptions = {}): Promise<FlycoinBalance> {
    return this.call('GET', '/v1/backend/flycoins/balance', { query, repeatable: true, ...options })
  }

  /** List the transactions of all wallets of the widget, newest first. */
  listWidgetTransactions(
    query: ListWidgetTransactionsQuery = {},
    options: CallOptions = {},
  ): Promise<WidgetTransactionPage> {
    return this.call('GET', '/v1/backend/flycoins/transactions', { query, repeatable: true, ...options })
  }

  /**
   * Get the widget's revenue by period: money received for Flycoins, and charges by service.
   *
   * A purchase counts on the day on which its coins were credited, a refund on the day on which it was made.
   */
  getRevenue(query: GetRevenueQuery = {}, options: CallOptions = {}): Promise<Revenue> {
    return this.call('GET', '/v1/backend/revenue', { query, repeatable: true, ...options })
  }

  /** Get the subscription of an account, to decide by its `access`. */
  getBackendSubscription(query: GetBackendSubscriptionQuery, options: CallOptions = {}): Promise<Subscription> {
    return this.call('GET', '/v1/backend/subscription', { query, repeatable: true, ...options })
  }

  /** List the users of an account who occupy seats, first comers first. The list has one page. */
  listBackendSeats(query: ListBackendSeatsQuery, options: CallOptions = {}): Promise<OccupiedSeatPage> {
    return this.call('GET', '/v1/backend/subscription/seats', { query, repeatable: true, ...options })
  }
}
