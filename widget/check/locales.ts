import { error, jsonOf, member, warning, type Files, type Finding } from './finding'

const MANIFEST = 'manifest.json'

/** Checks that every language of the manifest has its file, with every text that the manifest names and the same keys. */
export function checkLocales(files: Files): Finding[] {
  const manifest = jsonOf(files, MANIFEST)
  const languages = member(manifest, 'widget.locale')
  if (!Array.isArray(languages)) return []
  const findings: Finding[] = []
  const keys = new Map<string, Set<string>>()
  for (const language of languages.map(String)) {
    const path = `i18n/${language}.json`
    const texts = jsonOf(files, path)
    if (texts === undefined) {
      findings.push(error('locale-file', path, files.has(path) ? 'the file is no valid JSON' : `the manifest names the language ${language}, but its file is missing`))
      continue
    }
    keys.set(path, new Set(leaves(texts)))
    for (const key of namedTexts(manifest)) {
      if (typeof member(texts, key) !== 'string') findings.push(error('locale-key', path, `the text \`${key}\`, which the manifest names, is missing`))
    }
  }
  for (const path of files.keys()) {
    const language = /^i18n\/(\w+)\.json$/.exec(path)?.[1]
    if (language && !languages.includes(language)) findings.push(warning('locale-unused', path, 'the manifest does not name this language'))
  }
  return [...findings, ...compareKeys(keys)]
}

function compareKeys(keys: Map<string, Set<string>>): Finding[] {
  const all = new Set([...keys.values()].flatMap((own) => [...own]))
  return [...keys].flatMap(([path, own]) =>
    [...all].filter((key) => !own.has(key)).map((key) => warning('locale-differs', path, `\`${key}\` exists in another language only`)),
  )
}

/** Texts that the manifest names: `widget.name`. */
function namedTexts(manifest: unknown): string[] {
  const settings = member(manifest, 'settings')
  const settingNames = settings !== null && typeof settings === 'object' ? Object.values(settings).map((setting) => member(setting, 'name')) : []
  const named = [
    member(manifest, 'widget.name'),
    member(manifest, 'widget.description'),
    member(manifest, 'widget.short_description'),
    member(manifest, 'tour.tour_description'),
    member(manifest, 'advanced.title'),
    ...settingNames,
  ]
  return named.filter((key): key is string => typeof key === 'string' && /^[\w.]+$/.test(key))
}

/** Plural forms differ by language, so that an object of forms is one text. */
const PLURAL_FORMS = new Set(['zero', 'one', 'two', 'few', 'many', 'other'])

function leaves(value: unknown, path = ''): string[] {
  if (value === null || typeof value !== 'object') return [path]
  const entries = Object.entries(value)
  if (entries.length > 0 && entries.every(([name]) => PLURAL_FORMS.has(name))) return [path]
  return entries.flatMap(([name, inner]) => leaves(inner, path === '' ? name : `${path}.${name}`))
}
