import { describe, expect, it } from 'vitest'
import { scope } from './scope-styles'

describe('the style sheet', () => {
  it('keeps the theme below the root class', () => {
    expect(scope('@layer theme{:root,:host{--fs-spacing:.25rem}}')).toBe('.flysense-ai{--fs-spacing:.25rem}\n')
  })

  it('has no registered properties and no fallback for all elements', () => {
    const css = scope('@layer properties{@supports (color:red){*,::before{--tw-x:0}}}@property --tw-x{syntax:"*";inherits:false;initial-value:0}')
    expect(css).not.toContain('@property')
    expect(css).not.toMatch(/(^|[{},])\*/)
    expect(css).toContain('.flysense-ai :where(*, *::before, *::after)')
  })

  it('renames animations, so that those of the page stay', () => {
    expect(scope('.flysense-ai{animation:spin 1s}@keyframes spin{to{rotate:1turn}}')).toBe('.flysense-ai{animation:flysense-spin 1s}\n@keyframes flysense-spin{to{rotate:1turn}}\n')
  })
})
