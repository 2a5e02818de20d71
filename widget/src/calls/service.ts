import { LOOKUP_LIMIT, type CallsApi } from '../api/calls'
import { asProblem, type ApiProblem } from '../api/problem'
import type { CallRecord } from '../api/types'
import type { Card } from '../host/host'
import { change, type AppStore } from '../store'
import { Poller, type PollDelays, type PollResult } from './poller'

/** Loads, requests and follows the calls of the open card. */
export class CallService {
  private readonly poller: Poller
  /** Ids that were looked up on this card. */
  private readonly known = new Set<string>()
  /** Ids found since the last look-up. */
  private fresh = new Set<string>()
  private isLoading = false
  private polled = { key: '', version: '' }
  /** Counts cards: an answer for a card that was left is dropped. */
  private visit = 0

  constructor(
    private readonly api: CallsApi,
    private readonly store: AppStore,
    document: Document,
    private readonly onBlocking: (problem: ApiProblem) => void,
    delays?: PollDelays,
  ) {
    this.poller = new Poller(document, () => this.poll(), (problem) => this.onProblem(problem), delays)
  }

  /**
   * Takes the records that the feed shows; unknown ones are looked up in one request. The feed tells them at every change of the
   * page: those that wait for a repetition are left to the poller, which keeps to the delays.
   */
  see(recordIds: string[]): void {
    const unseen = recordIds.filter((id) => !this.known.has(id) && !this.fresh.has(id))
    if (unseen.length === 0) return
    for (const id of unseen) this.fresh.add(id)
    void this.load()
  }

  /** Asks for the transcription of a record. */
  async request(card: Card, recordId: string): Promise<void> {
    await this.send(recordId, () => this.api.request(card, [recordId]))
  }

  async cancel({ record_id: recordId, transcription }: CallRecord): Promise<void> {
    if (!transcription) return
    await this.send(recordId, async () => {
      change(this.store, 'putTranscription', await this.api.cancel(transcription.id))
      return (await this.api.lookUp([recordId])).items ?? []
    })
  }

  /** Looks up everything again: after access came back. */
  resume(): void {
    for (const id of this.known) this.fresh.add(id)
    this.known.clear()
    if (this.fresh.size > 0) void this.load()
  }

  /** Forgets the card and ends polling. */
  leave(): void {
    this.visit += 1
    this.poller.stop()
    this.known.clear()
    this.fresh.clear()
    this.polled = { key: '', version: '' }
    change(this.store, 'leaveCard')
  }

  stopPolling(): void {
    this.poller.stop()
  }

  /** Sends what the user asks for a record, one thing at a time. Of an answer for a card that was left only the loss of access counts. */
  private async send(recordId: string, ask: () => Promise<CallRecord[]>): Promise<void> {
    if (this.store.state.requests[recordId]?.isSending) return
    change(this.store, 'setRequest', { recordId, request: { isSending: true, problem: null } })
    const visit = this.visit
    let problem: string | null = null
    try {
      const items = await ask()
      if (visit !== this.visit) return
      problem = items.find((item) => item.record_id === recordId)?.problem ?? null
      this.take(items)
    } catch (error) {
      const found = asProblem(error)
      problem = found.code
      this.onProblem(found)
      if (visit !== this.visit) return
    }
    change(this.store, 'setRequest', { recordId, request: { isSending: false, problem } })
  }

  private async load(): Promise<void> {
    try {
      await this.lookUpFresh()
    } catch (error) {
      const problem = asProblem(error)
      this.onProblem(problem)
      // The poller repeats what has no answer yet.
      if (problem.isTransient) this.poller.start(problem.retryAfterMs ?? 0)
    }
  }

  /** Looks up the records that were not looked up yet. Throws the problem. */
  private async lookUpFresh(): Promise<void> {
    if (this.isLoading || this.store.state.access.phase === 'blocked') return
    this.isLoading = true
    try {
      while (this.fresh.size > 0) await this.lookUpNext()
    } finally {
      this.isLoading = false
    }
  }

  private async lookUpNext(): Promise<void> {
    const ids = [...this.fresh].slice(0, LOOKUP_LIMIT)
    const visit = this.visit
    try {
      const { items } = await this.api.lookUp(ids)
      // The card that was entered meanwhile may show the same calls: they are fresh again.
      if (visit !== this.visit) return
      this.take(items ?? [])
    } catch (error) {
      if (visit === this.visit) throw error
      return
    }
    for (const id of ids) {
      this.known.add(id)
      this.fresh.delete(id)
    }
  }

  private take(items: CallRecord[]): void {
    change(this.store, 'putRecords', items)
    change(this.store, 'setOffline', false)
    if (items.some((item) => item.is_pending)) this.poller.start()
  }

  private async poll(): Promise<PollResult> {
    await this.lookUpFresh().catch((error: unknown) => {
      // What the server refuses for some records ends nothing for the others.
      const problem = asProblem(error)
      if (problem.isTransient || problem.isBlocking) throw problem
    })
    const pending = this.pendingIds()
    if (pending.length === 0) return { isPending: this.fresh.size > 0, hasNews: false }
    const key = pending.join()
    const version = key === this.polled.key ? this.polled.version : undefined
    const visit = this.visit
    const found = await this.api.lookUp(pending.slice(0, LOOKUP_LIMIT), version)
    if (visit !== this.visit) return { isPending: false, hasNews: false }
    this.polled = { key, version: found.version }
    change(this.store, 'setOffline', false)
    if (found.items) change(this.store, 'putRecords', found.items)
    return { isPending: this.pendingIds().length > 0, hasNews: found.items !== null }
  }

  private pendingIds(): string[] {
    return Object.values(this.store.state.records)
      .filter((record) => record.is_pending)
      .map((record) => record.record_id)
  }

  private onProblem(problem: ApiProblem): void {
    if (problem.isBlocking) {
      this.poller.stop()
      this.onBlocking(problem)
    } else if (problem.isTransient) {
      change(this.store, 'setOffline', true)
    }
  }
}
