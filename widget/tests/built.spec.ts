// @vitest-environment node
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import manifest from '../manifest.json'
import ru from '../i18n/ru.json'
import { answerTo } from './built-answers'

/**
 * The built widget in a page: the build takes unused features out of the libraries and prints all scripts anew, so that what the
 * other tests show of the sources is shown here of the scripts that users get.
 */

const ROOT = join(import.meta.dirname, '..')

interface BuiltWidget {
  callbacks: { init(): void; settings(form: unknown): void; destroy(): void }
}

const require = createRequire(import.meta.url)
const { JSDOM, VirtualConsole } = require('jsdom') as {
  JSDOM: new (html: string, options: object) => { window: PageWindow }
  VirtualConsole: new () => object
}

type PageWindow = Window & typeof globalThis & { jQuery: JQueryStatic; define: unknown; eval(code: string): void }

type LoaderWindow = PageWindow & { requirejs(names: string[], done: (module: never) => void, failed: (error: unknown) => void): void }

const notes = ['n1', 'p1', 'd1'].map(note).join('')
const { window } = new JSDOM(`<div class="js-notes">${notes}</div><form><div class="widget_settings_block__fields"></div></form>`, {
  url: 'https://demo.amocrm.ru/leads/detail/1', runScripts: 'outside-only', pretendToBeVisual: true,
})
const { document } = window

let folder: string
const modules = new Map<string, unknown>()

function load(name: string): unknown {
  const file = name.split('/').pop()!
  if (modules.has(name)) return modules.get(name)
  if (modules.has(file)) return modules.get(file)
  let exported: unknown
  const define = (dependencies: string[], factory: (...modules: unknown[]) => unknown): void => {
    const exports = {}
    const given = dependencies.map((wanted) => (wanted === 'exports' ? exports : wanted === 'require' ? requireAll : load(wanted)))
    exported = factory(...given) ?? exports
  }
  window.define = define
  window.eval(readFileSync(join(folder, file), 'utf8'))
  modules.set(file, exported)
  return exported
}

function requireAll(names: string[], done: (...modules: unknown[]) => void): void {
  queueMicrotask(() => done(...names.map(load)))
}

class Modal {
  private readonly root = window.jQuery('<div class="modal"><div class="modal-body"></div></div>').appendTo('body')
  constructor(private readonly options: { init(body: JQuery): void; destroy(): boolean }) {
    options.init(this.root.find('.modal-body'))
  }
  destroy(): void {
    if (this.options.destroy() !== false) this.root.remove()
  }
}

function note(id: string): string {
  return `<div class="feed-note-wrapper feed-note-wrapper-call_in_out" data-id="${id}"><div class="js-note"><div class="feed-note__body">
    <div class="feed-note__call-content"><a class="js-call-play" href="/1.mp3">слушать</a></div></div></div></div>`
}

const words = (selector: string): string => (document.querySelector(selector)?.textContent ?? '').replace(/\s+/g, ' ').trim()
const slot = (id: string): string => words(`[data-flysense-record="${id}"]`)
const shown = (selector: string, text: string): Promise<void> => vi.waitFor(() => expect(words(selector)).toContain(text), 60_000)

function type(field: HTMLInputElement, text: string): void {
  field.value = text
  field.dispatchEvent(new window.Event('input', { bubbles: true }))
}

describe('the built widget', () => {
  let widget: BuiltWidget

  beforeAll(() => {
    folder = mkdtempSync(join(ROOT, 'node_modules', '.flysense-built-'))
    const { NODE_ENV: _, VITEST: __, ...environment } = process.env
    const vite = join(ROOT, 'node_modules/vite/bin/vite.js')
    execFileSync(process.execPath, [vite, 'build', '--outDir', relative(ROOT, folder), '--logLevel', 'error'], { cwd: ROOT, env: environment })
    window.eval(readFileSync(require.resolve('jquery'), 'utf8'))
    modules.set('jquery', window.jQuery).set('lib/components/base/modal', Modal)
    Object.assign(window, { fetch: answerTo, Request, Response, Headers })
    Object.assign(window, { APP: { lang_id: 'ru', isCard: () => true, getBaseEntity: () => 'leads', data: { current_card: { id: 1 } } } })
    window.Element.prototype.scrollTo = () => undefined
    window.HTMLMediaElement.prototype.load = () => undefined
    window.HTMLMediaElement.prototype.pause = () => undefined
    const Widget = load('script.js') as { new (): BuiltWidget; prototype: object }
    const session = { token: 't', expires_at: new Date(Date.now() + 900_000).toISOString() }
    const handshake = { status: 'active', reason: null, warning: null, is_admin: true, connect_url: null, session }
    Object.assign(Widget.prototype, {
      system: () => ({ area: 'lcard', amouser_id: 1 }),
      get_settings: () => ({ widget_code: 'flysense', path: '/widget', version: manifest.widget.version }),
      i18n: (section: keyof typeof ru) => ru[section],
      $authorizedAjax: () => window.jQuery.Deferred().resolve(handshake, 'success', { status: 200 }),
    })
    widget = new Widget()
  }, 120_000)

  afterAll(() => {
    window.close()
    rmSync(folder, { recursive: true })
  })

  it('shows every call of a card, and takes a press', async () => {
    widget.callbacks.init()
    await shown('[data-flysense-record=p1]', 'Распознаём речь…')
    await shown('[data-flysense-record=d1]', 'Клиент ждёт курьера.')
    expect(slot('n1')).toBe('FlySense AI')
    document.querySelector<HTMLElement>('[data-flysense-record=n1] button')!.click()
    await shown('[data-flysense-record=n1]', 'В очереди…')
  })

  it('opens the dialogue, searches it and adds a label', async () => {
    document.querySelector<HTMLElement>('[data-flysense-record=d1] button')!.click()
    await shown('.modal', 'Здравствуйте, где заказ?')
    type(document.querySelector<HTMLInputElement>('.modal input[type=search]')!, 'ЗАКАЗ')
    await shown('.modal mark', 'заказ')
    const field = document.querySelector<HTMLInputElement>('.modal [role=combobox]')!
    field.dispatchEvent(new window.Event('focus'))
    type(field, 'опл')
    await shown('.modal [role=option]', 'Оплата')
    for (const key of ['ArrowDown', 'Enter']) field.dispatchEvent(new window.KeyboardEvent('keydown', { key, bubbles: true }))
    await shown('.modal', 'Добавлено вручную')
    widget.callbacks.destroy()
    expect(document.querySelector('.modal, .flysense-slot')).toBeNull()
  })

  it('shows settings, balance and what a sum costs, and leaves nothing behind', async () => {
    widget.callbacks.settings(window.jQuery('form'))
    await shown('.flysense-page', 'Распознавать новые звонки автоматически')
    document.querySelectorAll<HTMLElement>('.flysense-page [role=tab]')[1]!.click()
    await shown('.flysense-page', '963 FlyCoins')
    await shown('.flysense-page', 'Списание')
    type(document.querySelector<HTMLInputElement>('.flysense-page input[inputmode=decimal]')!, '77')
    await shown('.flysense-pay', 'Оплатить · 77 ₽')
    widget.callbacks.destroy()
    expect(document.querySelector('.flysense-page')).toBeNull()
  })

  it.each(['app', 'vendor'])('is loaded by the next callback if %s could not be loaded', async (part) => {
    const asked: string[] = []
    const server = createServer(({ url }, answer) => {
      const file = new URL(url!, 'http://page').pathname.split('/').pop()!
      asked.push(file)
      answer.statusCode = file.startsWith(part) && asked.filter((name) => name === file).length === 1 ? 503 : 200
      answer.end(answer.statusCode === 200 ? readFileSync(join(folder, file)) : '')
    }).listen(0, '127.0.0.1')
    await new Promise((listening) => server.once('listening', listening))
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const loading = { runScripts: 'dangerously', resources: 'usable', pretendToBeVisual: true, virtualConsole: new VirtualConsole() }
    const page = new JSDOM('', { url: `${address}/leads/detail/1`, ...loading }).window as LoaderWindow
    Object.assign(page, { Request, Response, Headers })
    page.eval(readFileSync(require.resolve('requirejs/require.js'), 'utf8'))
    page.eval("define('jquery', [], () => () => {}); define('lib/components/base/modal', [], () => () => {})")
    const Widget = await new Promise<{ new (): BuiltWidget; prototype: object }>((done, failed) => page.requirejs([`${address}/script.js`], done, failed))
    Object.assign(Widget.prototype, { get_settings: () => ({ path: address }), i18n: () => ({}) })
    const { callbacks } = new Widget()
    callbacks.init()
    const isLoaded = (): boolean => page.document.querySelector('link[data-flysense-styles]') !== null
    await vi.waitFor(() => expect(asked.some((file) => file.startsWith(part))).toBe(true), 60_000)
    await vi.waitFor(() => {
      callbacks.init()
      expect(isLoaded()).toBe(true)
    }, 60_000)
    page.close()
    server.close()
  })
})
