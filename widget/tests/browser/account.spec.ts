import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Browser, isAccessible, openResolved, picture, slot, SLOW } from './browser'
import { addCall, addLead, disableWidget, environment, installWidget } from './environment'

const RECORDING = process.env.FLYSENSE_RECORDING!

describe('the account', () => {
  const browser = new Browser()

  beforeAll(async () => {
    // The account has paid for a call.
    const call = await addCall(RECORDING)
    const page = await browser.open(environment.card_url)
    await slot(page, call.event_id).locator('button[aria-haspopup=dialog]').waitFor({ timeout: SLOW })
    await page.close()
  })

  // Other specs need access, also if this one fails on the way.
  afterAll(installWidget)

  it('shows the balance, tops it up at the bank, and lists the transactions', async () => {
    const page = await browser.open(environment.balance_url)
    const balance = page.locator('.flysense-balance')
    await balance.waitFor()
    const before = await balance.textContent()
    expect(before).toMatch(/FlyCoins$/)
    await isAccessible(page, '.flysense-page')
    await picture(page, 'balance')
    await page.getByLabel('Сумма в рублях').fill('250')
    await page.getByLabel('Почта для чека').fill('buh@example.test')
    const form = await browser.opened(() => page.locator('.flysense-pay').click())
    await form.locator('button#pay').click({ timeout: SLOW })
    await expect.poll(() => balance.textContent(), { timeout: SLOW }).not.toBe(before)
    await page.getByRole('cell', { name: '+250 FC' }).waitFor()
    await page.getByLabel('Тип').selectOption({ label: 'Списания' })
    await expect.poll(() => page.getByRole('cell', { name: '+250 FC' }).count()).toBe(0)
    await form.close()
    // What a call cost leads to its dialogue.
    await page.getByRole('button', { name: 'Расшифровка звонка' }).first().click()
    await page.locator('.flysense-modal [data-turn]').first().waitFor()
    await page.keyboard.press('Escape')
    await page.locator('.flysense-modal').waitFor({ state: 'detached' })
    await page.close()
  })

  it('leads a firm to the hosted page for an invoice', async () => {
    const page = await browser.open(environment.balance_url)
    const button = page.locator('.flysense-transfer')
    await button.waitFor()
    expect(await button.textContent()).toContain('Оплатить по счёту')
    await button.scrollIntoViewIfNeeded()
    await picture(page, 'by-transfer')
    expect(await browser.ledTo(() => button.click())).toContain('/billing/flycoins')
    await page.close()
  })

  it('shows and changes the settings without waking amoCRM’s own button', async () => {
    const page = await browser.open(environment.settings_url)
    await page.locator('.js-widget-tile[data-code=flysense]').click()
    const auto = page.getByLabel('Распознавать новые звонки автоматически')
    await auto.waitFor()
    await isAccessible(page, '.flysense-page')
    await picture(page, 'settings')
    await auto.uncheck()
    await page.getByText('Сохранено').waitFor()
    expect(await page.locator('.js-widget-save').isDisabled()).toBe(true)
    await auto.check()
    await page.getByRole('tab', { name: 'Баланс' }).click()
    await page.locator('.flysense-balance').waitFor()
    await page.close()
  })

  it('says once that access is lost, blocks the functions, and recovers', async () => {
    // No other call is pending in the card, so that the press tells it.
    const lead = await addLead(2)
    const call = await addCall(RECORDING, { ...lead.target, silently: true })
    const page = await browser.open('about:blank')
    await openResolved(page, lead.card_url, call)
    const own = slot(page, call.event_id)
    await disableWidget()
    await own.getByRole('button', { name: 'FlySense AI' }).click()
    await page.locator('.js-notification').waitFor()
    await own.getByRole('button', { name: 'Проверить' }).waitFor()
    expect(await own.getByRole('button', { name: 'FlySense AI' }).isDisabled()).toBe(true)
    expect(await page.locator('.js-notification').count()).toBe(1)
    await installWidget()
    await expect
      .poll(
        async () => {
          await own.getByRole('button', { name: 'Проверить' }).click({ timeout: 1_000 }).catch(() => undefined)
          return own.getByRole('button', { name: 'Проверить' }).count()
        },
        { timeout: SLOW, interval: 1_000 },
      )
      .toBe(0)
    // Meanwhile the call may have been transcribed by itself.
    await expect.poll(() => own.locator('button, [role=progressbar]').first().isEnabled()).toBe(true)
    await page.close()
  })

  it('made no page complain, except about the refused request', () => {
    expect(browser.complaints.filter((line) => !/^Failed to load resource: .* status of 40[134]\b/.test(line))).toEqual([])
  })
})
