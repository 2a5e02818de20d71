import { error, jsonOf, member, warning, type Files, type Finding } from './finding'

/** Fields that moderation demands. Source: amoCRM docs, integrations/requirements. */
const REQUIRED = ['widget.name', 'widget.description', 'widget.short_description', 'widget.version', 'widget.locale', 'widget.installation', 'locations', 'settings']

/** Locations of amoCRM, without the suffix `-0` or `-1`. Source: amoCRM docs, integrations/areas. */
const LOCATIONS = new Set([
  'lcard', 'ccard', 'comcard', 'cucard', 'llist', 'clist', 'culist', 'tlist', 'settings', 'advanced_settings', 'card_sdk', 'catalogs',
  'digital_pipeline', 'lead_sources', 'whatsapp_modal', 'everywhere', 'salesbot_designer', 'website_chat_button', 'sms', 'mobile_card', 'widget_page', 'left_menu',
])

const SETTING_TYPES = new Set(['text', 'pass', 'users', 'users_lp', 'custom'])

const PLACE = 'manifest.json'

/** Checks the manifest, and that its version is higher than that of the released archive. */
export function checkManifest(files: Files, released?: Files): Finding[] {
  if (!files.has(PLACE)) return [error('manifest-missing', PLACE, 'the archive has no manifest.json at its root')]
  const manifest = jsonOf(files, PLACE)
  if (manifest === undefined) return [error('manifest-json', PLACE, 'the manifest is no valid JSON')]
  return [...checkFields(manifest), ...checkLocations(manifest), ...checkSettings(manifest), ...checkVersion(manifest, released), ...checkScript(files, manifest)]
}

function checkFields(manifest: unknown): Finding[] {
  const findings = REQUIRED.filter((path) => isEmpty(member(manifest, path))).map((path) => error('manifest-field', PLACE, `\`${path}\` is missing`))
  if (isEmpty(member(manifest, 'widget.support.link')) && isEmpty(member(manifest, 'widget.support.email'))) {
    findings.push(error('manifest-support', PLACE, '`widget.support` needs a link or an e-mail address'))
  }
  if (member(manifest, 'tour.is_tour') !== true) findings.push(error('manifest-tour', PLACE, '`tour.is_tour` must be true'))
  if (member(manifest, 'widget.interface_version') !== 2) findings.push(warning('manifest-interface', PLACE, '`widget.interface_version` should be 2'))
  for (const secret of ['secret_key', 'widget.secret_key', 'code', 'widget.code']) {
    if (member(manifest, secret) !== undefined) findings.push(error('manifest-code', PLACE, `\`${secret}\` does not belong in the manifest: amoCRM makes it when the archive is uploaded`))
  }
  return findings
}

function checkLocations(manifest: unknown): Finding[] {
  const locations = member(manifest, 'locations')
  if (!Array.isArray(locations)) return []
  return locations
    .filter((location) => !LOCATIONS.has(String(location).replace(/-[01]$/, '')))
    .map((location) => error('manifest-location', PLACE, `\`${location}\` is no location of amoCRM`))
}

function checkSettings(manifest: unknown): Finding[] {
  const settings = member(manifest, 'settings')
  if (settings === null || typeof settings !== 'object') return []
  const entries = Object.entries(settings as Record<string, unknown>)
  const findings = entries
    .filter(([, setting]) => !SETTING_TYPES.has(String(member(setting, 'type'))))
    .map(([name]) => error('manifest-setting', PLACE, `the setting \`${name}\` has no type of ${[...SETTING_TYPES].join(', ')}`))
  if (entries.length === 0 && member(manifest, 'widget.installation') === true) {
    findings.push(error('manifest-setting', PLACE, '`settings` must not be empty while `widget.installation` is true'))
  }
  if (entries.filter(([, setting]) => member(setting, 'type') === 'custom').length > 1) {
    findings.push(error('manifest-setting', PLACE, 'a widget may have one setting of the type custom'))
  }
  return findings
}

function checkVersion(manifest: unknown, released?: Files): Finding[] {
  const version = versionOf(member(manifest, 'widget.version'))
  if (!version) return [error('manifest-version', PLACE, '`widget.version` must be three numbers: 1.0.0')]
  if (!released) return []
  const before = versionOf(member(jsonOf(released, PLACE), 'widget.version'))
  if (before && compare(version, before) <= 0) {
    return [error('version-not-raised', PLACE, `the version ${version.join('.')} is not higher than the released ${before.join('.')}: browsers would keep the old files`)]
  }
  return []
}

function checkScript(files: Files, manifest: unknown): Finding[] {
  const onlyExternal = member(manifest, 'widget.interface_version') === undefined && member(manifest, 'locations') === undefined
  return files.has('script.js') || onlyExternal ? [] : [error('script-missing', 'script.js', 'the archive has no script.js at its root')]
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}

function versionOf(value: unknown): number[] | null {
  return typeof value === 'string' && /^\d+\.\d+\.\d+$/.test(value) ? value.split('.').map(Number) : null
}

function compare(a: number[], b: number[]): number {
  return a.map((part, at) => part - (b[at] ?? 0)).find((difference) => difference !== 0) ?? 0
}
