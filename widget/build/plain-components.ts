import { parse } from 'acorn'
import { simple } from 'acorn-walk'
import { BindingTypes, type NodeTransform } from '@vue/compiler-core'
import type { Plugin } from 'vite'
import { refuseTakenOut } from './trim-libraries'

/**
 * Names in components that are never refs: what `useContext` and its like return, and functions and constants of other modules.
 * Vue's compiler cannot know, and would unwrap each of them wherever a template names it. A name that is missing here costs bytes only.
 */
const NEVER_REFS = [
  't', 'texts', 'explain', 'host', 'calls', 'store', 'id',
  'checkAccess', 'openBalance', 'openTranscript', 'isInstalled', 'follow', 'purchase', 'toggle', 'setSpeed', 'create', 'unbind',
  'NO_FORM', 'SPEEDS', 'PERIODS', 'textOf', 'clock', 'coins', 'wholeCoins', 'roubles', 'spoken', 'piecesOf', 'emptyMatches',
]

/** Functions that return texts, which need no conversion in a template. */
const TEXT_FUNCTIONS: readonly string[] = ['t', 'clock', 'coins', 'wholeCoins', 'roubles', 'spoken']

/** Tells Vue's compiler which names are never refs. */
export const plainBindings: NodeTransform = (_node, context) => {
  const bindings = context.bindingMetadata
  for (const name of NEVER_REFS) if (bindings[name] === BindingTypes.SETUP_MAYBE_REF) bindings[name] = BindingTypes.SETUP_CONST
}

/** Texts without the function that turns any value into a text. */
function withoutConversions(code: string): string {
  const cuts: [from: number, until: number][] = []
  simple(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }), {
    CallExpression({ callee, arguments: [value], start, end }) {
      if (callee.type !== 'Identifier' || callee.name !== '_toDisplayString' || value?.type !== 'CallExpression') return
      if (value.callee.type === 'Identifier' && TEXT_FUNCTIONS.includes(value.callee.name)) cuts.push([start, value.start], [value.end, end])
    },
  })
  let kept = code
  for (const [from, until] of cuts.sort(([a], [b]) => b - a)) kept = kept.slice(0, from) + kept.slice(until)
  return kept
}

/** Prints components as a person would write them: as plain objects, without the names that only Vue's developer tools read. */
export function plainComponents(): Plugin {
  return {
    name: 'flysense:plain-components',
    apply: 'build',
    enforce: 'post',
    transform(code, id) {
      if (!/\.vue(\?|$)/.test(id)) return null
      refuseTakenOut(code, id)
      return { code: plain(code, /(\w+)\.vue/.exec(id)?.[1] ?? 'component'), map: null }
    },
  }
}

/** A compiled component under its name, with `props` and `emit` under theirs. */
export function plain(code: string, name: string): string {
  return withoutConversions(code)
    .replace(/(?:\/\* ?@__PURE__ ?\*\/ ?)?_defineComponent\(\{([\s\S]*)\}\);/, '{$1};')
    .replace(/\n *__name: "\w+",/, '')
    .replace(/\n *const props = __props;/, '')
    .replace(/\n *const emit = __emit;/, '')
    .replaceAll('_sfc_main', name)
    .replaceAll('__props', 'props')
    .replaceAll('emit: __emit', 'emit')
}
