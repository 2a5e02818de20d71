import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { alter, DETAILS } from './altered'
import { Browser, openWindow, slot, SLOW } from './browser'
import { addCall, environment, type SimulatedCall } from './environment'

const RECORDING = process.env.FLYSENSE_RECORDING!
/** Turns of the dialogue: more than fit into the view, each shorter than a second. */
const TURNS = 120
const TURN_MS = 250
/** More turns than fit into the view. */
const TURNS_AHEAD = 20

interface Details {
  utterances: { start_ms: number; end_ms: number; text: string }[]
}

describe('the dialogue while playing', () => {
  const browser = new Browser()
  let call: SimulatedCall

  async function opened(reducedMotion: 'reduce' | 'no-preference' = 'no-preference'): Promise<Page> {
    const page = await browser.open('about:blank')
    await page.emulateMedia({ reducedMotion })
    await alter<Details>(page, DETAILS, (told) => {
      const turn = told.utterances[0]!
      told.utterances = Array.from({ length: TURNS }, (_, at) => ({ ...turn, start_ms: at * TURN_MS, end_ms: at * TURN_MS + 200, text: `Реплика ${at}` }))
    })
    // Remembers how the list was scrolled.
    await page.addInitScript(() => {
      const real = Element.prototype.scrollTo
      const seen: string[] = []
      Object.assign(window, { scrolled: seen })
      const watched = function (this: Element, options: ScrollToOptions): void {
        if (this.matches('.flysense-dialogue')) seen.push(options.behavior ?? 'auto')
        Reflect.apply(real, this, [options])
      }
      Element.prototype.scrollTo = watched as typeof real
    })
    await page.goto(environment.card_url)
    await slot(page, call.event_id).locator('button[aria-haspopup=dialog]').waitFor({ timeout: SLOW })
    await openWindow(page, call.event_id)
    await page.waitForFunction((count) => document.querySelectorAll('[data-turn]').length === count, TURNS)
    return page
  }

  const isCurrentInView = (page: Page): Promise<boolean> =>
    page.evaluate(() => {
      const box = document.querySelector('.flysense-dialogue')!.getBoundingClientRect()
      const turn = document.querySelector('[data-turn][aria-current=true]')?.getBoundingClientRect()
      return turn !== undefined && turn.bottom > box.top && turn.top < box.bottom
    })
  const currentTurn = (page: Page): Promise<number> =>
    page.evaluate(() => Number(document.querySelector<HTMLElement>('[data-turn][aria-current=true]')?.dataset.turn ?? -1))
  const scrolled = (page: Page): Promise<string[]> => page.evaluate(() => (window as unknown as { scrolled: string[] }).scrolled)
  const chip = (page: Page) => page.getByRole('button', { name: /К текущей реплике/ })

  /** Plays from the first turn, until a turn is current that does not fit into the view together with the first one. */
  async function playOn(page: Page): Promise<void> {
    await page.locator('[data-turn="0"] button').press('Enter')
    await expect.poll(() => currentTurn(page), { timeout: SLOW }).toBeGreaterThan(TURNS_AHEAD)
    // The list may still be gliding there.
    await expect.poll(() => isCurrentInView(page)).toBe(true)
  }

  /** Scrolls the dialogue by the wheel to its beginning, which playing only leaves further behind: the current turn is out of view. */
  async function scrollAway(page: Page): Promise<void> {
    await page.locator('.flysense-dialogue').hover()
    await expect
      .poll(async () => {
        await page.mouse.wheel(0, -100_000)
        return chip(page).isVisible()
      })
      .toBe(true)
  }

  beforeAll(async () => {
    call = await addCall(RECORDING)
  })

  it('follows the current turn, lets go when it is scrolled away, and follows again by the chip', async () => {
    const page = await opened()
    await playOn(page)
    expect(await scrolled(page)).toContain('smooth')

    await scrollAway(page)
    const left = await currentTurn(page)
    await expect.poll(() => currentTurn(page)).toBeGreaterThan(left + 2)
    expect(await isCurrentInView(page)).toBe(false)

    await chip(page).click()
    await expect.poll(() => isCurrentInView(page)).toBe(true)
    await expect.poll(() => chip(page).isVisible()).toBe(false)
    await page.close()
  })

  it('follows again after a click on a turn', async () => {
    const page = await opened()
    await playOn(page)
    await scrollAway(page)
    await page.evaluate(() => {
      const box = document.querySelector('.flysense-dialogue')!.getBoundingClientRect()
      const visible = [...document.querySelectorAll('[data-turn]')].find((turn) => turn.getBoundingClientRect().top > box.top + 10)
      visible!.querySelector('p')!.click()
    })
    await expect.poll(() => chip(page).isVisible()).toBe(false)
    await expect.poll(() => isCurrentInView(page)).toBe(true)
    await page.close()
  })

  it('jumps instead of gliding for those who want no motion', async () => {
    const page = await opened('reduce')
    await playOn(page)
    const ways = new Set(await scrolled(page))
    expect(ways).toEqual(new Set(['auto']))
    const moving = await page.evaluate(() => {
      const probe = document.createElement('div')
      probe.innerHTML = '<div class="flysense-grow"></div><div class="flysense-spinner"></div>'
      document.querySelector('.flysense-modal')!.append(probe)
      const [grow, spinner] = [...probe.children].map((child) => getComputedStyle(child))
      return [grow!.transitionDuration, spinner!.animationDuration]
    })
    expect(moving).toEqual(['0s', '4s'])
    await page.close()
  })

  it('made no page complain', () => {
    expect(browser.complaints).toEqual([])
  })
})
