import { textOf, warning, type Files, type Finding } from './finding'

/** Files that amoCRM itself reads. */
const READ_BY_AMOCRM = /^(manifest\.json|script\.js|i18n\/\w+\.json|images\/logo(_\w+)?\.(png|jpe?g|gif))$/

/** Reports files that nothing names. amoCRM's requirements forbid unused files. */
export function checkReferences(files: Files): Finding[] {
  const texts = [...files].filter(([path]) => /\.(js|mjs|css|json|twig)$/.test(path)).map(([path, bytes]) => ({ path, text: textOf(bytes) }))
  return [...files.keys()]
    .filter((path) => !READ_BY_AMOCRM.test(path))
    .filter((path) => !texts.some((file) => file.path !== path && names(file.text, path)))
    .map((path) => warning('unused-file', path, 'no file of the archive names this one'))
}

/** Whether a text names a file, also by its first part where the version follows from a variable: `app-1.2.3.js`. */
function names(text: string, path: string): boolean {
  const name = path.split('/').pop() ?? path
  if (text.includes(name)) return true
  const stem = /^(\w+)-[\d.]+\.js$/.exec(name)?.[1]
  return stem !== undefined && new RegExp(`["'\`]${stem}["'\`]`).test(text)
}
