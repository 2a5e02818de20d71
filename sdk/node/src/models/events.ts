// Types of request bodies and answers: events.
// Generated from api/openapi.json by sdk/generator: changes here are lost.

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

/** Request to send a test event. */
export interface TestEventRequest {
  /** Account id in amoCRM; by default the account of the newest active install. */
  account_id?: number | null
}
