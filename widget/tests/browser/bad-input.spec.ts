import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { alter, BATCH, cut, DETAILS, fail, LOOKUP } from './altered'
import { Browser, hostStyles, openWindow, slot, SLOW } from './browser'
import { addCall, environment, type SimulatedCall } from './environment'

const RECORDING = process.env.FLYSENSE_RECORDING!
const MARKUP = '<img src=x onerror="window.hacked=1"><b>жирно</b></script><script>window.hacked=1</script>'

/** Objects of the API, as far as they are spoiled here. */
type Fields = Record<string, unknown>
interface Found {
  items: { record_id: string; transcription: Fields | null }[]
}
interface Details extends Fields {
  utterances: Fields[]
  duration_ms: number
  version: number
}

/** Answers of the real API are spoiled on their way to the page. */
describe('bad input', () => {
  const browser = new Browser()
  let call: SimulatedCall
  /** A call that nobody has asked for yet. */
  let silent: SimulatedCall
  /** Styles of the page's own elements without the widget. */
  let untouched: string[]

  async function card(prepare: (page: Page) => Promise<unknown> = async () => undefined): Promise<Page> {
    const page = await browser.open('about:blank')
    await prepare(page)
    await page.goto(environment.card_url)
    await page.locator('.feed-note-wrapper-call_in_out').first().waitFor()
    return page
  }

  /** Spoils the transcription of the call in look-ups. */
  const spoil = (page: Page, change: (transcription: Fields) => void): Promise<void> =>
    alter<Found>(page, LOOKUP, ({ items }) => {
      for (const item of items) if (item.record_id === call.event_id && item.transcription) change(item.transcription)
    })

  /** The page is as it is without the widget, and complained about nothing but what the test did to it. */
  async function isUnharmed(page: Page, expected = /^$/): Promise<void> {
    const styles = (await hostStyles(page)).filter((line) => !line.startsWith('LINK'))
    expect(styles).toEqual(untouched)
    expect(browser.complaints.splice(0).filter((line) => !expected.test(line))).toEqual([])
    expect(await page.evaluate(() => (window as unknown as { hacked?: number }).hacked)).toBeUndefined()
    await page.close()
  }

  const modal = (page: Page) => page.locator('.flysense-modal')
  const closed = async (page: Page): Promise<void> => {
    await modal(page).getByRole('button', { name: 'Закрыть' }).click()
    await modal(page).waitFor({ state: 'detached' })
  }
  const FAILED_LOAD = /^Failed to load resource/

  beforeAll(async () => {
    call = await addCall(RECORDING)
    silent = await addCall(RECORDING, { silently: true })
    const page = await card()
    await slot(page, call.event_id).locator('button[aria-haspopup=dialog]').waitFor({ timeout: SLOW })
    await page.close()
    const bare = await card((opened) => opened.route(/\/script\.js/, (route) => route.abort()))
    untouched = (await hostStyles(bare)).filter((line) => !line.startsWith('LINK'))
    await bare.close()
    browser.complaints.splice(0)
  })

  it('shows states that it does not know in the words of the server', async () => {
    const page = await card((opened) => spoil(opened, (told) => Object.assign(told, { state: 'dreaming', state_label: 'Слушаем ещё раз' })))
    await slot(page, call.event_id).getByText('Слушаем ещё раз').waitFor()
    await isUnharmed(page)
  })

  it('does without fields that are missing', async () => {
    const page = await card(async (opened) => {
      await spoil(opened, (told) => {
        for (const name of Object.keys(told)) if (!['id', 'state'].includes(name)) delete told[name]
      })
      await alter<Fields>(opened, DETAILS, (told) => {
        for (const name of Object.keys(told)) if (!['id', 'state', 'version'].includes(name)) delete told[name]
      })
    })
    await slot(page, call.event_id).getByText('Разговор распознан. Открыть диалог').click()
    await modal(page).getByText('В этом разговоре нет реплик.').waitFor()
    await modal(page).getByText('Итога нет').waitFor()
    await closed(page)
    await isUnharmed(page)
  })

  it('puts turns in order whose times overlap, run backwards or are missing', async () => {
    const said = (text: string, start_ms: unknown, end_ms: unknown): Fields => ({ speaker: 'client', channel: '1', text, start_ms, end_ms })
    const page = await card((opened) =>
      alter<Details>(opened, DETAILS, (told) => {
        told.utterances = [said('третья', 9_000, 4_000), said('вторая', 1_000, 90_000), said('первая', -500, 3_000), said('нулевая', null, undefined)]
        told.utterances.push({ speaker: 'robot', text: 'четвёртая', start_ms: 99_000_000, end_ms: 99_000_001 })
      }),
    )
    await openWindow(page, call.event_id)
    expect(await modal(page).locator('[data-turn] p').allTextContents()).toEqual(['первая', 'нулевая', 'вторая', 'третья', 'четвёртая'])
    expect(await modal(page).locator('[data-turn="0"] button').textContent()).toContain('00:00')
    await modal(page).locator('[data-turn="4"] p').click()
    await expect.poll(() => modal(page).locator('[aria-current=true]').count()).toBe(1)
    await closed(page)
    await isUnharmed(page)
  })

  it('opens a dialogue of 10,000 turns, to its end', async () => {
    const page = await card((opened) =>
      alter<Details>(opened, DETAILS, (told) => {
        const turn = told.utterances[0]!
        told.utterances = Array.from({ length: 10_000 }, (_, at) => ({ ...turn, start_ms: at * 1_400, end_ms: at * 1_400 + 1_200, text: `Реплика ${at}, ещё одна` }))
      }),
    )
    await openWindow(page, call.event_id)
    await modal(page).locator('[data-turn="0"] button').focus()
    await page.keyboard.press('End')
    await modal(page).locator('[data-turn="9999"] button:focus').waitFor()
    await modal(page).getByRole('searchbox').fill('реплика 7777')
    await modal(page).locator('[data-turn="7777"] mark').waitFor()
    await modal(page).getByText('1 из 1').waitFor()
    await closed(page)
    await isUnharmed(page)
  })

  it('shows markup as text, wherever it is', async () => {
    const page = await card(async (opened) => {
      const label = { code: 'x', label: MARKUP, speakers: [], hits: 1, source: 'added', removed: false, notable: true }
      await spoil(opened, (told) => Object.assign(told, { short: MARKUP, tags: [MARKUP], labels: [label] }))
      await alter<Details>(opened, DETAILS, (told) => {
        Object.assign(told, { summary: MARKUP, tags: [MARKUP], labels: [label], sentiment: { code: 'positive', label: MARKUP } })
        told.utterances.forEach((turn) => (turn.text = MARKUP))
      })
    })
    await slot(page, call.event_id).getByText('<b>жирно</b>').first().waitFor()
    await openWindow(page, call.event_id)
    await modal(page).getByRole('searchbox').fill('<b>')
    await modal(page).locator('mark').first().waitFor()
    expect(await page.locator('.flysense-ai :is(img, b, script)').count()).toBe(0)
    await closed(page)
    await isUnharmed(page)
  })

  it('says that the server is in trouble, and works when it is not', async () => {
    const page = await card((opened) => fail(opened, BATCH, 500, 'internal'))
    // Until the look-up is answered, other slots grow, and move this one away from under the pointer.
    await slot(page, call.event_id).locator('button[aria-haspopup=dialog]').waitFor()
    const own = slot(page, silent.event_id)
    await own.getByRole('button', { name: 'FlySense AI' }).click()
    await own.getByText('Ошибка на сервере FlySense').waitFor()
    // The later answer counts; without any in between, a request could reach the real API.
    await fail(page, BATCH, 502, null)
    await own.getByRole('button', { name: 'FlySense AI' }).click()
    await own.getByText('Что-то пошло не так').waitFor()
    await page.unroute(BATCH)
    await own.getByRole('button', { name: 'FlySense AI' }).click()
    await own.locator('button[aria-haspopup=dialog]').waitFor({ timeout: SLOW })
    expect(browser.complaints.splice(0).filter((line) => !FAILED_LOAD.test(line))).toEqual([])
    await page.close()
  })

  it('finds the calls of a card although the first look-ups fail', async () => {
    const page = await card((opened) => fail(opened, LOOKUP, 503, 'unavailable'))
    await slot(page, call.event_id).getByRole('button', { name: 'FlySense AI' }).waitFor()
    await page.unroute(LOOKUP)
    await slot(page, call.event_id).locator('button[aria-haspopup=dialog]').waitFor()
    expect(browser.complaints.splice(0).filter((line) => !FAILED_LOAD.test(line))).toEqual([])
    await page.close()
  })

  it('says that an answer was cut or did not come, and tries again', async () => {
    const page = await card((opened) => cut(opened, DETAILS))
    await slot(page, call.event_id).locator('button[aria-haspopup=dialog]').click()
    await modal(page).getByText('Ответ сервера оборвался').waitFor()
    await page.route(DETAILS, () => undefined)
    await modal(page).getByRole('button', { name: 'Повторить' }).click()
    await modal(page).getByText('Сервер FlySense не ответил вовремя').waitFor({ timeout: SLOW })
    await page.unroute(DETAILS)
    await modal(page).getByRole('button', { name: 'Повторить' }).click()
    await modal(page).locator('[data-turn]').first().waitFor()
    await closed(page)
    expect(browser.complaints.splice(0).filter((line) => !FAILED_LOAD.test(line))).toEqual([])
    await page.close()
  })

  it.each([['ten years behind', -10], ['ten years ahead', 10]])('works with a clock that is %s', async (_, years) => {
    let handshakes = 0
    const page = await card(async (opened) => {
      await opened.addInitScript((shift) => {
        const Real = Date
        const off = shift * 365 * 86_400_000
        class Wrong extends Real {
          constructor(...told: unknown[]) {
            // @ts-expect-error: passes on whatever it was given
            super(...(told.length === 0 ? [Real.now() + off] : told))
          }
          static override now(): number {
            return Real.now() + off
          }
        }
        window.Date = Wrong as DateConstructor
      }, years)
      opened.on('request', (request) => {
        if (request.method() === 'POST' && request.url().endsWith('/v1/handshake')) handshakes += 1
      })
    })
    await openWindow(page, call.event_id)
    await modal(page).getByRole('button', { name: 'Скачать TXT' }).waitFor()
    await closed(page)
    expect(handshakes).toBe(1)
    expect(browser.complaints.splice(0)).toEqual([])
    await page.close()
  })

  it('keeps an edit through the end of the session, and through a session that cannot be renewed', async () => {
    const page = await card()
    await openWindow(page, call.event_id)
    await modal(page).getByRole('button', { name: 'Изменить' }).click()
    const field = modal(page).getByRole('textbox', { name: 'Итог' })
    const save = modal(page).getByRole('button', { name: 'Сохранить' })
    const HANDSHAKE = /\/v1\/handshake$/

    // Every request with the old session is refused, and no new one is to be had.
    await page.route(DETAILS, async (route) => {
      if (route.request().method() === 'PATCH') await fulfillExpired(route)
      else await route.fallback()
    })
    await page.route(HANDSHAKE, (route) => route.abort())
    await field.fill('Текст, который нельзя потерять.')
    await save.click()
    await modal(page).getByRole('alert').waitFor()
    expect(await field.inputValue()).toBe('Текст, который нельзя потерять.')

    // The session can be renewed: the edit is saved by the same click.
    await page.unroute(HANDSHAKE)
    await page.unroute(DETAILS)
    let refused = 0
    await page.route(DETAILS, async (route) => {
      if (route.request().method() === 'PATCH' && refused++ === 0) await fulfillExpired(route)
      else await route.fallback()
    })
    await save.click()
    await modal(page).getByRole('button', { name: 'Изменить' }).waitFor()
    expect(refused).toBeGreaterThan(1)
    await closed(page)
    await slot(page, call.event_id).getByText('Текст, который нельзя потерять.').waitFor()
    await isUnharmed(page, FAILED_LOAD)
  })
})

function fulfillExpired(route: import('playwright-core').Route): Promise<void> {
  const body = JSON.stringify({ status: 401, code: 'token_expired' })
  return route.fulfill({ status: 401, body, contentType: 'application/problem+json', headers: { 'Access-Control-Allow-Origin': '*' } })
}
