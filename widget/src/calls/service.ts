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

  /** Takes the records that the feed shows; unknown ones are looked up in one request. */
  see(recordIds: string[]): void {
    for (const id of recordIds) if (!this.known.has(id)) this.fresh.add(id)
    if (this.fresh.size > 0) void this.load()
  }

  /** Asks for the transcription of a record. */
  async request(card: Card, recordId: string): Promise<void> {
    change(this.store, 'setRequest', { recordId, request: { isSending: true, problem: null } })
    const visit = this.visit
    let problem: string | null = null
    try {
      const items = await this.api.request(card, [recordId])
      if (visit !== this.visit) return
      problem = items.find((item) => item.record_id === recordId)?.problem ?? null
      this.take(items)
    } catch (error) {
      const found = asProblem(error)
      problem = found.code
      this.onProblem(found)
    }
    change(this.store, 'setRequest', { recordId, request: { isSending: false, problem } })
  }

  async cancel(record: CallRecord): Promise<void> {
    const { record_id: recordId, transcription } = record
    if (!transcription) return
    try {
      const cancelled = await this.api.cancel(transcription.id)
      change(this.store, 'putTranscription', cancelled)
      await this.refresh([recordId])
    } catch (error) {
      const problem = asProblem(error)
      change(this.store, 'setRequest', { recordId, request: { isSending: false, problem: problem.code } })
      this.onProblem(problem)
    }
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

  private async load(): Promise<void> {
    if (this.isLoading || this.store.state.access.phase === 'blocked') return
    this.isLoading = true
    try {
      while (this.fresh.size > 0) {
        const ids = [...this.fresh].slice(0, LOOKUP_LIMIT)
        await this.refresh(ids)
        for (const id of ids) {
          this.known.add(id)
          this.fresh.delete(id)
        }
      }
    } catch (error) {
      this.onProblem(asProblem(error))
      // The poller repeats what has no answer yet.
      if (asProblem(error).isTransient) this.poller.start()
    } finally {
      this.isLoading = false
    }
  }

  private async refresh(ids: string[]): Promise<void> {
    const visit = this.visit
    const { items } = await this.api.lookUp(ids)
    if (visit === this.visit) this.take(items ?? [])
  }

  private take(items: CallRecord[]): void {
    change(this.store, 'putRecords', items)
    change(this.store, 'setOffline', false)
    if (items.some((item) => item.is_pending)) this.poller.start()
  }

  private async poll(): Promise<PollResult> {
    if (this.fresh.size > 0) await this.load()
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
