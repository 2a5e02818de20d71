// @vitest-environment node
import { randomBytes } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { weigh, weightOf, type Budget } from './weigh'

/** A build of these files under a budget; the error, or `null` if it is light enough. */
function built(files: Record<string, number>, budget: Budget): string | null {
  const bundle = Object.fromEntries(
    Object.entries(files).map(([fileName, bytes]) => [fileName, { type: 'asset', fileName, source: randomBytes(bytes) }]),
  )
  const error = vi.fn()
  const plugin = weigh(budget) as unknown as { generateBundle(this: { error: typeof error }, options: object, bundle: object): void }
  plugin.generateBundle.call({ error }, {}, bundle)
  return (error.mock.calls[0]?.[0] as string | undefined) ?? null
}

describe('the weight of a build', () => {
  it('is that of the compressed files, with and without the parts that a card does not load', () => {
    const text = 'FlySense '.repeat(1_000)
    const weight = weightOf(new Map<string, string | Uint8Array>([['script.js', text], ['style.css', text], ['views-1.0.0.js', randomBytes(1_000)]]))
    expect(weight.card).toBeLessThan(text.length / 10)
    expect(weight.all - weight.card).toBeGreaterThan(1_000)
  })

  it('fails the build when a card loads too much, or when everything is too much', () => {
    const budget = { card: 3_000, all: 5_000 }
    expect(built({ 'script.js': 1_000, 'style.css': 1_000, 'views-1.0.0.js': 2_000, 'logo.png': 9_000 }, budget)).toBeNull()
    expect(built({ 'script.js': 2_000, 'style.css': 1_500 }, budget)).toMatch(/^card: 3\.\d KB of 2\.9 KB/)
    expect(built({ 'script.js': 1_000, 'views-1.0.0.js': 5_000 }, budget)).toMatch(/^all: /)
  })
})
