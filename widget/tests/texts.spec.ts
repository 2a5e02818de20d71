// @vitest-environment node
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import en from '../i18n/en.json'
import ru from '../i18n/ru.json'
import manifest from '../manifest.json'

const SOURCES = join(import.meta.dirname, '..', 'src')

type Sections = Record<string, Record<string, unknown>>

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return sources(path)
    return /\.(ts|vue)$/.test(entry.name) && !entry.name.endsWith('.spec.ts') && entry.name !== 'schema.ts' ? [readFileSync(path, 'utf8')] : []
  })
}

const code = sources(SOURCES).join('\n')

/** Keys in the code: whole ones, and the beginnings of those whose end is a code of the server. */
const whole = new Set([...code.matchAll(/\b(?:t|get|find)\(\s*(?:[^()]*\? )?'([a-z_]+\.[a-z_]+)'/g)].map((match) => match[1]!))
const alternatives = [...code.matchAll(/'([a-z_]+\.[a-z_]+)' : '([a-z_]+\.[a-z_]+)'/g)].flatMap((match) => [match[1]!, match[2]!])
const beginnings = new Set([...code.matchAll(/\b(?:t|get|find)\(`([a-z_]+\.[a-z_]*)\$\{/g)].map((match) => match[1]!))
const listed = [...code.matchAll(/'(units\.[a-z]+)'/g)].map((match) => match[1]!)

function textOf(sections: Sections, key: string): unknown {
  const dot = key.indexOf('.')
  return sections[key.slice(0, dot)]?.[key.slice(dot + 1)]
}

describe('the texts', () => {
  it.each([['ru', ru as Sections], ['en', en as Sections]])('of %s have every key of the code', (_language, sections) => {
    expect(whole.size).toBeGreaterThan(80)
    const missing = [...whole, ...alternatives, ...listed].filter((key) => textOf(sections, key) === undefined)
    expect(missing).toEqual([])
  })

  it('have no key that nothing uses', () => {
    const named = new Set([...whole, ...alternatives, ...listed])
    const readByAmocrm = /^(widget\.|settings\.flysense$|advanced\.)/
    const unused = Object.entries(ru as Sections)
      .flatMap(([section, texts]) => Object.keys(texts).map((name) => `${section}.${name}`))
      .filter((key) => !readByAmocrm.test(key) && !named.has(key) && ![...beginnings].some((beginning) => key.startsWith(beginning)))
    expect(unused).toEqual([])
  })

  it('have the same placeholders in both languages', () => {
    const placeholders = (value: unknown): string => [...new Set(JSON.stringify(value).match(/\{\w+\}/g) ?? [])].sort().join()
    const different = Object.entries(ru as Sections).flatMap(([section, texts]) =>
      Object.entries(texts)
        .filter(([name, text]) => typeof text === 'string' && placeholders(text) !== placeholders((en as Sections)[section]?.[name]))
        .map(([name]) => `${section}.${name}`),
    )
    expect(different).toEqual([])
  })

  it.each([
    ['ru', ru.widget.description, ru.settings.consent, /тексты/, /до 3 дней/],
    ['en', en.widget.description, en.settings.consent, /texts/, /up to 3 days/],
  ])('of %s say who gets recordings and texts, and how long copies are kept', (_language, description, consent, texts, time) => {
    for (const text of [description, consent]) for (const part of [/SpeechKit/, /YandexGPT/, texts, time]) expect(text).toMatch(part)
  })

  it('name no address that the build does not replace', () => {
    expect(JSON.stringify([ru, en, manifest]).match(/https?:|[\w.]+@[\w.]+|\.(example|test|invalid)\b/g) ?? []).toEqual([])
  })

  it('are not in the code', () => {
    const inTemplates = code.replace(/\/\*[\s\S]*?\*\/|\/\/.*|<!--[\s\S]*?-->/g, '')
    expect(inTemplates.match(/[а-яё]{3,}.*/gi) ?? []).toEqual([])
  })
})
