import type { Host } from './host'

/** Values for the placeholders of a text: `{count}`. */
export type TextValues = Record<string, string | number>

/**
 * Texts of the widget, from `i18n/<language>.json` as amoCRM loaded it.
 *
 * A key is `section.name`. A text with plural forms is an object: `{"one": …, "few": …, "many": …}`, chosen by `count`.
 */
export class Texts {
  private readonly plurals: Intl.PluralRules
  private readonly sections = new Map<string, Record<string, unknown>>()

  constructor(private readonly host: Host) {
    this.plurals = new Intl.PluralRules(this.locale)
  }

  get locale(): string {
    return this.host.language === 'en' ? 'en' : 'ru'
  }

  /** The text; the key itself if there is none, so that a missing text is seen. */
  get(key: string, values: TextValues = {}): string {
    return this.find(key, values) ?? key
  }

  /** The text, or `undefined`: for codes of the server, which may be newer than the widget. */
  find(key: string, values: TextValues = {}): string | undefined {
    const dot = key.indexOf('.')
    const section = this.section(key.slice(0, dot))
    let found: unknown = section[key.slice(dot + 1)]
    if (found !== null && typeof found === 'object') {
      const forms = found as Record<string, string>
      found = forms[this.plurals.select(Number(values.count ?? 0))] ?? forms.many ?? forms.other
    }
    if (typeof found !== 'string') return undefined
    return found.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole))
  }

  private section(name: string): Record<string, unknown> {
    let section = this.sections.get(name)
    if (!section) {
      section = this.host.texts(name)
      this.sections.set(name, section)
    }
    return section
  }
}
