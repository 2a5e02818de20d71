import { createApp, nextTick, type App, type Component } from 'vue'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import ru from '../../i18n/ru.json'
import type { AccountApi } from '../api/account'
import { ApiProblem } from '../api/problem'
import type { CallStatistics, OccupiedSeat, Purchase, TopUpLimits } from '../api/types'
import { CONTEXT_KEY, type Context } from '../context'
import type { Host } from '../host/host'
import { Preferred } from '../host/preferred'
import { Texts } from '../host/texts'
import { change, createAppStore, STORE_KEY } from '../store'
import SeatList from './SeatList.vue'
import StatisticsPanel from './StatisticsPanel.vue'
import TopUpPanel from './TopUpPanel.vue'
import { usePurchase } from './usePurchase'

const sections = ru as Record<string, Record<string, unknown>>
const ORDER = { amount_kopecks: 25_000 }
const EMAIL = 'buh@flysk.ru'
const FORM = 'https://bank/form'
const NEW = { id: 'pur_1', state: 'creating', label: 'Создаётся', settled: false, payment_url: null, failure: null } as unknown as Purchase
const AWAITING = { ...NEW, state: 'awaiting', label: 'Ждёт оплаты', payment_url: FORM } as Purchase
const PAID = { ...NEW, state: 'paid', label: 'Оплачено', settled: true } as Purchase

interface Tab {
  location: { href: string }
  opener: unknown
  close: ReturnType<typeof vi.fn>
}

let app: App | undefined
let tabs: Tab[] = []
const buy = vi.fn<AccountApi['buy']>()
const ask = vi.fn<AccountApi['purchase']>()
const limits = vi.fn<AccountApi['topUpLimits']>()
const seats = vi.fn<AccountApi['seats']>()
const statistics = vi.fn<AccountApi['statistics']>()
const freeSeat = vi.fn<AccountApi['freeSeat']>()
const onProblem = vi.fn()
const flycoinsPage = vi.fn<Context['flycoinsPage']>()
const store = { current: createAppStore() }

function hide(hidden: boolean): void {
  Object.defineProperty(document, 'hidden', { configurable: true, value: hidden })
  document.dispatchEvent(new Event('visibilitychange'))
}

/** amoCRM's window, in which a new tab takes the focus. */
function open(): Tab {
  const tab = { location: { href: '' }, opener: window, close: vi.fn() }
  tabs.push(tab)
  hide(true)
  return tab
}

function mount(component: Component): HTMLElement {
  const host = { document, window: { open, crypto: window.crypto }, language: 'ru', texts: (section: string) => sections[section] ?? {} } as unknown as Host
  const accountApi = { buy, purchase: ask, topUpLimits: limits, packages: async () => [], seats, freeSeat, statistics } as unknown as AccountApi
  const context = { host, accountApi, texts: new Texts(host), onProblem, flycoinsPage, preferred: new Preferred(undefined, '1') } as unknown as Context
  const element = document.createElement('div')
  app = createApp(component)
  app.provide(CONTEXT_KEY, context).provide(STORE_KEY, store.current).mount(element)
  return element
}

function purchaseOf(onPaid = vi.fn()): ReturnType<typeof usePurchase> {
  let made: ReturnType<typeof usePurchase>
  mount({
    setup() {
      made = usePurchase(onPaid)
      return () => null
    },
  })
  return made!
}

const keys = (): string[] => buy.mock.calls.map((call) => call[2])

beforeEach(() => {
  vi.useFakeTimers()
  vi.resetAllMocks()
  tabs = []
  store.current = createAppStore()
  buy.mockResolvedValue({ id: 'pur_1' })
})
afterEach(() => {
  app?.unmount()
  hide(false)
  vi.useRealTimers()
})

describe('a purchase', () => {
  it('leads the new tab to the bank although the tab hides the page', async () => {
    ask.mockResolvedValueOnce(NEW).mockResolvedValue(AWAITING)
    const { begin, stop } = purchaseOf()
    await begin(ORDER, EMAIL)
    expect(document.hidden).toBe(true)
    expect(tabs[0]?.location.href).toBe('')
    await vi.advanceTimersByTimeAsync(2_000)
    expect(tabs[0]).toMatchObject({ location: { href: FORM }, opener: null })
    stop()
  })

  it.each([new ApiProblem(503, 'unavailable'), new ApiProblem(0, 'offline'), new TypeError('Failed to fetch')])('is kept when the first question fails with %s', async (failure) => {
    const onPaid = vi.fn()
    ask.mockRejectedValueOnce(failure).mockRejectedValueOnce(failure).mockResolvedValueOnce(AWAITING).mockResolvedValue(PAID)
    const { begin, failure: told, paymentUrl } = purchaseOf(onPaid)
    await begin(ORDER, EMAIL)
    expect(told.value).toBe(ru.call.offline)
    expect(tabs[0]?.close).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(tabs[0]?.location.href).toBe(FORM)
    expect([told.value, paymentUrl.value]).toEqual([null, FORM])
    await vi.advanceTimersByTimeAsync(5_000)
    expect(onPaid).toHaveBeenCalledTimes(1)
    expect(buy).toHaveBeenCalledTimes(1)
  })

  it('is the same one after a repeated click while nothing is known of it', async () => {
    ask.mockRejectedValue(new ApiProblem(503, 'unavailable'))
    const { begin, isBusy, stop } = purchaseOf()
    await begin(ORDER, EMAIL)
    expect(isBusy.value).toBe(false)
    await begin(ORDER, EMAIL)
    expect(keys()).toHaveLength(2)
    expect(new Set(keys()).size).toBe(1)
    expect(tabs[0]?.close).toHaveBeenCalled()
    expect(tabs[1]?.close).not.toHaveBeenCalled()
    stop()
  })

  it('is the same one after an order without an answer, and another one for another sum or after an answer', async () => {
    ask.mockResolvedValue(AWAITING)
    buy.mockRejectedValueOnce(new ApiProblem(0, 'timeout'))
    const { begin, failure, stop } = purchaseOf()
    await begin(ORDER, EMAIL)
    expect(failure.value).toBe(ru.problems.timeout)
    expect(tabs[0]?.close).toHaveBeenCalled()
    await begin(ORDER, EMAIL)
    await begin(ORDER, EMAIL)
    await begin({ amount_kopecks: 30_000 }, EMAIL)
    const [first, second, third, fourth] = keys()
    expect(second).toBe(first)
    expect(new Set([first, third, fourth]).size).toBe(3)
    stop()
  })

  it('ends at a refusal, of which the user is told', async () => {
    ask.mockResolvedValueOnce(NEW).mockRejectedValue(new ApiProblem(403, 'install_not_active'))
    const { begin, failure, isBusy } = purchaseOf()
    await begin(ORDER, EMAIL)
    expect(isBusy.value).toBe(true)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(ask).toHaveBeenCalledTimes(2)
    expect(failure.value).toBe(ru.problems.install_not_active)
    expect(isBusy.value).toBe(false)
    expect(tabs[0]?.close).toHaveBeenCalled()
  })

  it('does not lead the tab of a later order to the form of an earlier one', async () => {
    let answer: (found: Purchase) => void = () => undefined
    ask.mockRejectedValueOnce(new ApiProblem(503, 'unavailable')).mockReturnValueOnce(new Promise((done) => (answer = done)))
    const { begin, stop } = purchaseOf()
    await begin(ORDER, EMAIL)
    await vi.advanceTimersByTimeAsync(2_000)
    buy.mockResolvedValueOnce({ id: 'pur_2' })
    ask.mockResolvedValue({ ...NEW, id: 'pur_2' })
    await begin({ amount_kopecks: 30_000 }, EMAIL)
    answer(AWAITING)
    await vi.advanceTimersByTimeAsync(0)
    expect(tabs[1]?.location.href).toBe('')
    stop()
  })
})

describe('a purchase whose form was closed', () => {
  it('still leads its tab to the bank, and is asked for no longer', async () => {
    ask.mockResolvedValueOnce(NEW).mockResolvedValueOnce(NEW).mockResolvedValue(AWAITING)
    const { begin, stop } = purchaseOf()
    const ordered = begin(ORDER, EMAIL)
    stop()
    await ordered
    await vi.advanceTimersByTimeAsync(600_000)
    expect(tabs[0]?.location.href).toBe(FORM)
    expect(ask).toHaveBeenCalledTimes(3)
  })

  it('is not asked for after the bank has the tab', async () => {
    ask.mockResolvedValue(AWAITING)
    const { begin, stop } = purchaseOf()
    const ordered = begin(ORDER, EMAIL)
    stop()
    await ordered
    await vi.advanceTimersByTimeAsync(600_000)
    expect(ask).toHaveBeenCalledTimes(1)
  })
})

describe('the statistics', () => {
  const spent = (calls: number) => ({ items: [], totals: { calls, seconds_billed: 60, charged_micro: 0 } }) as unknown as CallStatistics

  it('are those of the chosen period, also if a former answer comes later', async () => {
    const answers: ((found: CallStatistics) => void)[] = []
    statistics.mockImplementation(() => new Promise((done) => answers.push(done)))
    const element = mount(StatisticsPanel)
    element.querySelectorAll('button')[2]?.click()
    await nextTick()
    expect(statistics.mock.calls.map(([period]) => period)).toEqual(['day', 'month'])
    answers[1]?.(spent(300))
    answers[0]?.(spent(7))
    await vi.advanceTimersByTimeAsync(0)
    await nextTick()
    expect(element.textContent).toContain('300 звонков')
    expect(element.textContent).not.toContain('7 звонков')
  })
})

describe('the top-up', () => {
  const LIMITS = { min_kopecks: 10_000, max_kopecks: 100_000_000, step_kopecks: 100 }

  it.each([[100, '1 FC = 1 ₽'], [250, '1 FC = 2,5 ₽']])('tells the price of the API: %i kopecks', async (price, told) => {
    limits.mockResolvedValue({ ...LIMITS, coin_price_kopecks: price } as TopUpLimits)
    const element = mount(TopUpPanel)
    expect(element.querySelector('h3')?.textContent).toBe('Пополнить баланс')
    await vi.advanceTimersByTimeAsync(0)
    await nextTick()
    expect(element.querySelector('h3')?.textContent).toBe(`Пополнить баланс, ${told}`)
    expect(element.querySelector('section')?.getAttribute('aria-label')).toBe(`Пополнить баланс, ${told}`)
  })

  async function mountFor(limitsOfSeller: object): Promise<HTMLElement> {
    limits.mockResolvedValue({ ...LIMITS, coin_price_kopecks: 100, ...limitsOfSeller } as TopUpLimits)
    change(store.current, 'setAccess', { ...store.current.state.access, isAdmin: true })
    const element = mount(TopUpPanel)
    await vi.advanceTimersByTimeAsync(0)
    await nextTick()
    return element
  }

  it('leads a firm to the hosted page, by a new link for each click', async () => {
    flycoinsPage.mockResolvedValueOnce('https://api/billing?ticket=1').mockResolvedValueOnce(null)
    const element = await mountFor({ transfer_available: true })
    const button = element.querySelector<HTMLElement>('.flysense-transfer')
    button?.click()
    await vi.advanceTimersByTimeAsync(0)
    expect(tabs[0]).toMatchObject({ location: { href: 'https://api/billing?ticket=1' }, opener: null })
    button?.click()
    await vi.advanceTimersByTimeAsync(0)
    await nextTick()
    expect(tabs[1]?.close).toHaveBeenCalled()
    expect(element.querySelector('[role=alert]')?.textContent).toBe(ru.problems.other)
  })

  it.each(['имя@пример.рф', 'a@@b.ru', 'a,b@c.ru', 'a@b_c.ru', `${'x'.repeat(60)}@flysk.ru`])('does not order with an address that takes no receipt: %s', async (address) => {
    const element = await mountFor({})
    const pay = async (text: string): Promise<void> => {
      const field = element.querySelector<HTMLInputElement>('input[type=email]')!
      field.value = text
      field.dispatchEvent(new Event('input'))
      element.querySelector<HTMLElement>('.flysense-pay')?.click()
      await vi.advanceTimersByTimeAsync(0)
    }
    await pay(address)
    expect(buy).not.toHaveBeenCalled()
    expect(element.querySelector('[role=alert]')?.textContent).toBe(ru.top_up.email_needed)
    ask.mockResolvedValue(PAID)
    await pay("o'neil+buh@mail.flysk-1.ru")
    expect(buy).toHaveBeenCalledTimes(1)
  })

  it('offers no invoice if the seller takes no transfers', async () => {
    const element = await mountFor({ transfer_available: false })
    expect(element.querySelector('.flysense-pay')).not.toBeNull()
    expect(element.querySelector('.flysense-transfer')).toBeNull()
  })
})

describe('the seats', () => {
  const ANNA = { user_id: 501, user_name: 'Анна Петрова', taken_at: '', seen_at: '' } as unknown as OccupiedSeat
  const UNKNOWN = { ...ANNA, user_id: 502, user_name: null } as unknown as OccupiedSeat

  async function mountFor(isAdmin: boolean): Promise<HTMLElement> {
    change(store.current, 'setAccess', { ...store.current.state.access, isAdmin })
    const element = mount(SeatList)
    await vi.advanceTimersByTimeAsync(0)
    await nextTick()
    return element
  }

  const shown = (element: HTMLElement): string[] => [...element.querySelectorAll('li')].map((seat) => seat.textContent!.replace(/\s+/g, ' ').trim())

  it('are named where the name is known, and freed by an administrator', async () => {
    seats.mockResolvedValue([ANNA, UNKNOWN])
    freeSeat.mockResolvedValueOnce([UNKNOWN]).mockRejectedValueOnce(new ApiProblem(403, 'admin_only'))
    const element = await mountFor(true)
    expect(shown(element)).toEqual(['Анна Петрова Освободить', 'Пользователь 502 Освободить'])
    element.querySelector('button')?.click()
    await vi.advanceTimersByTimeAsync(0)
    await nextTick()
    expect(freeSeat).toHaveBeenCalledWith(501)
    expect(shown(element)).toEqual(['Пользователь 502 Освободить'])
    element.querySelector('button')?.click()
    await vi.advanceTimersByTimeAsync(0)
    await nextTick()
    expect(shown(element)).toHaveLength(1)
    expect(element.querySelector('[role=alert]')?.textContent).toBeTruthy()
  })

  it('are seen by everybody, and a widget without seats of users shows none', async () => {
    seats.mockResolvedValueOnce([ANNA]).mockResolvedValueOnce([])
    expect(shown(await mountFor(false))).toEqual(['Анна Петрова'])
    app?.unmount()
    expect((await mountFor(false)).querySelector('section')).toBeNull()
  })
})
