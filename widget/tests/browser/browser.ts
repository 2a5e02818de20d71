import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect } from 'vitest'
import { LOOKUP } from './altered'
import type { SimulatedCall } from './environment'

const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-dev-shm-usage', '--hide-scrollbars', '--lang=ru', '--autoplay-policy=no-user-gesture-required',
]

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Rules about whole pages, which the host decides. */
const RULES_OF_PAGES = ['region', 'landmark-one-main', 'page-has-heading-one', 'html-has-lang', 'document-title']

/** For what takes seconds on an idle machine, ms. Like every limit of these tests, only what hangs exceeds it. */
export const SLOW = 240_000

/** Where screenshots go, if they are wanted. */
const PICTURES = process.env.FLYSENSE_PICTURES

/** Chromium for the tests of one file, with everything that its pages complained about. */
export class Browser {
  private context: BrowserContext | undefined
  readonly complaints: string[] = []

  constructor() {
    beforeAll(async () => {
      this.context = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), 'flysense-browser-')), {
        executablePath: process.env.FLYSK_CHROMIUM ?? '/usr/bin/chromium',
        headless: true,
        args: ARGUMENTS,
        locale: 'ru-RU',
        timezoneId: 'Europe/Moscow',
        viewport: { width: 1280, height: 900 },
        acceptDownloads: true,
      })
      this.context.setDefaultTimeout(120_000)
    })
    afterAll(() => this.context?.close())
  }

  /** A new page at an address. */
  async open(url: string): Promise<Page> {
    const page = await this.context!.newPage()
    page.on('pageerror', (error) => this.complaints.push(`${error.stack}`))
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text())
    })
    await page.goto(url)
    return page
  }

  /** The page that a click opens. */
  async opened(click: () => Promise<void>): Promise<Page> {
    const [page] = await Promise.all([this.context!.waitForEvent('page'), click()])
    return page
  }

  /** The address to which a click leads a new tab. */
  async ledTo(click: () => Promise<void>): Promise<string> {
    const context = this.context!
    const asked = context.waitForEvent('request', (request) => request.isNavigationRequest())
    const [tab, request] = await Promise.all([context.waitForEvent('page'), asked, click()])
    await tab.close()
    return request.url()
  }
}

/** The slot of a record. */
export function slot(page: Page, recordId: string) {
  return page.locator(`[data-flysense-record="${recordId}"]`)
}

/**
 * Leads a page to a card, and waits until the record of a call is resolved. Unless another call of the card is pending, the page looks
 * nothing up from then on: a press is the first to notice what changes.
 */
export async function openResolved(page: Page, url: string, call: SimulatedCall): Promise<void> {
  const resolved = page.waitForResponse(async (answer) => {
    if (!LOOKUP.test(answer.url()) || answer.request().method() !== 'POST' || !answer.ok()) return false
    const { items } = (await answer.json()) as { items?: { record_id: string; is_pending: boolean }[] }
    return items?.some((item) => item.record_id === call.event_id && !item.is_pending) ?? false
  })
  await Promise.all([resolved, page.goto(url)])
}

/** Opens the window with the dialogue of a finished record. */
export async function openWindow(page: Page, recordId: string): Promise<void> {
  await slot(page, recordId).locator('button[aria-haspopup=dialog]').click()
  await page.locator('.flysense-modal [data-turn]').first().waitFor()
}

export async function setScheme(page: Page, scheme: 'light' | 'dark'): Promise<void> {
  await page.evaluate((name) => {
    if (name === 'dark') document.documentElement.setAttribute('data-color-scheme', 'dark')
    else document.documentElement.removeAttribute('data-color-scheme')
  }, scheme)
}

/** axe-core finds nothing below a selector, in both themes. */
export async function isAccessible(page: Page, selector: string): Promise<void> {
  await page.evaluate(AXE)
  for (const scheme of ['light', 'dark'] as const) {
    await setScheme(page, scheme)
    const violations = await page.evaluate(
      async ({ selector: root, rules }) => {
        const axe = (window as unknown as { axe: { run(root: string, options: object): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> } }).axe
        const result = await axe.run(root, { rules: Object.fromEntries(rules.map((rule) => [rule, { enabled: false }])) })
        return result.violations.flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.html.slice(0, 160)} ${node.failureSummary}`))
      },
      { selector, rules: RULES_OF_PAGES },
    )
    expect(violations, `${selector}, ${scheme}`).toEqual([])
  }
  await setScheme(page, 'light')
}

/** Takes pictures in both themes, for the documentation; nothing looks as if it was pointed at. */
export async function picture(page: Page, name: string): Promise<void> {
  if (!PICTURES) return
  await page.mouse.move(0, 0)
  mkdirSync(PICTURES, { recursive: true })
  for (const scheme of ['light', 'dark'] as const) {
    await setScheme(page, scheme)
    await page.screenshot({ path: join(PICTURES, `widget-${name}-${scheme}.png`) })
  }
  await setScheme(page, 'light')
}

/** Computed styles of the host's own elements, to compare before and after. */
export function hostStyles(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const elements = [...document.querySelectorAll('body, body *')].filter((element) => !element.closest('.flysense-ai'))
    const properties = ['color', 'background-color', 'font-size', 'font-family', 'padding', 'margin', 'border', 'display', 'box-sizing', 'list-style', 'text-transform']
    return elements.map((element) => {
      const style = getComputedStyle(element)
      return `${element.tagName}.${element.className}: ${properties.map((property) => style.getPropertyValue(property)).join('|')}`
    })
  })
}
