import type { Texts } from '../host/texts'

/** `02:14`, or `1:02:14` from an hour on. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const two = (value: number): string => String(value).padStart(2, '0')
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${rest}` : rest
}

/** `2 мин 14 с`, for screen readers and statistics. */
export function spoken(ms: number, texts: Texts): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const parts: [string, number][] = [
    ['units.hours', Math.floor(seconds / 3600)],
    ['units.minutes', Math.floor(seconds / 60) % 60],
    ['units.seconds', seconds % 60],
  ]
  const told = parts.filter(([, value]) => value > 0).map(([key, value]) => texts.get(key, { count: value }))
  return told.length > 0 ? told.join(' ') : texts.get('units.seconds', { count: 0 })
}
