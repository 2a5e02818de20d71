import type { Card, EntityType } from '../host/host'
import { ROOT_CLASS } from '../host/host'

/** A call record of the feed that can be played. */
export interface FeedRecord {
  /** Id of the event, or of the note if it is a number. */
  id: string
  /** Card that the record belongs to: a feed also shows calls of linked cards. */
  card: Card
  /** Element after which the widget's slot goes. */
  anchor: Element
  wrapper: Element
}

const RECORD = '.feed-note-wrapper-call_in_out'
const GROUP_CLASS = 'feed-note-wrapper-grouped-complex'
const CALL_CONTENT = '.feed-note__call-content'
/** Playable, or at least downloadable. Records without a recording have a disabled element instead of a link. */
const RECORDING_LINK = `${CALL_CONTENT} a.js-call-play[href], ${CALL_CONTENT} a[download][href]`
const LINKED_CARD = '.feed-note__linked a[href], a.feed-note__linked-inner[href]'
const CARD_PATH = /\/(leads|contacts|companies|customers)\/detail\/(\d+)/

/**
 * The playable call records of a page, wherever the feed puts them: in groups, prepended, or new. The page is searched once for
 * links to recordings, not once for each record.
 */
export function findRecords(document: Document, card: Card): FeedRecord[] {
  const records = new Map<Element, FeedRecord>()
  for (const link of document.querySelectorAll(RECORDING_LINK)) {
    const anchor = link.closest(CALL_CONTENT)!
    const wrapper = anchor.closest(RECORD)
    // A record has two links, one to play and one to download. A group holds the wrappers of its calls, which have their own links.
    if (!wrapper || records.has(wrapper) || wrapper.classList.contains(GROUP_CLASS)) continue
    const id = wrapper.getAttribute('data-id')
    if (id) records.set(wrapper, { id, wrapper, anchor, card: linkedCard(wrapper) ?? card })
  }
  return [...records.values()]
}

/** The card of a record that belongs to another one than the open one. */
function linkedCard(wrapper: Element): Card | null {
  const href = wrapper.querySelector(LINKED_CARD)?.getAttribute('href') ?? ''
  const [, entityType, id] = CARD_PATH.exec(href) ?? []
  return entityType ? { entityType: entityType as EntityType, entityId: Number(id) } : null
}

/** What shows a record below its call. */
export interface Slots {
  /** Fills an element, which is not in the page yet. */
  mount(element: HTMLElement, record: FeedRecord): void
  unmount(element: HTMLElement): void
}

/** Changes of the page are collected for this long before one scan, in milliseconds. */
const SCAN_DELAY_MS = 120

/**
 * Keeps one slot at every playable record. amoCRM removes and inserts all records when it loads older ones, replaces single
 * records, and moves its own player into them; so each scan starts from what the page holds, and only mends what differs.
 */
export class FeedObserver {
  private readonly slots = new Map<Element, { element: HTMLElement; id: string }>()
  private readonly observer: MutationObserver
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly document: Document,
    private readonly card: Card,
    private readonly view: Slots,
    private readonly onRecords: (records: FeedRecord[]) => void,
  ) {
    this.observer = new MutationObserver((changes) => {
      if (changes.some((change) => !this.isOwn(change))) this.schedule()
    })
  }

  start(): void {
    this.scan()
    // Never attributes: amoCRM rewrites the style of pinned records while the feed scrolls.
    this.observer.observe(this.document.body, { childList: true, subtree: true })
  }

  stop(): void {
    this.observer.disconnect()
    clearTimeout(this.timer)
    this.timer = undefined
    for (const wrapper of [...this.slots.keys()]) this.drop(wrapper)
  }

  /** Looks at the page now; used when amoCRM announces a change. */
  schedule(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.scan()
    }, SCAN_DELAY_MS)
  }

  private scan(): void {
    const records = findRecords(this.document, this.card)
    const present = new Set(records.map((record) => record.wrapper))
    for (const wrapper of [...this.slots.keys()]) if (!present.has(wrapper)) this.drop(wrapper)
    for (const record of records) this.place(record)
    this.onRecords(records)
  }

  private place(record: FeedRecord): void {
    const known = this.slots.get(record.wrapper)
    if (known && known.id === record.id && record.wrapper.contains(known.element)) return
    if (known) this.drop(record.wrapper)
    const element = this.document.createElement('div')
    element.className = `${ROOT_CLASS} flysense-slot`
    element.setAttribute('data-flysense-record', record.id)
    this.slots.set(record.wrapper, { element, id: record.id })
    // Filled before it is in the page: the browser takes notice of it once.
    this.view.mount(element, record)
    record.anchor.after(element)
  }

  private drop(wrapper: Element): void {
    const slot = this.slots.get(wrapper)
    if (!slot) return
    this.slots.delete(wrapper)
    this.view.unmount(slot.element)
    slot.element.remove()
  }

  /** Whether the change happened inside one of our elements. */
  private isOwn(change: MutationRecord): boolean {
    return change.target instanceof Element && change.target.closest(`.${ROOT_CLASS}`) !== null
  }
}
