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

/** Class of a slot that shows only the button. */
const IDLE_CLASS = 'flysense-idle'

/**
 * The contents of a card's slots. Most records of a card never get further than the button, so that a slot begins as a copy of one
 * rendered button, without Vue, and one listener serves all of them; Vue takes over at the first press, or when the record has more
 * to show.
 */
export class SlotViews implements Slots {
  private readonly app: App
  private readonly plain = new Map<Element, PlainSlot>()
  /** The button for copies; rendered for the first record. */
  private button: Element | undefined
  private endSubscription: (() => void) | undefined

  constructor(
    private readonly context: Context,
    private readonly store: AppStore,
  ) {
    this.app = createApp({ render: () => null })
    this.app.provide(CONTEXT_KEY, context).provide(STORE_KEY, store)
  }

  /** Begins the work for a card. */
  begin(): void {
    this.end()
    this.endSubscription = this.store.subscribe((mutation, state) => this.onMutation(mutation, state))
    this.context.host.document.addEventListener('click', this.onPress, true)
  }

  mount(element: HTMLElement, record: FeedRecord): void {
    const slot = { recordId: record.id, card: record.card }
    const { state } = this.store
    if (state.access.phase === 'blocked' || state.requests[record.id] || !isButton(state.records[record.id])) {
      this.render(element, slot)
      return
    }
    this.button ??= this.renderButton()
    element.classList.add(IDLE_CLASS)
    element.append(this.button.cloneNode(true))
    this.plain.set(element, slot)
  }

  unmount(element: HTMLElement): void {
    if (!this.plain.delete(element)) render(null, element)
  }

  /** Ends the work of all slots; the feed has removed them. */
  end(): void {
    this.endSubscription?.()
    this.context.host.document.removeEventListener('click', this.onPress, true)
    this.plain.clear()
  }

  private readonly onPress = (event: Event): void => {
    const button = event.target instanceof Element ? event.target.closest('button') : null
    const element = button?.parentElement
    const slot = element && this.plain.get(element)
    if (!slot) return
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

  private takeOver(element: Element, slot: PlainSlot): void {
    const hadFocus = element.contains(element.ownerDocument.activeElement)
    this.plain.delete(element)
    element.classList.remove(IDLE_CLASS)
    element.replaceChildren()
    this.render(element, slot)
    if (hadFocus) element.querySelector('button')?.focus({ preventScroll: true })
  }

  private render(element: Element, { recordId, card }: PlainSlot): void {
    const slot = createVNode(CallSlot, { recordId, card })
    slot.appContext = this.app._context
    render(slot, element)
  }

  /** The button as Vue renders it. It stands in the slot itself, which needs a quarter of the elements. */
  private renderButton(): Element {
    const element = this.context.host.document.createElement('div')
    this.render(element, { recordId: '', card: { entityType: 'leads', entityId: 0 } })
    const button = element.querySelector('button')!.cloneNode(true) as Element
    render(null, element)
    return button
  }
}

function isButton(record: CallRecord | undefined): boolean {
  return slotView(record).kind === 'button'
}
