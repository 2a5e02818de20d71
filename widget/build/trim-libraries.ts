import { parse, type Node } from 'acorn'
import type { Plugin } from 'vite'

/** What is taken out of a library: code for features that the widget does not use, and that no bundler can see to be unused. */
interface Trim {
  /** End of the module's path. */
  module: string
  /** Functions and methods at the top level that are never called, or whose answer is `false` or unused here. */
  unused: string[]
  /** Pieces of the code and what replaces every one of them. */
  replaced: [from: string | RegExp, to: string][]
}

const TRIMS: Trim[] = [
  {
    // The store has mutations and `subscribe` only: no actions, getters or modules that come later, and it is provided without `app.use`.
    module: 'vuex/dist/vuex.esm-bundler.js',
    unused: [
      'Store.prototype.install', 'Store.prototype.dispatch', 'Store.prototype.subscribeAction', 'Store.prototype.watch', 'Store.prototype.replaceState',
      'Store.prototype.registerModule', 'Store.prototype.unregisterModule', 'Store.prototype.hasModule', 'Store.prototype.hotUpdate',
      'ModuleCollection.prototype.update', 'ModuleCollection.prototype.unregister', 'ModuleCollection.prototype.isRegistered',
      'Module.prototype.removeChild', 'Module.prototype.hasChild', 'Module.prototype.update',
      'registerAction', 'registerGetter', 'makeLocalGetters', 'resetStore', 'enableStrictMode', 'Module.prototype.forEachAction',
      'Module.prototype.forEachGetter', 'Module.prototype.forEachChild',
    ],
    replaced: [
      [/scope\.run\(function \(\) \{[\s\S]*?\n {2}\}\);/, ''],
      [/\n {2}module\.forEach(?:Action|Getter|Child)\([\s\S]*?\n {2}\}\);/g, ''],
      ['dispatch: noNamespace ? store.dispatch :', 'dispatch: true ? null :'],
    ],
  },
  {
    // No middleware. `src/api/client.ts` writes parameters and bodies itself.
    module: 'openapi-fetch/dist/index.mjs',
    unused: [
      'supportsRequestInitExt', 'createQuerySerializer', 'defaultPathSerializer', 'defaultBodySerializer', 'serializePrimitiveParam', 'serializeArrayParam',
      'serializeObjectParam',
    ],
    replaced: [
      ['finalMiddlewares.length', '0'],
      [/(?:use|eject)\(\.\.\.middleware\) \{[\s\S]*?\n {4}\},?/g, ''],
      [/(?:OPTIONS|HEAD|TRACE)\(url, init\) \{[\s\S]*?\n {4}\},/g, ''],
    ],
  },
  {
    // A `Map` or a `Set` is never reactive here; in a reactive object it stays what it is. Lists are replaced, never changed in place by an
    // effect, and are not searched for objects. Effects are stopped, never paused, and nothing is read-only.
    module: '@vue/reactivity/dist/reactivity.esm-bundler.js',
    unused: [
      'createInstrumentations', 'createInstrumentationGetter', 'readonly', 'toReadonly', 'EffectScope#pause', 'EffectScope#resume',
      'ReactiveEffect#pause', 'ReactiveEffect#resume',
    ],
    replaced: [
      ['return 2 /* COLLECTION */', 'return 0'],
      ['if (targetIsArray && (fn = arrayInstrumentations[key])) {', 'if (false) {'],
      [/watchHandle\.(pause|resume) = effect\.\1\.bind\(effect\);/g, ''],
    ],
  },
  {
    // No directives of its own and no `v-model`, no `<Teleport>`, `<Suspense>`, `<KeepAlive>` and `<Transition>`, no asynchronous components, no
    // custom elements, nothing that an application registers except what it provides, no rendering on a server. Nothing static is hoisted
    // (`vite.config.ts`), and every `v-for` has a key.
    module: '@vue/runtime-core/dist/runtime-core.esm-bundler.js',
    unused: [
      'setTransitionHooks', 'getTransitionRoot', 'needTransition', 'isTeleport', 'isSuspense', 'isKeepAlive', 'isAsyncWrapper', 'invokeDirectiveHook',
      'resolveAsyncComponentPlaceholder', 'locateUnresolvedAsyncRoot',
    ],
    replaced: [
      [/(?:\w+\.)*shapeFlag & (?:64|128|256|512)\b/g, '0'],
      ['const { props, shapeFlag, transition, dirs } = vnode;', 'const transition = null; const { props, shapeFlag, dirs } = vnode;'],
      ['const { el, type, transition, children, shapeFlag } = vnode;', 'const transition = null; const { el, type, children, shapeFlag } = vnode;'],
      ['const { type, el, anchor, transition } = vnode;', 'const transition = null; const { type, el, anchor } = vnode;'],
      ['subTree.transition = instance.vnode.transition;', ''],
      ['if (vnode.transition) {', 'if (false) {'],
      ['if (createHydrationFns) {', 'if (false) {'],
      [/\n {6}(?:use|mixin|component|directive|onUnmount|runWithContext)\([^)]*\) \{[\s\S]*?\n {6}\},?/g, ''],
      ['const isAsyncSetup = isPromise(setupResult);', 'const isAsyncSetup = false;'],
      ['if (suspense && suspense.pendingBranch) {', 'if (false) {'],
      [/(?:\w+\.)+ce\b(?! =)/g, '(null)'],
      ['event.startsWith("update:")', 'false'],
      [/case Static:\s*if \(n1 == null\) \{\s*mountStaticNode[\s\S]*?break;/, ''],
      ['if (type === Static) {', 'if (false) {'],
      ['if (patchFlag & 256) {', 'if (false) {'],
    ],
  },
  {
    // No custom elements, and nothing static: see above.
    module: '@vue/runtime-dom/dist/runtime-dom.esm-bundler.js',
    unused: ['shouldSetAsPropForVueCE'],
    replaced: [
      [/el\._isVueCE &&/g, 'false &&'],
      [/insertStaticContent\([^)]*\) \{[\s\S]*?\n {2}\}/, ''],
    ],
  },
  {
    // Templates show texts and numbers, no objects. Styles are objects, and are not compared by their content.
    module: '@vue/shared/dist/shared.esm-bundler.js',
    unused: ['replacer', 'looseEqual', 'parseStringStyle'],
    replaced: [],
  },
]

/** Takes unused features out of the libraries. A library that has changed fails the build, so that the list is looked at again. */
export function trimLibraries(): Plugin {
  return {
    name: 'flysense:trim-libraries',
    apply: 'build',
    enforce: 'pre',
    transform(code, id) {
      const trim = TRIMS.find(({ module }) => id.split('?')[0]!.endsWith(`/${module}`))
      return trim ? { code: trimmed(code, trim), map: null } : null
    },
  }
}

/** What compiled components import for the features that were taken out of Vue. */
const TAKEN_OUT = /\b_?(withDirectives|vModel\w+|vShow|Transition|TransitionGroup|Teleport|KeepAlive|Suspense|defineAsyncComponent|defineCustomElement|withAsyncContext)\b/

/** What a compiled `v-for` without a key ends with: its flag. */
const WITHOUT_KEY = /,\s*256\s*(\/\*[^*]*\*\/\s*)?\)/

/** Fails the build if a component uses what was taken out. */
export function refuseTakenOut(code: string, id: string): void {
  const found = WITHOUT_KEY.test(code) ? 'v-for without a key' : TAKEN_OUT.exec(code)?.[1]
  if (found) throw new Error(`${id} uses ${found}, which build/trim-libraries.ts takes out of Vue`)
}

/** A module's code without what is taken out of it. */
export function trimmed(code: string, { module, unused, replaced }: Trim): string {
  const missing = (what: string): Error => new Error(`${module} has no ${what}: see build/trim-libraries.ts`)
  const statements = namedStatements(code)
  const cuts = unused.map((name) => {
    const node = statements.get(name)
    if (!node) throw missing(name)
    return { node, rest: /[.#]/.test(name) ? '' : `const ${name} = () => {};` }
  })
  let kept = code
  for (const { node, rest } of cuts.sort((a, b) => b.node.start - a.node.start)) kept = kept.slice(0, node.start) + rest + kept.slice(node.end)
  for (const [from, to] of replaced) {
    const next = typeof from === 'string' ? kept.replaceAll(from, to) : kept.replace(from, to)
    if (next === kept) throw missing(String(from))
    kept = next
  }
  return kept
}

/** Functions, constants and assigned methods at the top level by their names, and methods of classes as `Class#method`. */
function namedStatements(code: string): Map<string, Node> {
  const named = new Map<string, Node>()
  for (const node of parse(code, { ecmaVersion: 'latest', sourceType: 'module' }).body) {
    const name = /^(?:(?:async )?function |class |const |var )?([\w$.]+)/.exec(code.slice(node.start, node.end))?.[1] ?? ''
    named.set(name, node)
    if (node.type !== 'ClassDeclaration') continue
    for (const member of node.body.body) {
      if (member.type === 'MethodDefinition' && member.key.type === 'Identifier') named.set(`${name}#${member.key.name}`, member)
    }
  }
  return named
}
