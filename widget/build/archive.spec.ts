// @vitest-environment node
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { strFromU8, unzipSync } from 'fflate'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import manifest from '../manifest.json'
import { archive } from './archive'

const SOURCES = join(import.meta.dirname, '..')

/** The hooks of the plugin that a build calls, and the calls of a build. */
interface Hooks {
  configResolved(config: { root: string; build: { outDir: string } }): void
  writeBundle: { handler(): void }
}

let root: string

/** Texts of the archive of a build with these variables. Scripts are stand-ins, manifest and texts the real ones. */
function built(environment: NodeJS.ProcessEnv): Record<string, string> {
  const plugin = archive('1.0.0', environment) as unknown as Hooks
  plugin.configResolved({ root, build: { outDir: 'dist' } })
  plugin.writeBundle.handler()
  const files = unzipSync(readFileSync(join(root, 'dist/widget.zip')))
  return Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, strFromU8(bytes)]))
}

describe('the archive', () => {
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'flysense-archive-'))
    for (const folder of ['dist', 'i18n', 'images']) mkdirSync(join(root, folder))
    const scripts = ['script.js', 'style.css', ...['app', 'views', 'vendor'].map((name) => `${name}-1.0.0.js`)]
    for (const name of scripts) writeFileSync(join(root, 'dist', name), '')
    for (const name of ['manifest.json', 'i18n/ru.json', 'i18n/en.json']) writeFileSync(join(root, name), readFileSync(join(SOURCES, name)))
  })
  afterEach(() => rmSync(root, { recursive: true }))

  it('has the addresses of the build wherever users see one', () => {
    const files = built({ FLYSENSE_SUPPORT_EMAIL: 'help@flysk.ru', FLYSENSE_SITE_URL: 'https://flysk.ru/' })
    expect(JSON.parse(files['manifest.json']!).widget.support).toEqual({ link: 'https://flysk.ru/support', email: 'help@flysk.ru' })
    for (const name of ['i18n/ru.json', 'i18n/en.json']) {
      const texts = JSON.parse(files[name]!)
      expect(texts.settings).toMatchObject({ privacy_url: 'https://flysk.ru/privacy', support_email: 'help@flysk.ru' })
      expect(texts.problems.other).toMatch(/help@flysk\.ru$/)
      expect(texts.problems.internal).toMatch(/help@flysk\.ru$/)
    }
    expect(Object.values(files).join()).not.toMatch(/flysk\.example|__[A-Z_]+__/)
  })

  it('has addresses of no real host without them', () => {
    const files = built({})
    expect(JSON.parse(files['manifest.json']!).widget).toMatchObject({
      version: manifest.widget.version,
      support: { link: 'https://flysk.example/support', email: 'support@flysk.example' },
    })
    expect(Object.values(files).join()).not.toMatch(/__[A-Z_]+__/)
  })

  it.each([
    ['--support-email', { FLYSENSE_SUPPORT_EMAIL: 'flysk.ru' }],
    ['--support-email', { FLYSENSE_SUPPORT_EMAIL: '' }],
    ['--site-url', { FLYSENSE_SITE_URL: 'flysk.ru' }],
    ['--site-url', { FLYSENSE_SITE_URL: 'http://flysk.ru' }],
    ['--site-url', { FLYSENSE_SITE_URL: 'https://flysk.ru"' }],
  ])('is not built with a wrong %s', (option, environment) => {
    expect(() => built(environment)).toThrow(option)
  })

  it('is not built with a placeholder that nothing replaces', () => {
    writeFileSync(join(root, 'i18n/ru.json'), '{"settings":{"phone":"__SUPPORT_PHONE__"}}')
    expect(() => built({})).toThrow('__SUPPORT_PHONE__')
  })
})
