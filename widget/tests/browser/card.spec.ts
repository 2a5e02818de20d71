import { beforeAll, describe, expect, it } from 'vitest'
import { alter, LOOKUP } from './altered'
import { Browser, hostStyles, isAccessible, openWindow, picture, slot, SLOW } from './browser'
import { addCall, addLead, environment, setPage, simulate, type SimulatedCall } from './environment'

const RECORDING = process.env.FLYSENSE_RECORDING!

/** Requests that a page sent to FlySense since the last call. */
function watchRequests(page: import('playwright-core').Page): () => string[] {
  let seen: string[] = []
  page.on('request', (request) => {
    if (request.url().includes('/v1/flysense/')) seen.push(`${request.method()} ${new URL(request.url()).pathname}`)
  })
  return () => {
    const all = seen
    seen = []
    return all
  }
}

/** Records of a look-up, as far as they are held here. */
interface Found {
  items: { record_id: string; transcription: { state: string } | null }[]
}

describe('calls in a card', () => {
  const browser = new Browser()
  let silent: SimulatedCall
  let mute: SimulatedCall

  beforeAll(async () => {
    silent = await addCall(RECORDING, { silently: true })
    mute = await addCall(null, { silently: true })
  })

  it('has a button on every record with a recording, and leaves the page as it was', async () => {
    const page = await browser.open(environment.card_url)
    await slot(page, silent.event_id).getByRole('button', { name: 'FlySense AI' }).waitFor()
    expect(await slot(page, mute.event_id).count()).toBe(0)
    const withWidget = (await hostStyles(page)).filter((line) => !line.startsWith('LINK'))
    await page.evaluate(() => document.querySelectorAll('.flysense-ai, link[data-flysense-styles]').forEach((element) => element.remove()))
    expect((await hostStyles(page)).filter((line) => !line.startsWith('LINK'))).toEqual(withWidget)
    await page.close()
  })

  it('turns a press into a short result by stages, with one request for all that is pending', async () => {
    const page = await browser.open(environment.card_url)
    const requests = watchRequests(page)
    const own = slot(page, silent.event_id)
    await own.getByRole('button', { name: 'FlySense AI' }).click()
    await own.getByRole('progressbar').waitFor()
    await own.locator('button[aria-haspopup=dialog]').waitFor({ timeout: SLOW })
    const sent = requests()
    expect(sent.filter((line) => line.endsWith('/batch'))).toHaveLength(1)
    expect(new Set(sent.filter((line) => line.startsWith('GET')).map((line) => line.split('/').pop()))).toEqual(new Set())
    await isAccessible(page, '.flysense-slot')
    await page.close()
  })

  it('shows a new call by itself and transcribes it without a press', async () => {
    const page = await browser.open(environment.card_url)
    await slot(page, silent.event_id).waitFor()
    const call = await addCall(RECORDING)
    await slot(page, call.event_id).waitFor()
    await slot(page, call.event_id).locator('button[aria-haspopup=dialog]').waitFor({ timeout: SLOW })
    await page.close()
  })

  it('keeps its slot when amoCRM draws a note anew', async () => {
    const page = await browser.open(environment.card_url)
    await slot(page, silent.event_id).locator('button[aria-haspopup=dialog]').waitFor()
    await page.evaluate((id) => {
      const note = document.querySelector(`.feed-note-wrapper[data-id="${id}"] .js-note`)!
      note.setAttribute('data-before', '')
    }, silent.event_id)
    await simulate('/rerender', { account: environment.account_id, note_id: silent.note_id })
    await page.waitForFunction((id) => {
      const wrapper = document.querySelector(`.feed-note-wrapper[data-id="${id}"]`)
      return wrapper?.querySelector('.js-note:not([data-before]) .flysense-slot button') !== null
    }, silent.event_id)
    expect(await slot(page, silent.event_id).count()).toBe(1)
    await page.close()
  })

  it('finds older records and those in groups', async () => {
    await simulate('/history', {
      account: environment.account_id, entity_type: 'contacts', entity_id: 812_345, count: 120,
      links: [`${environment.recordings_url}/${RECORDING}`], duration: 30, every_s: 600,
    })
    const address = environment.contact_url.replace(/\d+$/, '812345')
    const page = await browser.open(address)
    await page.locator('.flysense-slot').first().waitFor()
    const first = await page.locator('.flysense-slot').count()
    // Not a click by the mouse: scrolling up to the line makes the feed load older records by itself, and moves the line away.
    await page.locator('.js-feed-load-more').dispatchEvent('click')
    await page.waitForFunction((count) => document.querySelectorAll('.flysense-slot button').length > count, first)
    const withoutSlot = (): Promise<number> =>
      page.evaluate(() => {
        const count = (selector: string): number => document.querySelectorAll(selector).length
        return count('.feed-note-wrapper-call_in_out:not(.feed-note-wrapper-grouped-complex)') - count('.flysense-slot')
      })
    await expect.poll(withoutSlot).toBe(0)
    await page.close()

    await setPage({ group_calls: true })
    const grouped = await browser.open(address)
    await grouped.locator('.js-grouped-expand').first().waitFor()
    expect(await grouped.locator('.feed-note-wrapper-grouped-complex > .flysense-slot').count()).toBe(0)
    await grouped.locator('.js-grouped-expand').first().click()
    await grouped.locator('.js-grouped-subviews .flysense-slot').first().waitFor()
    await setPage({})
    await grouped.close()
  })

  it('leaves nothing behind when the user leaves the card', async () => {
    const page = await browser.open(environment.card_url)
    await openWindow(page, silent.event_id)
    await page.keyboard.press('Escape')
    await page.locator('.flysense-modal').waitFor({ state: 'detached' })
    const path = new URL(environment.settings_url).pathname
    await page.evaluate((target) => {
      const link = document.createElement('a')
      link.className = 'js-navigate'
      link.href = target
      document.body.append(link)
      link.click()
      link.remove()
    }, path)
    await page.waitForFunction(() => document.querySelectorAll('.flysense-slot, .flysense-modal').length === 0)
    await page.close()
  })

  it('looks like this', async () => {
    const lead = await addLead(1)
    const finished = await addCall(RECORDING, lead.target)
    const quiet = (): Promise<SimulatedCall> => addCall(RECORDING, { ...lead.target, silently: true })
    const [pressed, poor] = [await quiet(), await quiet()]
    await quiet()
    const page = await browser.open('about:blank')
    // Held, so that the picture shows every time what a card shows for some seconds.
    const held = new Map([[pressed.event_id, 'recognizing'], [poor.event_id, 'no_balance']])
    await alter<Found>(page, LOOKUP, ({ items }) => {
      const done = items.find((item) => item.transcription?.state === 'done')
      for (const item of items) {
        const state = held.get(item.record_id)
        if (state && done) Object.assign(item, { state: 'transcribed', is_pending: true, transcription: { ...done.transcription, id: `tr_${item.record_id}`, state } })
      }
    })
    await page.goto(lead.card_url)
    await slot(page, finished.event_id).locator('button[aria-haspopup=dialog]').waitFor({ timeout: SLOW })
    await page.reload()
    await slot(page, pressed.event_id).getByRole('progressbar').waitFor()
    await slot(page, poor.event_id).getByText('Нет баланса').waitFor()
    await isAccessible(page, '.flysense-slot')
    await picture(page, 'card')
    await page.close()
  })

  it('made no page complain', () => {
    expect(browser.complaints).toEqual([])
  })
})
