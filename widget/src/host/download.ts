import type { ExportedFile } from '../api/calls'

/** The object of a file is kept for this long after the browser was told to save it, in milliseconds. */
const OBJECT_LIFETIME_MS = 60_000

/** Lets the browser save a file that was fetched with the session's token, which a plain link could not send. */
export function saveFile(document: Document, file: ExportedFile): void {
  const url = URL.createObjectURL(file.content)
  const link = document.createElement('a')
  link.href = url
  link.download = file.name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), OBJECT_LIFETIME_MS)
}
