import type { Context } from '../context'
import type { AppStore } from '../store'
import { FeedObserver } from './feed'
import { SlotViews } from './slot-views'

/** Address of a moment of a call: `#flysense=tr_…` or `#flysense=tr_…:<milliseconds>`. */
const MOMENT_LINK = /^#flysense=(tr_\w+?)(?::(\d+))?$/

/** The widget in an open card. */
export class CardView {
  private observer: FeedObserver | undefined
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
    const { host, calls } = this.context
    const card = host.card()
    if (!card) return
    this.slots ??= new SlotViews(this.context, this.store)
    this.slots.begin()
    this.observer = new FeedObserver(host.document, card, this.slots, (records) => calls.see(records.map(({ id }) => id)))
    this.observer.start()
    this.endSocket = host.onCardEvent(card, () => this.observer?.schedule())
    this.openLinkedMoment()
  }

  leave(): void {
    this.observer?.stop()
    this.observer = undefined
    this.slots?.end()
    this.endSocket?.()
    this.endSocket = undefined
    this.context.calls.leave()
  }

  private openLinkedMoment(): void {
    const { hash, pathname } = this.context.host.window.location
    const [, id, atMs] = MOMENT_LINK.exec(hash) ?? []
    if (id === undefined || this.followedLink === pathname + hash) return
    this.followedLink = pathname + hash
    this.context.openTranscript(id, atMs === undefined ? undefined : Number(atMs))
  }
}
