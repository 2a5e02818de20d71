import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { alter, DETAILS, LOOKUP } from './altered'
import { Browser, isAccessible, openWindow, slot, SLOW } from './browser'
import { addCall, environment, type SimulatedCall } from './environment'

const RECORDING = process.env.FLYSENSE_RECORDING!

interface Found {
  items: { record_id: string; transcription: Record<string, unknown> | null }[]
}

/** axe-core in both themes, in the states that the other tests do not come across, and everything without a mouse. */
describe('without a mouse or good eyes', () => {
  const browser = new Browser()
  let call: SimulatedCall

  beforeAll(async () => {
    call = await addCall(RECORDING)
    const page = await browser.open(environment.card_url)
    await slot(page, call.event_id).locator('button[aria-haspopup=dialog]').waitFor({ timeout: SLOW })
    await page.close()
  })

  const modal = (page: Page) => page.locator('.flysense-modal')
  /** Where the focus is: its accessible name, or its text. */
  const focused = (page: Page): Promise<string> =>
    page.evaluate(() => (document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '').trim())

  it.each([
    ['no_balance', 'Нет баланса'],
    ['waiting_for_link', 'Записи разговора ещё нет'],
    ['recognizing', 'Распознаём речь…'],
    ['no_speech', 'В записи нет речи'],
    ['failed', 'Не удалось распознать.'],
    ['cancelled', 'Распознавание остановлено'],
  ])('a slot can be read in the state %s', async (state, text) => {
    const page = await browser.open('about:blank')
    await alter<Found>(page, LOOKUP, ({ items }) => {
      for (const item of items) if (item.record_id === call.event_id) Object.assign(item.transcription ?? {}, { state })
    })
    await page.goto(environment.card_url)
    await slot(page, call.event_id).getByText(text).waitFor()
    await isAccessible(page, '.flysense-slot')
    await page.close()
  })

  it('the window can be read while searching, editing, choosing a tag, and without a recording', async () => {
    const page = await browser.open('about:blank')
    await page.route(/\/audio-link$/, (route) =>
      route.fulfill({ json: { state: 'deleted', url: null, expires_at: null, reason_label: null }, headers: { 'Access-Control-Allow-Origin': '*' } }),
    )
    await page.goto(environment.card_url)
    await openWindow(page, call.event_id)
    await modal(page).getByText('Запись удалена телефонией. Текст разговора сохранён.').waitFor()
    const word = (await modal(page).locator('[data-turn="0"] p').textContent())!.split(/[^\p{L}]+/u).find((part) => part.length > 3)!
    await modal(page).getByRole('searchbox').fill(word)
    await modal(page).locator('mark').first().waitFor()
    await modal(page).getByRole('button', { name: 'Изменить' }).click()
    await modal(page).getByRole('textbox', { name: 'Итог' }).fill('Черновик')
    await modal(page).getByRole('combobox').focus()
    await modal(page).getByRole('combobox').press('ArrowDown')
    await modal(page).getByRole('option').first().waitFor()
    await isAccessible(page, '.flysense-modal')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    await modal(page).getByText('Итог изменён, но не сохранён').waitFor()
    await isAccessible(page, '.flysense-modal')
    await modal(page).getByRole('button', { name: 'Отменить' }).click()
    await page.close()
  })

  it('a problem of the window can be read', async () => {
    const page = await browser.open('about:blank')
    await page.route(DETAILS, (route) => route.abort())
    await page.goto(environment.card_url)
    await slot(page, call.event_id).locator('button[aria-haspopup=dialog]').click()
    await modal(page).getByText('Нет связи с сервером FlySense').waitFor()
    await isAccessible(page, '.flysense-modal')
    await page.close()
    browser.complaints.splice(0)
  })

  it('a call is opened, read and left by keyboard, and the focus comes back', async () => {
    const page = await browser.open(environment.card_url)
    const result = slot(page, call.event_id).locator('button[aria-haspopup=dialog]')
    await result.focus()
    await page.keyboard.press('Enter')
    await modal(page).locator('[data-turn]').first().waitFor()
    // The button is enabled, disabled while the recording is loaded, and enabled again.
    await page.waitForFunction(() => (document.querySelector<HTMLAudioElement>('.flysense-modal audio')?.readyState ?? 0) > 0)
    await modal(page).getByRole('button', { name: 'Слушать', disabled: false }).waitFor()

    // Tab never leaves the window, and comes to every part of it.
    const passed = new Set<string>()
    for (let at = 0; at < 60; at++) {
      await page.keyboard.press('Tab')
      expect(await page.evaluate(() => document.activeElement?.closest('.flysense-modal') !== null)).toBe(true)
      passed.add(await focused(page))
    }
    for (const name of ['Закрыть', 'Поиск по диалогу', 'Скачать DOCX', 'Изменить', 'Добавить метку', 'Поменять роли', 'Слушать', 'Положение записи', '2×']) {
      expect([...passed]).toContain(name)
    }
    expect([...passed].filter((name) => name.startsWith('Перейти к '))).toHaveLength(1)

    await modal(page).getByRole('button', { name: 'Закрыть' }).focus()
    await page.keyboard.press('Escape')
    await modal(page).waitFor({ state: 'detached' })
    await expect.poll(() => result.evaluate((element) => element === document.activeElement)).toBe(true)
    await page.close()
  })

  it('the settings and the balance are used by keyboard, and can be read', async () => {
    const page = await browser.open(environment.settings_url)
    await page.locator('.js-widget-tile[data-code=flysense]').click()
    const auto = page.getByLabel('Распознавать новые звонки автоматически')
    await auto.focus()
    await page.keyboard.press('Space')
    await page.getByText('Сохранено').waitFor()
    expect(await auto.isChecked()).toBe(false)
    await expect.poll(() => auto.isEnabled()).toBe(true)
    await auto.focus()
    await page.keyboard.press('Space')
    await expect.poll(async () => (await auto.isEnabled()) && (await auto.isChecked())).toBe(true)

    await page.getByRole('tab', { name: 'Настройки' }).focus()
    await page.keyboard.press('ArrowRight')
    await expect.poll(() => page.getByRole('tab', { name: 'Баланс' }).getAttribute('aria-selected')).toBe('true')
    await page.locator('.flysense-balance').waitFor()
    const table = page.getByRole('button', { name: 'Таблицей' })
    await table.focus()
    await page.keyboard.press('Enter')
    await page.locator('.flysense-page table').first().waitFor()
    await page.getByLabel('Сумма в рублях').fill('1')
    await page.getByLabel('Почта для чека').press('Enter')
    await page.getByText(/Сумма — от/).waitFor()
    await isAccessible(page, '.flysense-page')
    await page.close()
  })

  it('made no page complain', () => {
    expect(browser.complaints).toEqual([])
  })
})
