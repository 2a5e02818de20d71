import type { Context } from '../context'
import type { AppStore } from '../store'
import { FeedObserver, type FeedRecord } from './feed'
import { SlotViews } from './slot-views'

/** Address of a moment of a call: `#flysense=tr_…` or `#flysense=tr_…:<milliseconds>`. */
const MOMENT_LINK = /^#flysense=(tr_\w+?)(?::(\d+))?$/

/** The records are looked up so long after their buttons are in the page, in milliseconds: the buttons are painted first. */
const LOOKUP_DELAY_MS = 20

/** The widget in an open card. */
export class CardView {
  private observer: FeedObserver | undefined
  private lookupTimer: ReturnType<typeof setTimeout> | undefined
  /** Made for the first card and kept for the next ones. */
  private slots: SlotViews | undefined
  private endSocket: (() => void) | undefined
  /** Link that was followed: amoCRM may enter the same card again, and the user has closed the window. */
  private followedLink = ''

  constructor(
    private readonly context: Context,
    private readonly store: AppStore,
  ) {}

  enter(): void {
    const { host } = this.context
    const card = host.card()
    if (!card) return
    this.slots ??= new SlotViews(this.context, this.store)
    this.slots.begin()
    this.observer = new FeedObserver(host.document, card, this.slots, (records) => this.lookUpSoon(records))
    this.observer.start()
    this.endSocket = host.onCardEvent(card, () => this.observer?.schedule())
    this.openLinkedMoment()
  }

  leave(): void {
    clearTimeout(this.lookupTimer)
    this.observer?.stop()
    this.observer = undefined
    this.slots?.end()
    this.endSocket?.()
    this.endSocket = undefined
    this.context.calls.leave()
  }

  /** Each scan of the feed tells all its records, so that the last one counts. */
  private lookUpSoon(records: FeedRecord[]): void {
    clearTimeout(this.lookupTimer)
    this.lookupTimer = setTimeout(() => this.context.calls.see(records.map(({ id }) => id)), LOOKUP_DELAY_MS)
  }

  private openLinkedMoment(): void {
    const { hash, pathname } = this.context.host.window.location
    const [, id, atMs] = MOMENT_LINK.exec(hash) ?? []
    if (id === undefined || this.followedLink === pathname + hash) return
    this.followedLink = pathname + hash
    this.context.openTranscript(id, atMs === undefined ? undefined : Number(atMs))
  }
}
