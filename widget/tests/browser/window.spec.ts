import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { Browser, isAccessible, openWindow, picture, slot, SLOW } from './browser'
import { addCall, Colleague, environment, type SimulatedCall } from './environment'

const RECORDING = process.env.FLYSENSE_RECORDING!

interface Details {
  id: string
  version: number
  summary: string | null
  tags: string[]
  labels: { label: string; source: string; removed: boolean }[]
  roles_swapped: boolean
}

describe('the window with the dialogue', () => {
  const browser = new Browser()
  let call: SimulatedCall
  let page: Page

  beforeAll(async () => {
    call = await addCall(RECORDING)
    page = await browser.open(environment.card_url)
    await slot(page, call.event_id).locator('button[aria-haspopup=dialog]').waitFor({ timeout: SLOW })
    await openWindow(page, call.event_id)
  })

  const modal = () => page.locator('.flysense-modal')
  const playerTime = () => page.evaluate(() => document.querySelector<HTMLAudioElement>('.flysense-modal audio')!.currentTime)

  async function details(): Promise<Details> {
    const colleague = await Colleague.arrive()
    const { items } = await colleague.get<{ items: (Details & { note_id: number })[] }>(
      `/v1/flysense/transcriptions?entity_type=leads&entity_id=${environment.lead_id}&limit=100`,
    )
    return items.find((item) => item.note_id === call.note_id)!
  }

  it('shows the dialogue, the summary, the labels and the price, and is accessible', async () => {
    expect(await modal().locator('[data-turn]').count()).toBeGreaterThan(2)
    for (const title of ['Итог', 'Метки', 'Кто говорил', 'Стоимость']) {
      expect(await modal().getByRole('heading', { name: title }).count()).toBe(1)
    }
    await isAccessible(page, '.flysense-modal')
    await modal().getByRole('button', { name: 'Слушать' }).and(page.locator(':enabled')).waitFor()
    await picture(page, 'window')
  })

  it('seeks at a click on a turn and marks it', async () => {
    const turn = modal().locator('[data-turn="2"]')
    await turn.locator('p').click()
    await expect.poll(() => turn.getAttribute('aria-current')).toBe('true')
    await expect.poll(playerTime).toBeGreaterThan(0.2)
  })

  it('plays, moves the mark along, and keeps the speed for the user', async () => {
    await modal().getByRole('button', { name: '2×' }).click()
    await modal().locator('[data-turn="0"] button').press('Enter')
    await expect.poll(() => modal().locator('[aria-current=true]').getAttribute('data-turn')).not.toBeNull()
    const before = await playerTime()
    await expect.poll(playerTime).toBeGreaterThan(before + 0.5)
    expect(await page.evaluate(() => document.querySelector<HTMLAudioElement>('.flysense-modal audio')!.playbackRate)).toBe(2)
    await modal().locator('.flysense-play').click()
    expect(await modal().getByRole('button', { name: '2×' }).getAttribute('aria-pressed')).toBe('true')
  })

  it('is used by keyboard: one stop in the dialogue, arrows move, the slider seeks', async () => {
    await modal().locator('[data-turn="0"] button').focus()
    await page.keyboard.press('ArrowDown')
    await expect.poll(() => page.evaluate(() => document.activeElement?.closest('[data-turn]')?.getAttribute('data-turn'))).toBe('1')
    await expect.poll(() => modal().locator('[data-turn] button[tabindex="0"]').count()).toBe(1)
    await modal().getByRole('slider').focus()
    await page.keyboard.press('Home')
    await expect.poll(playerTime).toBeLessThan(0.1)
    await page.keyboard.press('ArrowRight')
    await expect.poll(playerTime).toBeGreaterThan(1)
    await expect.poll(() => modal().getByRole('slider').getAttribute('aria-valuetext')).toMatch(/ с из /)
  })

  it('finds words in the dialogue and steps through them', async () => {
    const text = (await modal().locator('[data-turn="0"] p').textContent()) ?? ''
    const word = text.split(/[^\p{L}]+/u).find((part) => part.length > 3) ?? text
    await modal().getByRole('searchbox').fill(word.toUpperCase())
    await modal().locator('mark').first().waitFor()
    expect((await modal().locator('mark').first().textContent())?.toLowerCase()).toBe(word.toLowerCase())
    await modal().getByRole('searchbox').press('Escape')
    await expect.poll(() => modal().locator('mark').count()).toBe(0)
    expect(await modal().count()).toBe(1)
  })

  it('saves another summary, and shows both texts if a colleague was faster', async () => {
    await modal().getByRole('button', { name: 'Изменить' }).click()
    await modal().getByRole('textbox', { name: 'Итог' }).fill('Клиент ждёт курьера.')
    await modal().getByRole('button', { name: 'Сохранить' }).click()
    await modal().getByText('Клиент ждёт курьера.').waitFor()
    await expect.poll(async () => (await details()).summary).toBe('Клиент ждёт курьера.')

    await modal().getByRole('button', { name: 'Изменить' }).click()
    await modal().getByRole('textbox', { name: 'Итог' }).fill('Мой текст.')
    const { id, version } = await details()
    await (await Colleague.arrive()).patch(`/v1/flysense/transcriptions/${id}`, { version, summary: 'Текст коллеги.' })
    await modal().getByRole('button', { name: 'Сохранить' }).click()
    await modal().getByText('Текст коллеги.').waitFor()
    expect(await modal().getByRole('textbox', { name: 'Итог' }).inputValue()).toBe('Мой текст.')
    await modal().getByRole('button', { name: 'Сохранить мой' }).click()
    await expect.poll(async () => (await details()).summary).toBe('Мой текст.')
  })

  it('takes labels and own tags with suggestions, and Enter does not reach amoCRM', async () => {
    const field = modal().getByRole('combobox')
    await field.fill('перезвонить')
    await field.press('Enter')
    await modal().getByRole('button', { name: 'Убрать метку «перезвонить»' }).waitFor()
    await expect.poll(async () => (await details()).tags).toEqual(['перезвонить'])
    await field.fill('авто')
    await modal().getByRole('option').first().waitFor()
    await field.press('ArrowDown')
    await field.press('Enter')
    await modal().getByRole('button', { name: /Убрать метку «Автоответчик/ }).waitFor()
    expect(await modal().count()).toBe(1)
  })

  it('takes a wrong label away and gives it back, apart from what was added', async () => {
    const remove = modal().getByRole('button', { name: /^Убрать метку «Приветствие/ })
    await remove.click()
    const restore = modal().getByRole('button', { name: /^Вернуть метку «Приветствие/ })
    await restore.waitFor()
    await expect.poll(async () => (await details()).labels.find((label) => label.label === 'Приветствие')).toMatchObject({ source: 'recognized', removed: true })
    await restore.click()
    await remove.waitFor()
    await expect.poll(async () => (await details()).labels.find((label) => label.label === 'Приветствие')).toMatchObject({ removed: false })
  })

  it('exchanges the speakers', async () => {
    const speaker = modal().locator('[data-turn="0"] span').first()
    const before = await speaker.textContent()
    await modal().getByRole('button', { name: 'Поменять роли' }).click()
    await expect.poll(async () => (await details()).roles_swapped).toBe(true)
    await expect.poll(() => speaker.textContent()).not.toBe(before)
    await expect.poll(() => modal().getByRole('button', { name: 'Поменять роли' }).isEnabled()).toBe(true)
    await modal().getByRole('button', { name: 'Поменять роли' }).click()
    await expect.poll(async () => (await details()).roles_swapped).toBe(false)
    await expect.poll(() => speaker.textContent()).toBe(before)
  })

  it('copies the dialogue, with times and without', async () => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    const copied = async (): Promise<string> => {
      await modal().getByRole('button', { name: 'Копировать' }).click()
      await modal().getByText('Диалог скопирован').waitFor()
      return page.evaluate(() => navigator.clipboard.readText())
    }
    expect(await copied()).toMatch(/^\[00:0\d\] Оператор: /)
    await modal().getByLabel('с временем').uncheck()
    await expect.poll(copied).toMatch(/^Оператор: /)
    await modal().getByLabel('с временем').check()
  })

  it('hands out the dialogue as a file and a link to the moment', async () => {
    for (const format of ['SRT', 'DOCX']) {
      const [other] = await Promise.all([page.waitForEvent('download'), modal().getByRole('button', { name: `Скачать ${format}` }).click()])
      expect(other.suggestedFilename().toUpperCase()).toMatch(new RegExp(`\\.${format}$`))
    }
    const [download] = await Promise.all([page.waitForEvent('download'), modal().getByRole('button', { name: 'Скачать TXT' }).click()])
    const text = readFileSync(await download.path(), 'utf8')
    expect(download.suggestedFilename()).toMatch(/\.txt$/)
    expect(text).toContain((await modal().locator('[data-turn="0"] p').textContent())!.trim().slice(0, 20))
    const { id } = await details()
    const linked = await browser.open(`${environment.card_url}#flysense=${id}:2000`)
    await linked.locator('.flysense-modal [data-turn]').first().waitFor()
    await expect.poll(() => linked.locator('.flysense-modal [role=slider]').getAttribute('aria-valuenow')).toBe('2')
    await linked.close()
  })

  it('does not lose an edit when it is closed, and closes by Escape', async () => {
    await modal().getByRole('button', { name: 'Изменить' }).click()
    await modal().getByRole('textbox', { name: 'Итог' }).fill('Недописанный текст')
    await page.keyboard.press('Escape')
    await modal().getByText('Итог изменён, но не сохранён').waitFor()
    await page.keyboard.press('Escape')
    await modal().waitFor({ state: 'detached' })
    await openWindow(page, call.event_id)
    expect(await modal().getByRole('textbox', { name: 'Итог' }).inputValue()).toBe('Недописанный текст')
    await modal().getByRole('button', { name: 'Отменить' }).click()
    await page.keyboard.press('Escape')
    await modal().waitFor({ state: 'detached' })
  })

  it('made no page complain, except about the refused edit', () => {
    expect(browser.complaints.filter((line) => !/^Failed to load resource: .* status of 409\b/.test(line))).toEqual([])
  })
})
