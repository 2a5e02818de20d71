import { unzipSync } from 'fflate'
import { error, warning, type Files, type Finding } from './finding'
import { checkImages } from './images'
import { checkLocales } from './locales'
import { checkManifest } from './manifest'
import { checkReferences } from './references'
import { checkScripts } from './scripts'
import { checkStyles } from './styles'
import { checkTexts } from './texts'

/** Files of a zip archive; a text with the reason if it is none. */
export function unpack(bytes: Uint8Array): Files | string {
  try {
    const entries = Object.entries(unzipSync(bytes)).filter(([path]) => !path.endsWith('/'))
    return new Map(entries)
  } catch (failure) {
    return String(failure)
  }
}

/** What the archive is checked for. */
export interface Purpose {
  /** The archive of the released version, which this one will replace. */
  released?: Files | undefined
  /** Whether the archive will be uploaded as it is; it is if there is a released one. */
  isRelease?: boolean | undefined
}

/** Checks an archive. `name` is its file name. */
export function check(name: string, files: Files, { released, isRelease }: Purpose = {}): Finding[] {
  const findings: Finding[] = []
  if (name !== 'widget.zip') findings.push(warning('archive-name', name, 'amoCRM takes only an archive that is called widget.zip'))
  const inner = [...files.keys()].find((path) => path.endsWith('/manifest.json'))
  if (!files.has('manifest.json') && inner) {
    findings.push(error('archive-folder', inner, 'the files are in a folder: manifest.json must be at the root of the archive'))
  }
  return [
    ...findings,
    ...checkManifest(files, released),
    ...checkLocales(files),
    ...checkImages(files),
    ...checkTexts(files, isRelease === true || released !== undefined),
    ...checkScripts(files),
    ...checkStyles(files),
    ...checkReferences(files),
  ]
}
