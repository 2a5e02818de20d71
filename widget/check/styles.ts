import postcss, { type AtRule, type Rule } from 'postcss'
import selectorParser from 'postcss-selector-parser'
import { error, textOf, warning, type Files, type Finding } from './finding'

/** Beginnings of amoCRM's own class names. Source: its public templates. */
const SYSTEM_CLASS = /^(modal|modal-body|modal-scroller|feed-|notes-wrapper|note-|js-|card-|linked-form|control--|button-input|tabs$|tabs__|list-|list__|pipeline|nav__|page-loading|widget_settings_block|widget-settings|view-integration|checkboxes_dropdown|multisuggest|text-input|work-area|h-|svg-)/

/** `html[data-color-scheme="dark"]` before the widget's root is the documented way to a dark theme. */
const THEME_PARENT = /^(html|:root|body)?\[data-color-scheme/

const OUTSIDE = /url\(\s*["']?(https?:)?\/\//i

/** Checks that style sheets reach only the widget's own elements and load nothing from elsewhere. */
export function checkStyles(files: Files): Finding[] {
  return [...files].filter(([path]) => path.endsWith('.css')).flatMap(([path, bytes]) => checkSheet(path, textOf(bytes)))
}

/** Checks one style sheet. */
export function checkSheet(path: string, css: string): Finding[] {
  const findings: Finding[] = []
  let root
  try {
    root = postcss.parse(css)
  } catch (failure) {
    return [error('css-syntax', path, `the style sheet cannot be read: ${String(failure)}`)]
  }
  const placed = (node: { source?: { start?: { line: number } } }): string => `${path}:${node.source?.start?.line ?? 1}`
  root.walkRules((rule) => {
    if (!isKeyframe(rule)) findings.push(...selectorsOf(rule).flatMap((selector) => checkSelector(selector, placed(rule))))
  })
  root.walkAtRules((rule) => {
    if (rule.name === 'import' && /^(url\()?\s*["']?(https?:)?\/\//.test(rule.params)) findings.push(error('css-outside', placed(rule), 'the style sheet imports another one from elsewhere'))
    if (rule.name === 'property') findings.push(warning('css-global-name', placed(rule), `@property ${rule.params} gives an initial value to amoCRM's elements, too`))
    if (rule.name.endsWith('keyframes') && !/[-_]/.test(rule.params)) findings.push(warning('css-global-name', placed(rule), `the animation \`${rule.params}\` replaces one of amoCRM with the same name: give it a prefix`))
  })
  root.walkDecls((declaration) => {
    if (OUTSIDE.test(declaration.value)) findings.push(error('css-outside', placed(declaration), 'the style sheet loads a file from elsewhere'))
  })
  return findings
}

function isKeyframe(rule: Rule): boolean {
  const parent = rule.parent as AtRule | undefined
  return parent?.type === 'atrule' && parent.name.endsWith('keyframes')
}

/** Selectors of a rule; those of a nested rule are below its parent and cannot be more global. */
function selectorsOf(rule: Rule): string[] {
  return rule.parent?.type === 'rule' ? [] : rule.selectors
}

function checkSelector(selector: string, place: string): Finding[] {
  const own = selector.replace(THEME_PARENT, (parent) => `.theme${parent.replace(/^(html|:root|body)/, '')}`)
  let classes: string[] = []
  let hasId = false
  selectorParser((parsed) => {
    parsed.walkClasses((node) => {
      classes.push(node.value)
    })
    parsed.walkIds(() => {
      hasId = true
    })
  }).processSync(own)
  classes = classes.filter((name) => name !== 'theme')
  if (classes.length === 0 && !hasId) return [error('css-global', place, `\`${selector}\` reaches elements of amoCRM: put it below the widget's root class`)]
  const last = lastCompoundClasses(own)
  if (!hasId && classes.every((name) => SYSTEM_CLASS.test(name))) return [error('css-system-class', place, `\`${selector}\` changes a system class of amoCRM`)]
  if (last.length > 0 && last.every((name) => SYSTEM_CLASS.test(name))) return [warning('css-system-class', place, `\`${selector}\` styles a system class of amoCRM below the widget's root`)]
  return []
}

function lastCompoundClasses(selector: string): string[] {
  const compound = selector.split(/[\s>+~]+/).pop() ?? ''
  return [...compound.matchAll(/\.([\w-]+)/g)].map((match) => match[1]!)
}
