// @vitest-environment node
import { describe, expect, it } from 'vitest'
import { minified, readable } from './print-scripts'

describe('printed scripts', () => {
  it('keep the names and statements of own code in lines, without comments', async () => {
    const code = await readable('define(["exports"], function (exports) { /* why */ function total(items) { let sum = 0; for (const item of items) sum += item.price; return sum } exports.total = total; exports.sum = total })')
    const lines = [' function total(items) {', '  let sum = 0;', '  for (const item of items) sum += item.price;', '  return sum;', ' }', ' exports.total = total;']
    for (const line of lines) expect(code.split('\n')).toContain(line)
    expect(code).not.toContain('why')
  })

  it('have a node of a template a line, indented by its level', async () => {
    const template = '(_ctx, _cache) => (vendor.openBlock(), vendor.createElementBlock("p", { class: "a" }, [vendor.createBaseVNode("b", null, "1"), isOpen ? (vendor.openBlock(), vendor.createElementBlock("i", { key: 0 }, "2")) : vendor.createCommentVNode("", true)]))'
    const code = await readable(`define(["./vendor.js"], (vendor) => { const isOpen = vendor.ref(false); return ${template} })`)
    expect(code.split('\n').slice(2, 6)).toEqual([
      ' return (_ctx, _cache) => (vendor.openBlock(), vendor.createElementBlock("p", { class: "a" }, [',
      '   vendor.createBaseVNode("b", null, "1"), isOpen ?',
      '   (vendor.openBlock(), vendor.createElementBlock("i", { key: 0 }, "2")) :',
      '   vendor.createCommentVNode("", true)]));',
    ])
  })

  it('shorten properties of libraries only where nobody can read them by another name', async () => {
    const library = 'define(["exports"], (exports) => { exports.make = (name) => ({ innerCount: 1, byText: 2, forWidget: 3, length: 4, read(key) { return this[key === "byText" ? key : name] + this.innerCount } }) })'
    const code = await minified(library, ['vendor.make("x").forWidget'])
    expect(code).not.toContain('innerCount')
    for (const name of ['byText', 'forWidget', 'length', 'make']) expect(code).toContain(name)
  })
})
