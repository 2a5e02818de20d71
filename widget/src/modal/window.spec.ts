import { createApp, nextTick, reactive, type App } from 'vue'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import ru from '../../i18n/ru.json'
import type { CallsApi } from '../api/calls'
import { completeDetails } from '../api/complete'
import { ApiProblem } from '../api/problem'
import type { AudioLink, TranscriptionDetails, Utterance } from '../api/types'
import { CONTEXT_KEY, type Context } from '../context'
import type { Host } from '../host/host'
import { Preferred } from '../host/preferred'
import { Texts } from '../host/texts'
import { createAppStore, STORE_KEY } from '../store'
import TranscriptView from './TranscriptView.vue'

const sections = ru as Record<string, Record<string, unknown>>
const OFFLINE = new ApiProblem(0, 'offline')
const UTTERANCES = [0, 10_000, 20_000].map((start, at) => ({ speaker: 'client', channel: '0', start_ms: start, end_ms: start + 5_000, text: `реплика ${at}` }) as Utterance)
const DETAILS = completeDetails({ id: 'tr_1', version: 1, summary: 'Было', duration_ms: 30_000, utterances: UTTERANCES } as unknown as TranscriptionDetails)
const READY = { state: 'ready', url: 'https://flysk/audio' } as AudioLink

let app: App | undefined
const details = vi.fn<CallsApi['details']>()
const edit = vi.fn<CallsApi['edit']>()
const audioLink = vi.fn<CallsApi['audioLink']>()

const settled = async (): Promise<void> => {
  for (let at = 0; at < 10; at++) await Promise.resolve()
  await nextTick()
}

async function show(atMs?: number): Promise<HTMLElement> {
  const host = { document, window, language: 'ru', texts: (section: string) => sections[section] ?? {} } as unknown as Host
  const callsApi = { details, edit, audioLink, waveform: () => Promise.reject(OFFLINE), tags: () => Promise.reject(OFFLINE) } as unknown as CallsApi
  const context = { host, callsApi, texts: new Texts(host), onProblem: vi.fn(), preferred: new Preferred(undefined, '1') } as unknown as Context
  const element = document.createElement('div')
  document.body.append(element)
  const control = reactive({ isDirty: false, isAsking: false, close: vi.fn() })
  app = createApp(TranscriptView, { transcriptionId: 'tr_1', atMs, control })
  app.provide(CONTEXT_KEY, context).provide(STORE_KEY, createAppStore()).mount(element)
  await settled()
  return element
}

function button(element: HTMLElement, text: string): HTMLButtonElement {
  return [...element.querySelectorAll('button')].find((found) => found.textContent?.trim() === text)!
}

beforeEach(() => {
  vi.resetAllMocks()
  Element.prototype.scrollTo = vi.fn() as unknown as Element['scrollTo']
  vi.spyOn(HTMLMediaElement.prototype, 'load').mockReturnValue(undefined)
  vi.spyOn(HTMLMediaElement.prototype, 'pause').mockReturnValue(undefined)
})
afterEach(() => {
  app?.unmount()
  document.body.replaceChildren()
})

describe('the window with a dialogue', () => {
  it('comes to the moment of its link, and to the recording, although it was loaded at the second attempt only', async () => {
    details.mockRejectedValueOnce(OFFLINE).mockResolvedValue(DETAILS)
    audioLink.mockResolvedValue(READY)
    const element = await show(12_000)
    expect(audioLink).not.toHaveBeenCalled()
    button(element, ru.call.retry).click()
    await settled()
    expect(element.querySelector('[aria-current]')?.textContent).toContain('реплика 1')
    expect(element.querySelector('audio')?.src).toBe(READY.url)
  })

  it('asks for no recording after it was closed', async () => {
    let answer: (found: TranscriptionDetails) => void = () => undefined
    details.mockReturnValueOnce(new Promise((done) => (answer = done)))
    await show()
    app?.unmount()
    app = undefined
    answer(DETAILS)
    await settled()
    expect(audioLink).not.toHaveBeenCalled()
  })

  it('loads the recording again on demand, unless it is deleted', async () => {
    details.mockResolvedValue(DETAILS)
    audioLink.mockRejectedValueOnce(OFFLINE).mockResolvedValueOnce({ ...READY, state: 'unavailable', url: null }).mockResolvedValueOnce(READY)
    const element = await show()
    for (const told of [ru.player.offline, ru.player.unavailable]) {
      expect(element.querySelector('footer')?.textContent).toContain(told)
      button(element, ru.call.retry).click()
      await settled()
    }
    expect(element.querySelector('audio')?.src).toBe(READY.url)
    expect(element.querySelector('footer [role=slider]')).not.toBeNull()

    app?.unmount()
    audioLink.mockResolvedValue({ ...READY, state: 'deleted', url: null })
    const without = await show()
    expect(without.querySelector('footer')?.textContent).toContain(ru.player.deleted)
    expect(button(without, ru.call.retry)).toBeUndefined()
  })

  it('takes no changes of the summary while it is saved, and saves it once', async () => {
    details.mockResolvedValue(DETAILS)
    audioLink.mockResolvedValue(READY)
    let answer: (saved: TranscriptionDetails) => void = () => undefined
    edit.mockReturnValue(new Promise((done) => (answer = done)))
    const element = await show()
    button(element, ru.summary.edit).click()
    await settled()
    const field = element.querySelector('textarea')!
    field.value = 'Стало'
    field.dispatchEvent(new Event('input'))
    for (let press = 0; press < 2; press++) field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', ctrlKey: true }))
    await settled()
    expect(field.readOnly).toBe(true)
    expect(edit).toHaveBeenCalledTimes(1)
    answer({ ...DETAILS, version: 2, summary: 'Стало' })
    await settled()
    expect(element.querySelector('textarea')).toBeNull()
    expect(element.querySelector('aside')?.textContent).toContain('Стало')
  })
})
