/** `error`: moderation refuses it, or the widget does not work. `warning`: moderators ask about it. */
export type Level = 'error' | 'warning'

/** One thing that is wrong with an archive. */
export interface Finding {
  level: Level
  /** Stable name of the rule, explained in docs/widget-check.md. */
  rule: string
  /** File of the archive, with a line where it is known. */
  place: string
  text: string
}

/** Files of an archive by path. */
export type Files = ReadonlyMap<string, Uint8Array>

export function error(rule: string, place: string, text: string): Finding {
  return { level: 'error', rule, place, text }
}

export function warning(rule: string, place: string, text: string): Finding {
  return { level: 'warning', rule, place, text }
}

/** A file as text; bytes that are no UTF-8 become replacement characters, which `check/texts.ts` reports. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

/** Value of a JSON file, or `undefined` if it is missing or no JSON. */
export function jsonOf(files: Files, path: string): unknown {
  const bytes = files.get(path)
  if (!bytes) return undefined
  try {
    return JSON.parse(textOf(bytes).replace(/^\ufeff/, ''))
  } catch {
    return undefined
  }
}

/** Member of a value that may be anything: `widget.name`. */
export function member(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((at, name) => (at !== null && typeof at === 'object' ? (at as Record<string, unknown>)[name] : undefined), value)
}
