import type { CDPSession, Page } from 'playwright-core'
import { LONG_CALL, type BenchServer } from './server'

const RECORDS = 300
const ROUNDS = 7
/** A finished call. Until the answer comes, every slot shows the button that requests one. */
const RESULT = '.flysense-slot button[aria-haspopup=dialog]'

/** Waits for an element. Playwright's own wait keeps a handle, and with it the whole window, out of the garbage collector's reach. */
async function appears(page: Page, selector: string): Promise<void> {
  await page.waitForFunction((wanted) => document.querySelector(wanted) !== null, selector)
}

async function disappears(page: Page, selector: string): Promise<void> {
  await page.waitForFunction((gone) => document.querySelector(gone) === null, selector)
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Milliseconds of work of the main thread since the page was opened. */
async function busyMs(session: CDPSession): Promise<number> {
  const { metrics } = await session.send('Performance.getMetrics')
  return (metrics.find((metric) => metric.name === 'TaskDuration')?.value ?? 0) * 1000
}

/** Time until all buttons of a card are there and laid out, and all work of the main thread: the widget and the naive variant, in turn. */
export async function measureCard(page: Page, session: CDPSession): Promise<{ widget: number[]; naive: number[]; busy: number[] }> {
  const found = { widget: [] as number[], naive: [] as number[], busy: [] as number[] }
  await page.evaluate(() => window.bench.warmUp())
  for (let round = 0; round < ROUNDS; round++) {
    await page.evaluate((count) => window.fill('n', count), RECORDS)
    await page.waitForTimeout(300)
    found.naive.push(await page.evaluate((count) => window.bench.timeLayout(() => window.mountNaive(), '.naive-slot button', count), RECORDS))
    await page.evaluate((count) => window.fill('n', count), RECORDS)
    await page.waitForTimeout(300)
    const before = await busyMs(session)
    found.widget.push(await page.evaluate((count) => window.bench.timeLayout(() => window.bench.widget.callbacks.init(), '.flysense-slot button', count), RECORDS))
    await page.waitForTimeout(500)
    found.busy.push((await busyMs(session)) - before)
    await page.evaluate(() => window.bench.widget.callbacks.destroy())
  }
  return found
}

/** Time until the first turn of the long call is painted, and the long tasks of playing for ten seconds. */
export async function measureWindow(page: Page): Promise<{ open: number[]; longTasks: number[] }> {
  const open: number[] = []
  let longTasks: number[] = []
  for (let round = 0; round < 5; round++) {
    await page.evaluate(() => {
      window.fill('d', 1)
      window.bench.widget.callbacks.init()
    })
    await appears(page, RESULT)
    await page.waitForTimeout(500)
    open.push(await page.evaluate((result) => window.bench.time(() => document.querySelector<HTMLElement>(result)!.click(), '[data-turn]', 1), RESULT))
    await page.waitForFunction((count) => document.querySelectorAll('[data-turn]').length === count, LONG_CALL.length)
    if (round === 0) {
      await page.waitForTimeout(1_000)
      await page.evaluate(() => window.bench.longTasks.splice(0))
      await page.click('.flysense-play')
      await page.waitForTimeout(10_000)
      longTasks = await page.evaluate(() => window.bench.longTasks.splice(0))
    }
    await page.evaluate(() => window.bench.widget.callbacks.destroy())
  }
  return { open, longTasks }
}

/** Time until the peer shows the same call; `null` if it does not within two minutes. */
export async function measurePeer(page: Page): Promise<number | null> {
  const peer = page.evaluate((turns) => window.bench.time(() => window.mountPeer(turns), '[data-block="true"] span', 1), LONG_CALL)
  return Promise.race([peer, new Promise<null>((done) => setTimeout(() => done(null), 120_000))]).catch(() => null)
}

async function heapBytes(session: CDPSession): Promise<number> {
  await session.send('HeapProfiler.collectGarbage')
  await session.send('HeapProfiler.collectGarbage')
  return (await session.send('Runtime.getHeapUsage')).usedSize
}

/** Heap after the first opening and card, and after 100 openings and 50 cards. */
export async function measureMemory(page: Page, session: CDPSession): Promise<{ first: number; last: number }> {
  const visit = async (): Promise<void> => {
    await page.evaluate(() => {
      window.fill('d', 5)
      window.bench.widget.callbacks.init()
    })
    await appears(page, RESULT)
  }
  const open = async (): Promise<void> => {
    await page.evaluate((result) => document.querySelector<HTMLElement>(result)!.click(), RESULT)
    await appears(page, '[data-turn]')
    await page.evaluate(() => window.bench.closeWindow())
    await disappears(page, '.flysense-modal')
  }
  const leave = (): Promise<void> => page.evaluate(() => window.bench.widget.callbacks.destroy())
  for (let at = 0; at < 3; at++) {
    await visit()
    await open()
    await leave()
  }
  const first = await heapBytes(session)
  for (let card = 0; card < 50; card++) {
    await visit()
    await open()
    await open()
    await leave()
  }
  return { first, last: await heapBytes(session) }
}

/** Requests of a card with 20 pending calls in the minute after the first load, and in half a minute while it is hidden. */
export async function measureRequests(page: Page, server: BenchServer): Promise<{ minute: number; hidden: number }> {
  await page.evaluate(() => {
    window.fill('p', 20)
    window.bench.widget.callbacks.init()
  })
  await appears(page, '.flysense-slot [role=progressbar]')
  const loaded = server.requests
  await page.waitForTimeout(60_000)
  const minute = server.requests - loaded
  await page.evaluate(() => window.bench.hide())
  await page.waitForTimeout(1_000)
  const hiddenFrom = server.requests
  await page.waitForTimeout(30_000)
  const hidden = server.requests - hiddenFrom
  await page.evaluate(() => window.bench.widget.callbacks.destroy())
  return { minute, hidden }
}
