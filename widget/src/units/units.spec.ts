import { describe, expect, it } from 'vitest'
import ru from '../../i18n/ru.json'
import type { Host } from '../host/host'
import { Texts } from '../host/texts'
import { clock, spoken } from './clock'
import { coins, kopecksOf, wholeCoins } from './money'

const sections = ru as Record<string, Record<string, unknown>>
const texts = new Texts({ language: 'ru', texts: (section: string) => sections[section] ?? {} } as Host)

describe('times', () => {
  it('have hours only from an hour on', () => {
    expect([0, 134_900, 3_734_000, -5].map(clock)).toEqual(['00:00', '02:14', '1:02:14', '00:00'])
  })

  it('are spoken without empty parts', () => {
    expect([134_000, 3_900_000, 0].map((ms) => spoken(ms, texts))).toEqual(['2 мин 14 с', '1 ч 5 мин', '0 с'])
  })
})

describe('money', () => {
  it('is shown with two digits, and the balance is rounded down', () => {
    expect(coins(3_958_333, texts)).toBe('3,96 FC')
    expect(wholeCoins(963_999_999, texts)).toBe('963')
  })

  it.each([['10 000', 1_000_000], ['99,50', 9_950], ['1.5 ₽', 150], ['10 000', 1_000_000]])('reads %s', (typed, kopecks) => {
    expect(kopecksOf(typed)).toBe(kopecks)
  })

  it.each(['', 'сто', '-5', '1,234', '1e9', '99999999999'])('refuses %s', (typed) => {
    expect(kopecksOf(typed)).toBeNull()
  })
})

describe('texts', () => {
  it('choose the plural form of the language', () => {
    const told = [1, 2, 5, 21].map((count) => texts.get('units.calls', { count }))
    expect(told).toEqual(['1 звонок', '2 звонка', '5 звонков', '21 звонок'])
  })

  it('show the key of a missing text', () => {
    expect(texts.get('call.nothing')).toBe('call.nothing')
  })
})
