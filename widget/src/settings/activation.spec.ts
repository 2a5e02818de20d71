import { createApp, nextTick, type App } from 'vue'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import ru from '../../i18n/ru.json'
import type { AccountApi } from '../api/account'
import { ApiProblem } from '../api/problem'
import type { Activation, ActivationLink } from '../api/types'
import { CONTEXT_KEY, type Context } from '../context'
import type { Host } from '../host/host'
import { Texts } from '../host/texts'
import { change, createAppStore, STORE_KEY } from '../store'
import ActivationBlock from './ActivationBlock.vue'

const sections = ru as Record<string, Record<string, unknown>>
const NOW = new Date('2026-12-01T09:00:00Z')
const LINK = {
  id: 'lnk_1',
  state: 'waiting',
  expires_at: '2026-12-01T09:15:00Z',
  messengers: [{ messenger: 'telegram', name: 'Telegram', url: 'https://t.me/bot?start=x', command: '/start 7K3M9QXD', qr_svg: '<svg></svg>' }],
} as unknown as ActivationLink

function stateOf(link: string | null, status = 'inactive'): Activation {
  return { install_status: status, messengers: ['telegram'], link: link && { id: 'lnk_1', state: link }, bindings: [] } as unknown as Activation
}

let app: App | undefined
const ask = vi.fn<AccountApi['activation']>()
const create = vi.fn<AccountApi['createActivationLink']>()
const checkAccess = vi.fn<Context['checkAccess']>()
const onProblem = vi.fn()

function hide(hidden: boolean): void {
  Object.defineProperty(document, 'hidden', { configurable: true, value: hidden })
  document.dispatchEvent(new Event('visibilitychange'))
}

async function show(): Promise<HTMLElement> {
  const host = { document, window, language: 'ru', texts: (section: string) => sections[section] ?? {} } as unknown as Host
  const accountApi = { activation: ask, createActivationLink: create } as unknown as AccountApi
  const context = { host, accountApi, texts: new Texts(host), checkAccess, onProblem } as unknown as Context
  const store = createAppStore()
  change(store, 'setAccess', { ...store.state.access, phase: 'blocked', code: 'inactive', isAdmin: true })
  const element = document.createElement('div')
  app = createApp(ActivationBlock)
  app.provide(CONTEXT_KEY, context).provide(STORE_KEY, store).mount(element)
  await vi.advanceTimersByTimeAsync(0)
  return element
}

async function press(element: HTMLElement): Promise<void> {
  element.querySelector('button')?.click()
  await vi.advanceTimersByTimeAsync(0)
  await nextTick()
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW })
  vi.resetAllMocks()
  create.mockResolvedValue(LINK)
})
afterEach(() => {
  app?.unmount()
  hide(false)
  vi.useRealTimers()
})

describe('the activation', () => {
  it('shows link, command, QR code and the time that is left', async () => {
    ask.mockResolvedValueOnce(stateOf(null)).mockResolvedValue(stateOf('waiting'))
    const element = await show()
    await press(element)
    expect(element.querySelector('a')?.href).toBe(LINK.messengers[0]?.url)
    expect(element.querySelector('img')?.src).toContain(encodeURIComponent('<svg></svg>'))
    expect(element.textContent).toContain('/start 7K3M9QXD')
    expect(element.textContent).toContain('ещё 15 мин')
  })

  it('asks every two seconds until it is done, and not while the page is hidden', async () => {
    ask.mockResolvedValueOnce(stateOf(null)).mockResolvedValue(stateOf('waiting'))
    const element = await show()
    await press(element)
    const before = ask.mock.calls.length
    await vi.advanceTimersByTimeAsync(6_000)
    expect(ask.mock.calls.length).toBe(before + 3)
    hide(true)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(ask.mock.calls.length).toBe(before + 3)
    ask.mockResolvedValue(stateOf('bound', 'active'))
    hide(false)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(ask.mock.calls.length).toBe(before + 4)
    expect(checkAccess).toHaveBeenCalledTimes(1)
  })

  it('tells of a network error and goes on', async () => {
    ask.mockResolvedValueOnce(stateOf(null)).mockResolvedValueOnce(stateOf('waiting'))
    ask.mockRejectedValueOnce(new ApiProblem(0, 'offline')).mockResolvedValue(stateOf('opened'))
    const element = await show()
    await press(element)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(onProblem).toHaveBeenCalledTimes(1)
    expect(element.textContent).toContain(ru.activation.state_opened)
  })

  it('offers a new link once the former has ended', async () => {
    ask.mockResolvedValueOnce(stateOf(null)).mockResolvedValueOnce(stateOf('waiting')).mockResolvedValueOnce(stateOf('expired'))
    const element = await show()
    await press(element)
    expect(element.querySelector('button')).toBeNull()
    await vi.advanceTimersByTimeAsync(2_000)
    await nextTick()
    expect(element.textContent).toContain(ru.activation.state_expired)
    expect(element.querySelector('a')).toBeNull()
    ask.mockResolvedValue(stateOf('waiting'))
    await press(element)
    expect(create).toHaveBeenCalledTimes(2)
    expect(element.querySelector('a')).not.toBeNull()
  })

  it('is not asked for after its window was closed', async () => {
    let answer: (found: Activation) => void = () => undefined
    ask.mockReturnValueOnce(new Promise((done) => (answer = done))).mockResolvedValue(stateOf('waiting'))
    await show()
    app?.unmount()
    app = undefined
    answer(stateOf('waiting'))
    await vi.advanceTimersByTimeAsync(600_000)
    expect(ask).toHaveBeenCalledTimes(1)
  })
})
