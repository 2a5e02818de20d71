import { createApp, createVNode, render, type App } from 'vue'
import type { MutationPayload } from 'vuex'
import type { CallRecord } from '../api/types'
import { CONTEXT_KEY, type Context } from '../context'
import type { Card } from '../host/host'
import { STORE_KEY, type AppStore, type State } from '../store'
import CallSlot from './CallSlot.vue'
import type { FeedRecord, Slots } from './feed'
import { slotView } from './progress'

/** A slot that shows only the button so far. */
interface PlainSlot {
  recordId: string
  card: Card
}

/**
 * The contents of a card's slots. Most records of a card never get further than the button, so that a slot begins as a copy of one
 * rendered button, without Vue; Vue takes over at the first press, or when the record has more to show.
 */
export class SlotViews implements Slots {
  private readonly app: App
  private readonly plain = new Map<HTMLElement, PlainSlot>()
  private readonly button: DocumentFragment
  private readonly endSubscription: () => void

  constructor(
    private readonly context: Context,
    private readonly store: AppStore,
  ) {
    this.app = createApp({ render: () => null })
    this.app.provide(CONTEXT_KEY, context).provide(STORE_KEY, store)
    this.button = this.renderButton()
    this.endSubscription = store.subscribe((mutation, state) => this.onMutation(mutation, state))
  }

  mount(element: HTMLElement, record: FeedRecord): void {
    const slot = { recordId: record.id, card: record.card }
    const { state } = this.store
    if (state.access.phase === 'blocked' || state.requests[record.id] || !isButton(state.records[record.id])) {
      this.render(element, slot)
      return
    }
    element.append(this.button.cloneNode(true))
    element.addEventListener('click', this.onPress)
    this.plain.set(element, slot)
  }

  unmount(element: HTMLElement): void {
    element.removeEventListener('click', this.onPress)
    if (!this.plain.delete(element)) render(null, element)
  }

  /** Ends the work of all slots; the feed has removed them. */
  end(): void {
    this.endSubscription()
    this.plain.clear()
  }

  private readonly onPress = (event: Event): void => {
    const element = event.currentTarget as HTMLElement
    const slot = this.plain.get(element)
    if (!slot || !(event.target instanceof Element) || !event.target.closest('button')) return
    this.takeOver(element, slot)
    void this.context.calls.request(slot.card, slot.recordId)
  }

  private onMutation(mutation: MutationPayload, state: State): void {
    if (this.plain.size === 0) return
    if (mutation.type === 'setAccess' && state.access.phase === 'blocked') {
      for (const [element, slot] of this.plain) this.takeOver(element, slot)
    } else if (mutation.type === 'putRecords') {
      const shown = (mutation.payload as CallRecord[]).filter((record) => !isButton(record)).map((record) => record.record_id)
      if (shown.length === 0) return
      const ids = new Set(shown)
      for (const [element, slot] of this.plain) if (ids.has(slot.recordId)) this.takeOver(element, slot)
    }
  }

  private takeOver(element: HTMLElement, slot: PlainSlot): void {
    const hadFocus = element.contains(element.ownerDocument.activeElement)
    element.removeEventListener('click', this.onPress)
    this.plain.delete(element)
    element.replaceChildren()
    this.render(element, slot)
    if (hadFocus) element.querySelector('button')?.focus({ preventScroll: true })
  }

  private render(element: HTMLElement, { recordId, card }: PlainSlot): void {
    const slot = createVNode(CallSlot, { recordId, card })
    slot.appContext = this.app._context
    render(slot, element)
  }

  /** The button as Vue renders it, for copies. */
  private renderButton(): DocumentFragment {
    const { document } = this.context.host
    const element = document.createElement('div')
    this.render(element, { recordId: '', card: { entityType: 'leads', entityId: 0 } })
    const copy = document.createDocumentFragment()
    copy.append(...[...element.children].map((child) => child.cloneNode(true)))
    render(null, element)
    return copy
  }
}

function isButton(record: CallRecord | undefined): boolean {
  return slotView(record).kind === 'button'
}
