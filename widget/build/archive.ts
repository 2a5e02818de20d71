import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { zipSync, type Zippable } from 'fflate'
import type { Plugin } from 'vite'
import { addressesOf, withAddresses, type Addresses } from './addresses'

/** Files of the archive besides the built ones. */
const STATIC_FOLDERS = ['i18n', 'images']

/** Earliest time that a zip entry can have: two builds of the same sources are the same bytes. */
const ENTRY_TIME = new Date(1980, 0, 2)

/** Writes `dist/widget.zip` with the manifest at its root, as amoCRM's upload form wants it. `environment` names the addresses. */
export function archive(version: string, environment: NodeJS.ProcessEnv): Plugin {
  let root = ''
  let outDir = ''
  let addresses: Addresses
  return {
    name: 'flysense:archive',
    apply: 'build',
    configResolved(config) {
      root = config.root
      outDir = join(config.root, config.build.outDir)
      addresses = addressesOf(environment)
    },
    // Not `closeBundle`, which also follows a failed build and would hide its error.
    writeBundle: {
      order: 'post',
      sequential: true,
      handler() {
        const parts = ['app', 'views', 'vendor'].map((name) => `${name}-${version}.js`)
        const built = ['script.js', ...parts, 'style.css']
        const files = new Map(built.map((name) => [name, readFileSync(join(outDir, name))]))
        files.set('manifest.json', readFileSync(join(root, 'manifest.json')))
        for (const folder of STATIC_FOLDERS) {
          for (const path of list(join(root, folder))) files.set(relative(root, path), readFileSync(path))
        }
        for (const [name, content] of files) {
          if (name.endsWith('.json')) files.set(name, withAddresses(content, addresses))
        }
        for (const [name, content] of files) {
          mkdirSync(join(outDir, name, '..'), { recursive: true })
          writeFileSync(join(outDir, name), content)
        }
        const entries: Zippable = {}
        for (const name of [...files.keys()].sort()) {
          entries[name] = [new Uint8Array(files.get(name)!), { mtime: ENTRY_TIME, level: 9 }]
        }
        writeFileSync(join(outDir, 'widget.zip'), zipSync(entries))
      },
    },
  }
}

function list(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? list(join(folder, entry.name)) : [join(folder, entry.name)]))
    .sort()
}
