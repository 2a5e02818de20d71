/** `cargo xtask bench -- widget`: measures the built widget in Chromium beside a naive variant and a peer; prints Markdown. */
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { bundleNaive, bundlePeer } from './bundles'
import { measureCard, measureMemory, measurePeer, measureRequests, measureWindow, median } from './measure'
import { BenchServer, LONG_CALL_TURNS } from './server'

const DIST = join(import.meta.dirname, '..', 'dist')
const PEER_FOLDER = process.env.FLYSENSE_BENCH_FOLDER ?? join(tmpdir(), 'flysense-bench')

const ms = (value: number): string => `${value.toFixed(1)} ms`
const verdict = (isMet: boolean): string => (isMet ? 'met' : '**missed**')

/** Kilobytes of the scripts and the style sheet, compressed: those that a card loads, and all. */
function sizes(): { card: number; all: number } {
  const kb = (name: string): number => gzipSync(readFileSync(join(DIST, name)), { level: 9 }).length / 1024
  const names = readdirSync(DIST).filter((name) => /\.(js|css)$/.test(name))
  const sum = (chosen: string[]): number => chosen.reduce((total, name) => total + kb(name), 0)
  return { card: sum(names.filter((name) => !/^views-/.test(name))), all: sum(names) }
}

const server = new BenchServer()
await server.start()
server.serve('naive.js', await bundleNaive())
const inPage = await build({ entryPoints: [join(import.meta.dirname, 'in-page.ts')], bundle: true, write: false, format: 'iife' })
const peer = await bundlePeer(PEER_FOLDER)
server.serve('peer.js', peer.code)

const context = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), 'flysense-bench-')), {
  executablePath: process.env.FLYSK_CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--enable-precise-memory-info'],
  viewport: { width: 1280, height: 900 },
})

async function open() {
  const page = await context.newPage()
  await page.goto(server.url)
  await page.addScriptTag({ content: inPage.outputFiles[0]!.text })
  await page.addScriptTag({ url: '/naive.js' })
  const session = await context.newCDPSession(page)
  await session.send('Performance.enable')
  return { page, session }
}

const { page, session } = await open()
const card = await measureCard(page, session)
const opened = await measureWindow(page)
const memory = await measureMemory(page, session)
const requests = await measureRequests(page, server)
await page.close()
const other = await open()
await other.page.addScriptTag({ url: '/peer.js' })
const peerMs = await measurePeer(other.page)
await context.close()
server.stop()

const size = sizes()
const [widgetMs, naiveMs, busyMs, openMs] = [card.widget, card.naive, card.busy, opened.open].map(median) as [number, number, number, number]
const longest = Math.max(0, ...opened.longTasks)
const growth = memory.last / memory.first - 1
const peerText = peerMs === null ? `${peer.name}: not shown within 120 s` : `${peer.name}: ${ms(peerMs)}`

console.log(`300 records, medians of ${card.widget.length} rounds in turn; a call of ${LONG_CALL_TURNS} turns (4 h), median of ${opened.open.length}.

| budget | measured | verdict |
| --- | --- | --- |
| scripts and style sheet, gzip ≤ 60 KB | ${size.all.toFixed(1)} KB; ${size.card.toFixed(1)} KB of it are loaded by a card, the rest when something is opened | ${verdict(size.all <= 60)} |
| 300 records: ≤ 0.25 × a Vue app with its own store per record | ${ms(widgetMs)} against ${ms(naiveMs)}: ${(widgetMs / naiveMs).toFixed(2)} × | ${verdict(widgetMs <= 0.25 * naiveMs)} |
| 300 records: < 150 ms of main thread, with the look-up of their state | ${ms(busyMs)} | ${verdict(busyMs < 150)} |
| opening a 4 h call: ≤ 0.1 × a published component | ${ms(openMs)}; ${peerText} | ${verdict(peerMs === null || openMs <= 0.1 * peerMs)} |
| opening a 4 h call: < 120 ms to the first paint of the dialogue | ${ms(openMs)} | ${verdict(openMs < 120)} |
| playing it for 10 s: no task > 50 ms | longest ${longest === 0 ? 'below 50' : longest} ms | ${verdict(longest <= 50)} |
| heap after 100 openings and 50 cards: within 5 % | ${(growth * 100).toFixed(1)} % (${(memory.first / 1e6).toFixed(1)} → ${(memory.last / 1e6).toFixed(1)} MB) | ${verdict(growth <= 0.05)} |
| requests of a card with 20 pending calls in a minute: ≤ 20 | ${requests.minute} | ${verdict(requests.minute <= 20)} |
| the same while hidden: 0 | ${requests.hidden} in 30 s | ${verdict(requests.hidden === 0)} |
`)
