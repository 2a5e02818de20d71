import postcss, { type AtRule, type Root } from 'postcss'
import type { Plugin } from 'vite'

/** Selector of the widget's root elements. Every rule of the style sheet must be below it. */
export const ROOT_SELECTOR = '.flysense-ai'

/**
 * Removes from Tailwind's output what would reach amoCRM's own elements: theme variables on `:root`, `@property` rules with
 * their fallback for all elements, and unprefixed names of animations.
 */
export function scopeStyles(): Plugin {
  return {
    name: 'flysense:scope-styles',
    apply: 'build',
    enforce: 'post',
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== 'asset' || !file.fileName.endsWith('.css')) continue
        file.source = scope(String(file.source))
      }
    },
  }
}

/** Returns the style sheet without anything global. */
export function scope(css: string): string {
  const root = postcss.parse(css)
  moveTheme(root)
  const initial = takeProperties(root)
  prefixAnimations(root)
  if (initial.length > 0) {
    const rule = postcss.rule({ selector: `${ROOT_SELECTOR} :where(*, *::before, *::after)` })
    for (const [prop, value] of initial) rule.append(postcss.decl({ prop, value }))
    root.prepend(rule)
  }
  onePerLine(root)
  return root.toString()
}

/** Prints a rule a line, which takes a fifth less compressed than a declaration a line. */
function onePerLine(root: Root): void {
  root.walk((node) => {
    node.raws.before = node.parent === root && root.first !== node ? '\n' : ''
    if (node.type === 'comment') return
    node.raws.between = node.type === 'decl' ? ':' : ''
    if (node.type === 'decl') return
    node.raws.after = ''
    node.raws.semicolon = false
    if (node.type === 'rule') node.selector = node.selectors.join(',')
  })
  root.raws.after = '\n'
}

/** Tailwind writes its theme to `:root, :host`; the widget's root elements are enough. */
function moveTheme(root: Root): void {
  root.walkRules((rule) => {
    if (rule.selectors.every((selector) => selector === ':root' || selector === ':host')) {
      rule.selector = ROOT_SELECTOR
    }
  })
  root.walkAtRules('layer', (layer) => {
    if (layer.params === 'theme' && layer.nodes) layer.replaceWith(layer.nodes)
    else if (!layer.nodes) layer.remove()
  })
}

/** Removes `@property` and Tailwind's layer of fallbacks; returns the initial values. */
function takeProperties(root: Root): [string, string][] {
  const initial: [string, string][] = []
  root.walkAtRules('property', (property: AtRule) => {
    property.walkDecls('initial-value', (declaration) => {
      initial.push([property.params, declaration.value])
    })
    property.remove()
  })
  root.walkAtRules('layer', (layer) => {
    if (layer.params === 'properties') layer.remove()
  })
  return initial
}

/** A host's animation with the same name must stay the host's. */
function prefixAnimations(root: Root): void {
  const names = new Set<string>()
  root.walkAtRules('keyframes', (keyframes) => {
    if (keyframes.params.startsWith('flysense-')) return
    names.add(keyframes.params)
    keyframes.params = `flysense-${keyframes.params}`
  })
  root.walkDecls(/^(animation|animation-name|--fs-animate-.*)$/, (declaration) => {
    const words = declaration.value.split(/\s+/)
    declaration.value = words.map((word) => (names.has(word) ? `flysense-${word}` : word)).join(' ')
  })
}
