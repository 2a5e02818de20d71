/**
 * Draws the images that amoCRM's marketplace demands into `images/`. Run by hand after a change:
 * `FLYSK_CHROMIUM=/usr/bin/chromium npx vite-node build/draw-images.ts`. Sizes: amoCRM docs, integrations/structure.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'

const FOLDER = join(import.meta.dirname, '..', 'images')

/** Heights of the sign's bars: the wave of a voice. */
const BARS = [26, 52, 84, 60, 34]

function sign(size: number): string {
  const bars = BARS.map((height, at) => `<rect x="${17 + at * 14}" y="${46 - height / 2.6}" width="8" height="${height / 1.3}" rx="4" fill="#fff"/>`)
  return `<svg width="${size}" height="${size}" viewBox="0 0 100 100">
    <path d="M18 4h64a14 14 0 0 1 14 14v56a14 14 0 0 1-14 14H44L26 98V88h-8A14 14 0 0 1 4 74V18A14 14 0 0 1 18 4z" fill="#2a6fdb"/>
    ${bars.join('')}</svg>`
}

function logo(width: number, height: number, hasName: boolean): string {
  const size = Math.round(Math.min(height * (hasName && width / height < 1.6 ? 0.46 : 0.72), width * 0.7))
  const isWide = width / height > 2
  const name = hasName ? `<b style="font-size:${Math.round(isWide ? height * 0.3 : width * 0.13)}px">FlySense&nbsp;AI</b>` : ''
  return `<div style="width:${width}px;height:${height}px;display:flex;flex-direction:${isWide ? 'row' : 'column'};align-items:center;
    justify-content:center;gap:${Math.round(height * 0.06)}px;background:#fff;color:#0f2231;font-family:'DejaVu Sans',sans-serif">${sign(size)}${name}</div>`
}

const LOGOS = [
  { name: 'logo.png', width: 130, height: 100, hasName: true },
  { name: 'logo_main.png', width: 400, height: 272, hasName: true },
  { name: 'logo_small.png', width: 108, height: 108, hasName: false },
  { name: 'logo_medium.png', width: 240, height: 84, hasName: true },
  { name: 'logo_min.png', width: 84, height: 84, hasName: false },
]

/** Size of a picture of the tour. */
const TOUR = { width: 1188, height: 616 }

/** Texts of the tour by language: two pictures each. */
const TOURS = {
  ru: {
    call: 'Входящий звонок от: Мария Орлова · 02:14',
    listen: 'Прослушать',
    mood: '+ Позитивная',
    summary: 'Клиентка просит перенести доставку заказа 4212 на завтра, оператор согласовал время с 14 до 16.',
    labels: ['Благодарность', 'перезвонить'],
    titles: ['Итог звонка — прямо в карточке', 'Диалог по ролям, запись и поиск'],
    lines: ['Добрый день! Чем могу помочь?', 'Здравствуйте. Можно перенести доставку на завтра?', 'Да, с 14 до 16 вам подойдёт?', 'Отлично, спасибо!'],
    speakers: ['Оператор', 'Клиент'],
  },
  en: {
    call: 'Incoming call from: Maria Orlova · 02:14',
    listen: 'Listen',
    mood: '+ Positive',
    summary: 'The client asks to deliver order 4212 tomorrow instead; the operator agreed on 14 to 16 o’clock.',
    labels: ['Thanks', 'call back'],
    titles: ['The summary of a call, right in the card', 'The dialogue by speaker, with the recording'],
    lines: ['Good afternoon! How can I help you?', 'Hello. Could you deliver my order tomorrow instead?', 'Yes. Is 14 to 16 o’clock all right?', 'Great, thank you!'],
    speakers: ['Operator', 'Client'],
  },
}

type TourTexts = (typeof TOURS)['ru']

const CHIP = 'border:1px solid #d4d5d8;border-radius:20px;padding:4px 14px;font-size:18px'

function frame(title: string, content: string): string {
  return `<div style="width:${TOUR.width}px;height:${TOUR.height}px;box-sizing:border-box;padding:52px 64px;background:#eaf1fc;color:#363b44;
    font-family:'DejaVu Sans',sans-serif;font-size:20px;line-height:1.45"><div style="display:flex;align-items:center;gap:20px;margin-bottom:36px">
    ${sign(64)}<b style="font-size:34px">${title}</b></div><div style="background:#fff;border-radius:8px;padding:32px 36px">${content}</div></div>`
}

function cardPicture(texts: TourTexts): string {
  const labels = texts.labels.map((label) => `<span style="${CHIP}">${label}</span>`).join('')
  return frame(
    texts.titles[0]!,
    `<div>${texts.call} &nbsp;<span style="color:#1f66c7">▶ ${texts.listen}</span></div>
    <div style="border:1px solid #d4d5d8;border-radius:6px;background:#f7f7f8;margin-top:20px;padding:22px 26px;display:flex;flex-direction:column;gap:14px">
    <div><b style="color:#1f5cbb">FlySense AI</b> &nbsp;<span style="background:#e0f3e8;color:#15693b;border-radius:20px;padding:4px 14px;font-size:18px">${texts.mood}</span></div>
    <div>${texts.summary}</div><div style="display:flex;gap:10px">${labels}</div></div>`,
  )
}

function dialoguePicture(texts: TourTexts): string {
  const turns = texts.lines.map((line, at) => {
    const colour = at % 2 === 0 ? '#2a6fdb' : '#b8690a'
    const isCurrent = at === 1
    return `<div style="border-left:6px solid ${colour};padding:9px 18px;display:flex;gap:22px;${isCurrent ? 'background:#e5eefc' : ''}">
      <span style="color:#1f66c7;width:64px">00:0${at * 2 + 1}</span><span><b style="font-size:16px">${texts.speakers[at % 2]}</b><br>${line}</span></div>`
  })
  const bars = Array.from({ length: 90 }, (_, at) => {
    const height = 10 + Math.abs(Math.sin(at / 3) * Math.cos(at / 11)) * 34
    return `<rect x="${at * 11}" y="${24 - height / 2}" width="5" height="${height}" rx="2" fill="${at < 26 ? '#2a6fdb' : '#9aa0a8'}"/>`
  })
  return frame(texts.titles[1]!, `${turns.join('')}<svg width="990" height="48" style="margin-top:18px">${bars.join('')}</svg>`)
}

async function draw(page: Page, name: string, width: number, height: number, html: string): Promise<void> {
  await page.setViewportSize({ width, height })
  await page.setContent(`<style>body{margin:0}</style>${html}`)
  await page.screenshot({ path: join(FOLDER, name) })
}

const context = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), 'flysense-images-')), {
  executablePath: process.env.FLYSK_CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--hide-scrollbars'],
})
const page = await context.newPage()
for (const { name, width, height, hasName } of LOGOS) await draw(page, name, width, height, logo(width, height, hasName))
for (const [language, texts] of Object.entries(TOURS)) {
  await draw(page, `tour_1_${language}.png`, TOUR.width, TOUR.height, cardPicture(texts))
  await draw(page, `tour_2_${language}.png`, TOUR.width, TOUR.height, dialoguePicture(texts))
}
await context.close()
