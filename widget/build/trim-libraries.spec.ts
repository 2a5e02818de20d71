// @vitest-environment node
import { describe, expect, it } from 'vitest'
import { refuseTakenOut, trimmed } from './trim-libraries'

const LIBRARY = `
class Effect { pause() { return 1 } stop() { return 2 } }
function suspend() { return 3 }
Store.prototype.watch = function watch() { return 4 };
export const run = (flags) => flags & 64 ? suspend() : new Effect().stop();
`

function trim(unused: string[], replaced: [string | RegExp, string][] = []): string {
  return trimmed(LIBRARY, { module: 'library.js', unused, replaced })
}

describe('trimmed libraries', () => {
  it('lose functions, methods and pieces, and keep the rest', () => {
    const code = trim(['suspend', 'Effect#pause', 'Store.prototype.watch'], [[/flags & 64/g, '0']])
    expect(code).toContain('const suspend = () => {};')
    expect(code).toContain('0 ? suspend() : new Effect().stop()')
    expect(code).toContain('stop() { return 2 }')
    expect(code).not.toMatch(/return [134]/)
  })

  it('fail the build when they no longer have what is taken out', () => {
    expect(() => trim(['resume'])).toThrow('library.js has no resume')
    expect(() => trim([], [['flags & 128', '0']])).toThrow('library.js has no flags & 128')
  })

  it('are not used for what was taken out of them', () => {
    expect(() => refuseTakenOut('import { vModelText as _vModelText } from "vue"', 'Field.vue')).toThrow('Field.vue uses vModelText')
    const list = (flag: string): string => `_createElementBlock(_Fragment, null, _renderList(calls, (call) => call), ${flag})`
    expect(() => refuseTakenOut(list('256 /* UNKEYED_FRAGMENT */'), 'List.vue')).toThrow('List.vue uses v-for without a key')
    expect(() => refuseTakenOut(list('256'), 'List.vue')).toThrow('List.vue uses v-for without a key')
    expect(() => refuseTakenOut(list('128'), 'List.vue')).not.toThrow()
    expect(() => refuseTakenOut('import { ref, transition } from "vue"', 'Field.vue')).not.toThrow()
  })
})
