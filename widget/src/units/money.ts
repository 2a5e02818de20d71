import type { Texts } from '../host/texts'

/** Micro-Flycoins of one Flycoin. */
export const MICRO_PER_COIN = 1_000_000
/** Kopecks of one rouble. */
export const KOPECKS_PER_ROUBLE = 100

/** `12,5 FC`: at most two digits, in the user's notation. */
export function coins(micro: number, texts: Texts): string {
  return texts.get('units.coins', { amount: number(micro / MICRO_PER_COIN, texts.locale) })
}

/** `963`: whole coins, rounded down, so that the balance never promises more than there is. */
export function wholeCoins(micro: number, texts: Texts): string {
  return number(Math.floor(micro / MICRO_PER_COIN), texts.locale)
}

/** `10 000 ₽`. */
export function roubles(kopecks: number, texts: Texts): string {
  return texts.get('units.roubles', { amount: number(kopecks / KOPECKS_PER_ROUBLE, texts.locale) })
}

function number(value: number, locale: string): string {
  return value.toLocaleString(locale, { maximumFractionDigits: 2 })
}

/** Kopecks of a typed sum of roubles: `10 000`, `99,50`; `null` if it is no sum. */
export function kopecksOf(typed: string): number | null {
  const text = typed.replace(/[\s\u00a0\u202f₽]/g, '').replace(',', '.')
  if (!/^\d{1,9}(\.\d{1,2})?$/.test(text)) return null
  return Math.round(Number(text) * KOPECKS_PER_ROUBLE)
}
