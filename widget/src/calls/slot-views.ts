import { createApp, createVNode, render, toRaw, type App } from 'vue'
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
 * button, without Vue, and one listener serves all of them; Vue takes over at the first press, or when the record has more to show.
 */
export class SlotViews implements Slots {
  private readonly app: App
  private readonly plain = new Map<Element, PlainSlot>()
  /** The state without reactivity: it is read for every record of a card, and nothing depends on it. */
  private readonly state: State
  /** The button for copies; made for the first record, when amoCRM has loaded the texts. */
  private button: HTMLButtonElement | undefined
  private endSubscription: (() => void) | undefined

  constructor(
    private readonly context: Context,
    private readonly store: AppStore,
  ) {
    this.app = createApp({ render: () => null })
    this.app.provide(CONTEXT_KEY, context).provide(STORE_KEY, store)
    this.state = toRaw(store.state)
  }

  /** Begins the work for a card. */
  begin(): void {
    this.end()
    this.endSubscription = this.store.subscribe((mutation, state) => this.onMutation(mutation, state))
    this.context.host.document.addEventListener('click', this.onPress, true)
  }

  mount(element: HTMLElement, record: FeedRecord): void {
    const slot = { recordId: record.id, card: record.card }
    const { access, requests, records } = this.state
    if (access.phase === 'blocked' || requests[record.id] || !isButton(records[record.id])) {
      this.render(element, slot)
      return
    }
    this.button ??= this.createButton()
    element.classList.add(IDLE_CLASS)
    element.appendChild(this.button.cloneNode(true))
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

  /** Looks as the button of `CallSlot`, by one rule of the style sheet. It stands in the slot itself, which needs a quarter of the elements. */
  private createButton(): HTMLButtonElement {
    const { host, texts } = this.context
    const button = host.document.createElement('button')
    button.type = 'button'
    button.textContent = texts.get('call.button')
    return button
  }
}

function isButton(record: CallRecord | undefined): boolean {
  return slotView(record).kind === 'button'
}
