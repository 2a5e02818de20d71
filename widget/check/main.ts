/** `cargo xtask widget check FILE [--release] [--released FILE]`: prints what amoCRM's moderators would say about a widget's archive. */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { check, unpack } from './check'
import type { Files, Finding } from './finding'

function open(path: string): Files {
  const files = unpack(new Uint8Array(readFileSync(path)))
  if (typeof files === 'string') throw new Error(`${path} is no zip archive: ${files}`)
  return files
}

function print(findings: Finding[]): void {
  for (const level of ['error', 'warning'] as const) {
    for (const finding of findings.filter((found) => found.level === level)) {
      console.log(`${level} [${finding.rule}] ${finding.place}: ${finding.text}`)
    }
  }
}

const { values, positionals } = parseArgs({
  args: process.argv.slice(process.argv.indexOf('--') + 1 || 2),
  options: { release: { type: 'boolean' }, released: { type: 'string' } },
  allowPositionals: true,
})
const [path] = positionals
if (!path) {
  console.error('usage: cargo xtask widget check FILE [--release] [--released FILE]')
  process.exit(2)
}
const released = values.released ? open(values.released) : undefined
const findings = check(basename(path), open(path), { released, isRelease: values.release })
print(findings)
const errors = findings.filter((found) => found.level === 'error').length
console.log(`${basename(path)}: ${errors} errors, ${findings.length - errors} warnings`)
process.exitCode = errors > 0 ? 1 : 0
