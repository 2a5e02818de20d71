import { inject, type InjectionKey } from 'vue'
import { createStore, type Store } from 'vuex'
import type { CallRecord, Transcription } from '../api/types'
import { initialState, type AccessState, type RequestState, type State } from './state'

export type { AccessState, RequestState, State, SubscriptionState } from './state'

/** All changes of the state. Vuex's own `commit` is untyped; `change` below is not. */
const mutations = {
  setAccess(state: State, access: AccessState): void {
    state.access = access
  },
  putRecords(state: State, records: CallRecord[]): void {
    for (const record of records) state.records[record.record_id] = record
  },
  /** Puts a transcription into the record that shows it. */
  putTranscription(state: State, transcription: Transcription): void {
    for (const record of Object.values(state.records)) {
      if (record.transcription?.id === transcription.id) record.transcription = transcription
    }
  },
  setRequest(state: State, change: { recordId: string; request: RequestState }): void {
    state.requests[change.recordId] = change.request
  },
  setOffline(state: State, isOffline: boolean): void {
    state.isOffline = isOffline
  },
  setDraft(state: State, change: { id: string; text: string | null }): void {
    if (change.text === null) delete state.drafts[change.id]
    else state.drafts[change.id] = change.text
  },
  /** Forgets the card. Access and drafts belong to the account and stay. */
  leaveCard(state: State): void {
    state.records = {}
    state.requests = {}
  },
}

type Mutations = typeof mutations

export type AppStore = Store<State>

/** A store of its own for each instance of the widget: module-level state would outlive it. */
export function createAppStore(): AppStore {
  return createStore<State>({ state: initialState, mutations })
}

/** Commits a mutation, with its payload checked. */
export function change<Name extends keyof Mutations>(
  store: AppStore,
  ...[name, payload]: Parameters<Mutations[Name]> extends [State, infer Payload] ? [Name, Payload] : [Name]
): void {
  store.commit(name, payload)
}

export const STORE_KEY: InjectionKey<AppStore> = Symbol('flysense store')

/** The store, in `setup`. */
export function useAppStore(): AppStore {
  const store = inject(STORE_KEY)
  if (!store) throw new Error('the store is not provided')
  return store
}
