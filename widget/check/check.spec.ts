import { zipSync } from 'fflate'
import { describe, expect, it } from 'vitest'
import { check, unpack, type Purpose } from './check'
import type { Files } from './finding'

const SCRIPT = `define(['jquery'], function ($) {
  return function Widget() { var self = this; this.callbacks = { init: function () { self.system(); return true; } }; };
});`

const MANIFEST = {
  widget: {
    name: 'widget.name', description: 'widget.description', short_description: 'widget.short_description', version: '1.2.0',
    interface_version: 2, locale: ['ru'], installation: true, support: { email: 'support@vendor.ru' },
  },
  locations: ['lcard-0', 'settings'],
  tour: { is_tour: true, tour_images: { ru: ['/images/tour.png'] }, tour_description: 'widget.tour' },
  settings: { token: { name: 'settings.token', type: 'text', required: false } },
}

const TEXTS = { widget: { name: 'Имя', description: 'О виджете', short_description: 'Кратко', tour: 'Как работать' }, settings: { token: 'Ключ' } }

function png(width: number, height: number): Uint8Array {
  const bytes = new Uint8Array(40)
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52])
  new DataView(bytes.buffer).setUint32(16, width)
  new DataView(bytes.buffer).setUint32(20, height)
  return bytes
}

/** A widget without faults, with some files replaced; `null` removes one. */
function archive(changes: Record<string, string | Uint8Array | null> = {}): Files {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
  const files = new Map<string, Uint8Array>([
    ['manifest.json', encode(JSON.stringify(MANIFEST))],
    ['script.js', encode(SCRIPT)],
    ['i18n/ru.json', encode(JSON.stringify(TEXTS))],
    ['images/logo.png', png(130, 100)],
    ['images/logo_main.png', png(400, 272)],
    ['images/logo_small.png', png(108, 108)],
    ['images/logo_medium.png', png(240, 84)],
    ['images/logo_min.png', png(84, 84)],
    ['images/tour.png', png(1188, 616)],
  ])
  for (const [path, content] of Object.entries(changes)) {
    if (content === null) files.delete(path)
    else files.set(path, typeof content === 'string' ? encode(content) : content)
  }
  return files
}

function rules(files: Files, name = 'widget.zip', purpose: Purpose = {}): string[] {
  return check(name, files, purpose).map((finding) => finding.rule)
}

function withManifest(change: (manifest: typeof MANIFEST) => object): Files {
  return archive({ 'manifest.json': JSON.stringify(change(structuredClone(MANIFEST))) })
}

function inScript(line: string): Files {
  return archive({ 'script.js': SCRIPT.replace('self.system();', `${line};`) })
}

describe('the check of an archive', () => {
  it('has nothing to say about a widget without faults', () => {
    expect(check('widget.zip', archive())).toEqual([])
  })

  it('reads a zip archive and refuses anything else', () => {
    const files = unpack(zipSync({ 'a.txt': new Uint8Array([65]) }))
    expect(files instanceof Map && [...files.keys()]).toEqual(['a.txt'])
    expect(unpack(new Uint8Array([1, 2, 3]))).toBeTypeOf('string')
  })

  it('wants the name widget.zip and the manifest at the root', () => {
    expect(rules(archive(), 'my-widget.zip')).toEqual(['archive-name'])
    expect(rules(new Map([['widget/manifest.json', new Uint8Array()]]))).toContain('archive-folder')
  })

  it.each<[string, (manifest: typeof MANIFEST) => object]>([
    ['manifest-field', (manifest) => ({ ...manifest, locations: [] })],
    ['manifest-support', (manifest) => ({ ...manifest, widget: { ...manifest.widget, support: {} } })],
    ['manifest-tour', (manifest) => ({ ...manifest, tour: { ...manifest.tour, is_tour: false } })],
    ['manifest-location', (manifest) => ({ ...manifest, locations: ['kitchen-1'] })],
    ['manifest-setting', (manifest) => ({ ...manifest, settings: {} })],
    ['manifest-setting', (manifest) => ({ ...manifest, settings: { a: { name: 'settings.token', type: 'colour' } } })],
    ['manifest-version', (manifest) => ({ ...manifest, widget: { ...manifest.widget, version: '1.2' } })],
    ['manifest-code', (manifest) => ({ ...manifest, widget: { ...manifest.widget, secret_key: 'x' } })],
  ])('finds %s', (rule, change) => {
    expect(rules(withManifest(change))).toContain(rule)
  })

  it('wants a version higher than the released one', () => {
    expect(rules(archive(), 'widget.zip', { released: archive() })).toEqual(['version-not-raised'])
    const older = withManifest((manifest) => ({ ...manifest, widget: { ...manifest.widget, version: '1.1.9' } }))
    expect(rules(archive(), 'widget.zip', { released: older })).toEqual([])
  })

  it.each([
    ['locale-file', { 'i18n/ru.json': null }],
    ['locale-key', { 'i18n/ru.json': JSON.stringify({ ...TEXTS, settings: {} }) }],
    ['locale-unused', { 'i18n/es.json': JSON.stringify(TEXTS) }],
    ['image-missing', { 'images/logo_min.png': null }],
    ['image-size', { 'images/logo.png': png(100, 100) }],
    ['image-format', { 'images/logo.png': 'no image' }],
    ['text-bom', { 'i18n/ru.json': `\ufeff${JSON.stringify(TEXTS)}` }],
    ['text-crlf', { 'script.js': SCRIPT.replaceAll('\n', '\r\n') }],
    ['text-utf8', { 'i18n/ru.json': new Uint8Array([0x22, 0xcf, 0xf0, 0x22]) }],
    ['leftover-file', { '.DS_Store': 'x' }],
    ['unused-file', { 'images/old.png': png(1, 1) }],
    ['script-missing', { 'script.js': null }],
    ['script-amd', { 'script.js': 'window.Widget = 1' }],
    ['script-named', { 'script.js': SCRIPT.replace("['jquery']", "'widget', ['jquery']") }],
    ['script-minified', { 'script.js': SCRIPT + `var a = [${'1,'.repeat(2000)}]` }],
    ['script-syntax', { 'script.js': 'define([' }],
    ['css-global', { 'style.css': 'input { color: red }' }],
    ['css-global', { 'style.css': '.mine { color: red } @media print { *:focus { color: red } }' }],
    ['css-global', { 'style.css': ':root { --x: 1px }' }],
    ['css-system-class', { 'style.css': '.modal-body { color: red }' }],
    ['css-outside', { 'style.css': '.mine { background: url(https://cdn.example/x.png) }' }],
    ['css-global-name', { 'style.css': '@keyframes spin { to { rotate: 1turn } }' }],
  ] as [string, Record<string, string | Uint8Array | null>][])('finds %s', (rule, changes) => {
    expect(rules(archive(changes))).toContain(rule)
  })

  it.each([
    ['script-eval', 'eval("1")'],
    ['script-eval', 'new Function("return 1")'],
    ['script-dialog', 'window.alert("1")'],
    ['script-injected', 'document.createElement("script")'],
    ['script-sync', 'new XMLHttpRequest().open("GET", "/x", false)'],
    ['script-sync', '$.ajax({ url: "/x", async: !1 })'],
    ['script-outside', 'require(["https://cdn.example/x.js"])'],
    ['script-app-write', 'window.APP.data.mine = 1'],
    ['script-app-write', 'AMOCRM.x = 1'],
    ['script-loop', 'for (var i = 0; i < 9; i++) self.crm_post("/x")'],
    ['script-loop', 'setInterval(function () { self.$authorizedAjax({}) }, 3000)'],
    ['script-loop', '[1].forEach(function () { fetch("/api/v4/leads") })'],
    ['script-console', 'console.log("here")'],
    ['script-add-error', 'APP.notifications.add_error({})'],
    ['script-process', 'self.x = process.env.NODE_ENV'],
    ['secret', 'self.x = { client_secret: "0123456789abcdef0123" }'],
    ['test-address', 'self.x = "http://localhost:3000/api"'],
  ])('finds %s in `%s`', (rule, line) => {
    expect(rules(inScript(line))).toContain(rule)
  })

  it.each(['var confirm = 1', 'self.x = APP.data', 'form.confirm("sure")', 'fetch("/mine/api/v4")'])('accepts `%s`', (line) => {
    expect(rules(inScript(line))).toEqual([])
  })

  const FACTORY = SCRIPT.slice("define(['jquery'], ".length, -2)
  const WEBPACK = `(function universal(root, factory) {
    if (typeof exports === 'object') module.exports = factory(require('jquery'));
    else if (typeof define === 'function' && define.amd) define(NAME['jquery'], factory);
    else root.Widget = factory(root.$);
  })(self, ${FACTORY})`
  const ROLLUP = `!(function (global, factory) {
    typeof define === 'function' && define.amd ? define(NAME['jquery'], factory) : (global.Widget = factory(global.$));
  }).call(this, this, ${FACTORY});`

  it.each([['webpack', WEBPACK], ['rollup', ROLLUP]])('accepts a UMD bundle of %s, unless its module has a name', (_bundler, wrapper) => {
    expect(rules(archive({ 'script.js': wrapper.replace('NAME', '') }))).toEqual([])
    expect(rules(archive({ 'script.js': wrapper.replace('NAME', "'widget', ") }))).toEqual(['script-named'])
    expect(rules(archive({ 'script.js': `function never() { ${wrapper.replace('NAME', '')} }` }))).toEqual(['script-amd'])
  })

  it.each([
    ['https://flysk.example', 'https://flysk.example/privacy'],
    ['wss://api.vendor.test', 'wss://api.vendor.test:8443'],
    ['https:\\/\\/vendor.invalid', 'https:\\/\\/vendor.invalid\\/privacy'],
    ['support@flysk.example', 'пишите на support@flysk.example.'],
  ])('warns of %s, and refuses it in a release', (address, text) => {
    const older = withManifest((manifest) => ({ ...manifest, widget: { ...manifest.widget, version: '1.1.9' } }))
    const files = archive({ 'i18n/ru.json': JSON.stringify(TEXTS, null, 1).replace('Кратко', text) })
    const placed = (purpose: Purpose) => check('widget.zip', files, purpose).map(({ level, rule, place, text: told }) => [level, rule, place, told.includes(`${address},`)])
    expect(placed({})).toEqual([['warning', 'placeholder-address', 'i18n/ru.json:5', true]])
    expect(placed({ isRelease: true })).toEqual([['error', 'placeholder-address', 'i18n/ru.json:5', true]])
    expect(placed({ released: older })).toEqual([['error', 'placeholder-address', 'i18n/ru.json:5', true]])
  })

  it('names an address once per file', () => {
    const files = archive({ 'i18n/ru.json': JSON.stringify(TEXTS).replace('Кратко', 'a@b.test, a@b.test, c@b.test') })
    expect(rules(files)).toEqual(['placeholder-address', 'placeholder-address'])
  })

  it.each(['self.x = "https://flysk.example.com/a"', 'self.x = "https://test.flysk.ru"', 'self.x = /^a@b/.test(mail)', 'self.x = "a@latest.testing.ru"'])('takes `%s` for no placeholder', (line) => {
    expect(check('widget.zip', inScript(line), { isRelease: true })).toEqual([])
  })

  it('accepts the documented ways to a dark theme and to nested rules', () => {
    const css = 'html[data-color-scheme="dark"] .mine { color: red } .mine { & p { color: red } }'
    expect(rules(archive({ 'style.css': css, 'script.js': SCRIPT.replace('self.system();', 'self.x = "style.css";') }))).toEqual([])
  })
})
