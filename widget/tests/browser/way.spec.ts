import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { Browser, isAccessible, openResolved, openWindow, picture, slot, SLOW } from './browser'
import { addCall, countWebhooks, environment, revokeAccess, type SimulatedCall } from './environment'

const RECORDING = process.env.FLYSENSE_RECORDING!

/** The way of an account through the widget, in one browser. Each step needs those before it. */
describe('the whole way', () => {
  const browser = new Browser()
  let page: Page
  let call: SimulatedCall
  let balance = ''

  const pressed = async (found: SimulatedCall): Promise<void> => {
    await slot(page, found.event_id).getByRole('button', { name: 'FlySense AI' }).click()
  }
  const isFinished = (found: SimulatedCall): Promise<void> =>
    slot(page, found.event_id).locator('button[aria-haspopup=dialog]').waitFor({ timeout: SLOW })

  it('begins with the installation in amoCRM’s settings', async () => {
    page = await browser.open(environment.settings_url)
    const tile = page.locator('.js-widget-tile[data-code=flysense]')
    await tile.click()
    await page.locator('.widget-settings__modal .flysense-page').waitFor()
    if ((await page.locator('.js-widget-uninstall').count()) > 0) {
      await page.locator('.js-widget-uninstall').click()
      await page.locator('.widget-settings__modal').waitFor({ state: 'detached' })
      await tile.click()
    }
    // Before, nothing is asked for, and nothing looks like an error.
    await page.getByText('Нажмите «Установить», чтобы подключить FlySense AI').waitFor()
    await isAccessible(page, '.flysense-page')
    expect(browser.complaints).toEqual([])
    await page.locator('.js-widget-save', { hasText: 'Установить' }).click()
    await page.getByText('Виджет активен, распознавание включено').waitFor({ timeout: SLOW })
    expect(await page.locator('.js-notification', { hasText: 'FlySense' }).count()).toBe(0)
  })

  it('transcribes new calls without a press', async () => {
    await expect.poll(countWebhooks, { timeout: SLOW }).toBeGreaterThan(0)
    call = await addCall(RECORDING)
    await page.goto(environment.card_url)
    await isFinished(call)
  })

  it('turns a call of a card into a result', async () => {
    call = await addCall(RECORDING, { silently: true })
    await page.goto(environment.card_url)
    await pressed(call)
    await slot(page, call.event_id).getByRole('progressbar').waitFor()
    await isFinished(call)
  })

  it('opens the dialogue and plays from a turn', async () => {
    await openWindow(page, call.event_id)
    await page.locator('.flysense-modal [data-turn="1"] button').press('Enter')
    const time = () => page.evaluate(() => document.querySelector<HTMLAudioElement>('.flysense-modal audio')!.currentTime)
    const begun = await time()
    await expect.poll(time).toBeGreaterThan(begun + 0.3)
  })

  it('keeps an edited summary and a tag', async () => {
    const modal = page.locator('.flysense-modal')
    await modal.getByRole('button', { name: 'Изменить' }).click()
    await modal.getByRole('textbox', { name: 'Итог' }).fill('Клиент выбрал доставку.')
    await modal.getByRole('button', { name: 'Сохранить' }).click()
    await modal.getByRole('button', { name: 'Изменить' }).waitFor()
    await modal.getByRole('combobox').fill('доставка')
    await modal.getByRole('combobox').press('Enter')
    await modal.getByRole('button', { name: 'Убрать метку «доставка»' }).waitFor()
    await modal.getByRole('button', { name: 'Закрыть' }).click()
    await modal.waitFor({ state: 'detached' })
    await page.reload()
    await isFinished(call)
    const text = await slot(page, call.event_id).textContent()
    expect(text).toContain('Клиент выбрал доставку.')
    expect(text).toContain('доставка')
  })

  it('shows the balance with the charge of the call', async () => {
    await page.goto(environment.balance_url)
    await page.locator('.flysense-balance').waitFor()
    balance = (await page.locator('.flysense-balance').textContent())!
    await page.getByLabel('Тип').selectOption({ label: 'Списания' })
    await page.getByRole('cell', { name: /^−[\d,]+ FC$/ }).first().waitFor()
  })

  it('buys coins at the bank', async () => {
    await page.getByLabel('Сумма в рублях').fill('300')
    await page.getByLabel('Почта для чека').fill('buh@example.test')
    const form = await browser.opened(() => page.locator('.flysense-pay').click())
    await form.locator('button#pay').click({ timeout: SLOW })
    await expect.poll(() => page.locator('.flysense-balance').textContent(), { timeout: SLOW }).not.toBe(balance)
    await page.getByLabel('Тип').selectOption({ label: 'Пополнения' })
    await page.getByRole('cell', { name: '+300 FC' }).first().waitFor()
    await form.close()
  })

  it('says once that access is lost, and blocks the functions', async () => {
    call = await addCall(RECORDING, { silently: true })
    await openResolved(page, environment.card_url, call)
    await revokeAccess()
    await pressed(call)
    await page.locator('.js-notification').waitFor({ timeout: SLOW })
    await slot(page, call.event_id).getByRole('link', { name: 'Подключить заново' }).waitFor({ timeout: SLOW })
    expect(await slot(page, call.event_id).getByRole('button', { name: 'FlySense AI' }).isDisabled()).toBe(true)
    expect(await page.locator('.js-notification').count()).toBe(1)
    await isAccessible(page, '.flysense-slot')
    await picture(page, 'blocked')
  })

  it('gets access back through the link in the slot, and works again', async () => {
    const link = slot(page, call.event_id).getByRole('link', { name: 'Подключить заново' })
    const consent = await browser.opened(() => link.click())
    await consent.getByRole('button', { name: 'Разрешить' }).click()
    await consent.waitForURL((address) => !address.pathname.startsWith('/oauth/answer'))
    await consent.close()
    // By itself: nobody presses «Проверить».
    await link.waitFor({ state: 'detached', timeout: SLOW })
    const own = slot(page, call.event_id)
    await own.locator('button:enabled, [role=progressbar]').first().waitFor()
    const again = own.getByRole('button', { name: /^(FlySense AI|Повторить)$/ })
    if ((await own.locator('button[aria-haspopup=dialog]').count()) === 0 && (await again.count()) > 0) await again.first().click()
    await isFinished(call)
  })

  it('made no page complain, except about the refused requests', () => {
    expect(browser.complaints.filter((line) => !/^Failed to load resource: .* status of 40[134]\b/.test(line))).toEqual([])
  })
})
