import { createApp, type App } from 'vue'
import { afterEach, describe, expect, it, vi } from 'vitest'
import ru from '../../i18n/ru.json'
import type { CallRecord, Transcription } from '../api/types'
import { CONTEXT_KEY, type Context } from '../context'
import type { Host } from '../host/host'
import { Texts } from '../host/texts'
import { change, createAppStore, STORE_KEY, type AppStore } from '../store'
import CallSlot from './CallSlot.vue'

const sections = ru as Record<string, Record<string, unknown>>
const CARD = { entityType: 'leads' as const, entityId: 7 }

let app: App | undefined
const calls = { request: vi.fn(), cancel: vi.fn() }
const openBalance = vi.fn()
const openTranscript = vi.fn()
const checkAccess = vi.fn()

function record(state: string, more: Partial<Transcription> = {}): CallRecord {
  const transcription = { id: 'tr_1', state, state_label: `(${state})`, labels: [], tags: [], summary: null, short: null, sentiment: null, ...more }
  return { record_id: 'a', state: 'transcribed', is_pending: true, is_requested: true, note_id: 1, problem: null, transcription } as unknown as CallRecord
}

function mount(found?: CallRecord): { element: HTMLElement; store: AppStore } {
  const host = { language: 'ru', isKnownToOpenSettings: false, texts: (section: string) => sections[section] ?? {} } as unknown as Host
  const context = { host, texts: new Texts(host), calls, openBalance, openTranscript, checkAccess, warmUpTranscript: () => undefined }
  const store = createAppStore()
  if (found) change(store, 'putRecords', [found])
  const element = document.createElement('div')
  app = createApp(CallSlot, { recordId: 'a', card: CARD })
  app.provide(CONTEXT_KEY, context as unknown as Context).provide(STORE_KEY, store).mount(element)
  return { element, store }
}

function button(element: HTMLElement, text: string): HTMLButtonElement | undefined {
  return [...element.querySelectorAll('button')].find((found) => found.textContent?.trim() === text)
}

const words = (element: HTMLElement): string => (element.textContent ?? '').replace(/\s+/g, ' ').trim()

afterEach(() => {
  app?.unmount()
  vi.clearAllMocks()
})

describe('the slot of a call', () => {
  it('is a button that asks for the call', () => {
    const { element } = mount()
    button(element, 'FlySense AI')!.click()
    expect(calls.request).toHaveBeenCalledWith(CARD, 'a')
  })

  it.each([
    ['fetching', 'Загружаем запись…'],
    ['recognizing', 'Распознаём речь…'],
    ['settling', 'Составляем итог…'],
  ])('shows the stage %s with its progress', (state, text) => {
    const { element } = mount(record(state))
    expect(words(element)).toContain(text)
    expect(Number(element.querySelector('[role=progressbar]')!.getAttribute('aria-valuenow'))).toBeGreaterThan(0)
  })

  it('leads to the balance when there is none', () => {
    const { element } = mount(record('no_balance'))
    expect(words(element)).toContain('Нет баланса')
    button(element, 'Пополнить баланс')!.click()
    expect(openBalance).toHaveBeenCalledTimes(1)
  })

  it('waits for a recording that is not there yet, and can stop waiting', () => {
    const { element } = mount(record('waiting_for_link'))
    expect(words(element)).toContain('Записи разговора ещё нет, ждём телефонию')
    button(element, 'Остановить')!.click()
    expect(calls.cancel).toHaveBeenCalledTimes(1)
  })

  it('says why a call failed, and tries again', () => {
    const { element } = mount(record('failed', { failure_label: 'Телефония не отдала запись', failure_code: 'damaged' }))
    expect(words(element)).toContain('Не удалось распознать.Телефония не отдала запись')
    button(element, 'Повторить')!.click()
    expect(calls.request).toHaveBeenCalledWith(CARD, 'a')
  })

  it.each([
    ['no_speech', 'В записи нет речи'],
    ['cancelled', 'Распознавание остановлено'],
  ])('says that a call ended as %s, and tries again', (state, text) => {
    const { element } = mount(record(state))
    expect(words(element)).toContain(text)
    expect(button(element, 'Повторить')).toBeDefined()
  })

  it('shows the result, and opens it', () => {
    const labels = [{ code: 'rude', label: 'Грубость', source: 'recognized', removed: false, notable: true, speakers: [], hits: 1 }]
    const { element } = mount(record('done', { short: 'Клиент ждёт курьера.', labels, tags: ['перезвонить'] } as unknown as Partial<Transcription>))
    for (const text of ['Клиент ждёт курьера.', 'Грубость', 'перезвонить']) expect(words(element)).toContain(text)
    element.querySelector('button')!.click()
    expect(openTranscript).toHaveBeenCalledWith('tr_1')
  })

  it('shows a state that only a newer server knows in the words of the server', () => {
    expect(words(mount(record('dreaming')).element)).toContain('(dreaming)')
  })

  it('shows markup as text', () => {
    const { element } = mount(record('done', { short: '<img src=x onerror=alert(1)><b>жирно</b>' }))
    expect(element.querySelector('img, b')).toBeNull()
    expect(words(element)).toContain('<b>жирно</b>')
  })

  it('is blocked without access, with the way back', async () => {
    const { element, store } = mount()
    const access = { phase: 'blocked' as const, reason: null, warning: null, code: 'reconnect', connectUrl: 'https://flysk.example/connect', isAdmin: true, subscription: null }
    change(store, 'setAccess', access)
    await Promise.resolve()
    expect(button(element, 'FlySense AI')!.disabled).toBe(true)
    expect(element.querySelector('a')!.href).toBe('https://flysk.example/connect')
    button(element, 'Проверить')!.click()
    expect(checkAccess).toHaveBeenCalledTimes(1)
  })

  it('says at the record why a request was refused', async () => {
    const { element, store } = mount()
    change(store, 'setRequest', { recordId: 'a', request: { isSending: false, problem: 'too_many_runs' } })
    await Promise.resolve()
    expect(element.querySelector('[role=alert]')!.textContent).toBe('Этот звонок сегодня распознавали слишком много раз. Попробуйте завтра.')
  })
})
