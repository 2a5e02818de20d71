import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import ru from '../../i18n/ru.json'
import type { CallRecord } from '../api/types'
import type { Context } from '../context'
import type { Host } from '../host/host'
import { Texts } from '../host/texts'
import { change, createAppStore, type AppStore } from '../store'
import type { FeedRecord } from './feed'
import { SlotViews } from './slot-views'

const sections = ru as Record<string, Record<string, unknown>>
const CARD = { entityType: 'leads' as const, entityId: 7 }
const BLOCKED = { phase: 'blocked' as const, reason: null, warning: null, code: 'reconnect', connectUrl: null, isAdmin: true, subscription: null }

function record(id: string, state: string): CallRecord {
  const transcription = state === 'none' ? null : { id: `tr_${id}`, state, state_label: state, labels: [], tags: [], summary: null, short: 'Итог.', sentiment: null }
  return { record_id: id, state: transcription ? 'transcribed' : 'none', is_pending: true, is_requested: true, note_id: 1, problem: null, transcription } as unknown as CallRecord
}

describe('the slots of a card', () => {
  const request = vi.fn()
  let store: AppStore
  let views: SlotViews

  /** A slot in the page, as the feed makes it. */
  function mount(id: string): HTMLElement {
    const element = document.createElement('div')
    views.mount(element, { id, card: CARD } as FeedRecord)
    document.body.append(element)
    return element
  }

  const isIdle = (element: HTMLElement): boolean => element.classList.contains('flysense-idle')
  const words = (element: HTMLElement): string => (element.textContent ?? '').replace(/\s+/g, ' ').trim()

  beforeEach(() => {
    store = createAppStore()
    const host = { document, language: 'ru', texts: (section: string) => sections[section] ?? {} } as unknown as Host
    const context = { host, texts: new Texts(host), calls: { request }, warmUpTranscript: () => undefined, openTranscript: () => undefined }
    views = new SlotViews(context as unknown as Context, store)
    views.begin()
  })
  afterEach(() => {
    views.end()
    document.body.replaceChildren()
    vi.clearAllMocks()
  })

  it('begin as the button alone', () => {
    const element = mount('a')
    expect(isIdle(element)).toBe(true)
    expect(element.querySelectorAll('*')).toHaveLength(1)
    expect(words(element)).toBe('FlySense AI')
  })

  it('ask for a call at the first press, which a slot of its own takes over', () => {
    const [pressed, other] = [mount('a'), mount('b')]
    pressed.querySelector('button')!.click()
    expect(request.mock.calls).toEqual([[CARD, 'a']])
    expect([isIdle(pressed), isIdle(other)]).toEqual([false, true])
    pressed.querySelector('button')!.click()
    expect(request).toHaveBeenCalledTimes(2)
  })

  it('keep the focus of a button that is pressed', () => {
    const element = mount('a')
    element.querySelector('button')!.focus()
    element.querySelector('button')!.click()
    expect(document.activeElement).toBe(element.querySelector('button'))
  })

  it('take a press although the page lets none through', () => {
    const element = mount('a')
    document.body.addEventListener('click', (event) => event.stopPropagation(), { capture: true, once: true })
    element.querySelector('button')!.click()
    expect(request).toHaveBeenCalledTimes(1)
  })

  it('show what an answer tells of their records', () => {
    const [done, none] = [mount('a'), mount('b')]
    change(store, 'putRecords', [record('a', 'done'), record('b', 'none')])
    expect(words(done)).toContain('Итог.')
    expect([isIdle(done), isIdle(none)]).toEqual([false, true])
  })

  it('are the button alone again after access came back', () => {
    change(store, 'setAccess', BLOCKED)
    expect(mount('a').querySelector('button')!.disabled).toBe(true)
    change(store, 'setAccess', { ...BLOCKED, phase: 'open' })
    const element = mount('b')
    expect(isIdle(element)).toBe(true)
    expect(element.querySelector('button')!.disabled).toBe(false)
  })

  it('are blocked with the access', () => {
    const element = mount('a')
    change(store, 'setAccess', BLOCKED)
    expect(isIdle(element)).toBe(false)
    expect(element.querySelector('button')!.disabled).toBe(true)
  })

  it('serve the next card, and no press after the end', () => {
    const left = mount('a')
    views.unmount(left)
    views.end()
    left.querySelector('button')!.click()
    expect(request).not.toHaveBeenCalled()
    views.begin()
    mount('b').querySelector('button')!.click()
    expect(request.mock.calls).toEqual([[CARD, 'b']])
  })
})
