import { gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

/** What the parts may weigh, compressed with gzip, in bytes. */
export interface Budget {
  /** What a card loads: the entry, the app, the libraries, the styles. */
  card: number
  /** The same and what is loaded when somebody opens something. */
  all: number
}

export const BUDGET: Budget = { card: 39 * 1024, all: 60 * 1024 }

/** The part that a card does not load. */
const ON_DEMAND = /^views-/

/** Weight of built files, by name. */
export function weightOf(files: ReadonlyMap<string, string | Uint8Array>): Budget {
  const weight = { card: 0, all: 0 }
  for (const [name, content] of files) {
    const bytes = gzipSync(content, { level: 9 }).length
    weight.all += bytes
    if (!ON_DEMAND.test(name)) weight.card += bytes
  }
  return weight
}

/** Fails a build that is heavier than the budget: nobody notices a kilobyte more, and then another one. */
export function weigh(budget: Budget = BUDGET): Plugin {
  return {
    name: 'flysense:weigh',
    apply: 'build',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const files = Object.values(bundle).filter((file) => /\.(js|css)$/.test(file.fileName))
      const weight = weightOf(new Map(files.map((file) => [file.fileName, file.type === 'chunk' ? file.code : file.source])))
      const told = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KB`
      for (const part of ['card', 'all'] as const) {
        if (weight[part] > budget[part]) this.error(`${part}: ${told(weight[part])} of ${told(budget[part])} (gzip), see build/weigh.ts`)
      }
    },
  }
}
