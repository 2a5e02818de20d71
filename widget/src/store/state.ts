import type { CallRecord } from '../api/types'

/** Whether the widget may work. */
export type AccessPhase = 'unknown' | 'open' | 'blocked'

/** Access to the account, as the last handshake or the last refused request told. */
export interface AccessState {
  phase: AccessPhase
  /** Why the widget is blocked, in Russian, from the API; `null` if it did not say. */
  reason: string | null
  /** What may not work although the widget is active. */
  warning: string | null
  /** Code of the problem or status of the install that blocks the widget. */
  code: string | null
  /** Where an administrator grants access again; `null` for others. */
  connectUrl: string | null
  isAdmin: boolean
  /** Subscription of the account; `null` if the widget sells none. */
  subscription: SubscriptionState | null
}

/** Subscription of an account, for its users. */
export interface SubscriptionState {
  /** State in Russian, from the API. */
  label: string
  /** Last day, `YYYY-MM-DD`; `null` if it has none. */
  until: string | null
}

/** What the user asked for and the server has not answered yet, or the reason why it refused. */
export interface RequestState {
  isSending: boolean
  /** Code of the last problem of a request for this record. */
  problem: string | null
}

/** State of the widget on one page. Playback time is not in it: it changes sixty times a second. */
export interface State {
  access: AccessState
  /** Records of the feed by their id. */
  records: Record<string, CallRecord>
  requests: Record<string, RequestState>
  /** Whether the server did not answer the last requests. */
  isOffline: boolean
  /** Unsaved summaries by transcription: they survive closing the window. */
  drafts: Record<string, string>
}

export function initialState(): State {
  return {
    access: { phase: 'unknown', reason: null, warning: null, code: null, connectUrl: null, isAdmin: false, subscription: null },
    records: {},
    requests: {},
    isOffline: false,
    drafts: {},
  }
}
