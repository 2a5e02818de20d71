import { parse, type AnyNode } from 'acorn'
import { ancestor, simple } from 'acorn-walk'
import { transform } from 'esbuild'
import { minify, type MinifyOptions } from 'terser'
import type { Plugin } from 'vite'

/**
 * The widget's own code, which amoCRM's moderators read. Names and statements stay; comments, variables that only pass a value on and
 * code that is never run go.
 */
const OWN: MinifyOptions = {
  compress: {
    passes: 3, ecma: 2020, unsafe_arrows: true, pure_getters: true,
    sequences: false, conditionals: false, if_return: false, booleans: false, comparisons: false, join_vars: false, hoist_props: false,
    reduce_funcs: false, inline: false, lhs_constants: false, typeofs: false, loops: false, switches: false,
  },
  mangle: false,
  ecma: 2020,
}

/** Prints the scripts: libraries minified, the widget's own code with a statement a line, indented by one space a level. */
export function printScripts(): Plugin {
  return {
    name: 'flysense:print-scripts',
    apply: 'build',
    // After Vite's own pass over the chunks, which would print the code anew.
    async generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk')
      const own = chunks.filter((chunk) => chunk.name !== 'vendor').map((chunk) => chunk.code)
      for (const chunk of chunks) chunk.code = await (chunk.name === 'vendor' ? minified(chunk.code, own) : readable(chunk.code))
    },
  }
}

/** Own code in lines. esbuild leaves on one line what is there: objects, arguments. It indents by two spaces a level. */
export async function readable(code: string): Promise<string> {
  const { code: printed } = await transform(await compressed(code, OWN), { legalComments: 'none', charset: 'utf8' })
  // Annotations for compilers, of which none follows.
  const plain = printed.replaceAll('/* @__PURE__ */ ', '')
  return withNodesInLines(plain.replace(/^(?: {2})+/gm, (indent) => ' '.repeat(indent.length / 2)))
}

/** A virtual node of a template. */
const NODE = /^vendor\.(create\w+|openBlock|renderList|renderSlot)\(/

/** Compiled templates with a node a line, indented by their level. */
function withNodesInLines(code: string): string {
  const breaks = new Map<number, number>()
  const mark = (node: AnyNode, ancestors: AnyNode[]): void => {
    const parent = ancestors.at(-2)?.type ?? ''
    if (!NODE.test(code.slice(node.start, node.start + 40))) return
    if (!['ArrayExpression', 'ConditionalExpression'].includes(parent) && !code.startsWith('vendor.renderList', node.start)) return
    const template = ancestors.findIndex((around) => 'params' in around && code.startsWith('_ctx', around.params[0]?.start))
    if (template < 0) return
    const level = ancestors.slice(template).filter(({ type }) => type === 'ArrayExpression').length
    const line = code.lastIndexOf('\n', ancestors[template]!.start) + 1
    const indent = /^ */.exec(code.slice(line))![0].length
    breaks.set(code[node.start - 1] === '(' ? node.start - 1 : node.start, indent + level + 1)
  }
  ancestor(parse(code, { ecmaVersion: 'latest' }), {
    CallExpression: (node, _state, ancestors) => mark(node, ancestors as AnyNode[]),
    SequenceExpression: (node, _state, ancestors) => mark(node, ancestors as AnyNode[]),
  })
  let broken = code
  for (const [at, indent] of [...breaks].sort(([a], [b]) => b - a)) broken = `${broken.slice(0, at).trimEnd()}\n${' '.repeat(indent)}${broken.slice(at)}`
  return broken
}

/**
 * Libraries, which nobody reads. Their properties get short names, too, except those of the browser and every word that is in the
 * widget's own code or in a text of the libraries: such a property may be read by a name that is known only at run time.
 */
export async function minified(libraries: string, own: readonly string[]): Promise<string> {
  const reserved = [...new Set([...own, ...textsIn(libraries)].flatMap((text) => text.match(/[\w$]+/g) ?? []))]
  const mangle = { properties: { reserved, keep_quoted: true } }
  return compressed(libraries, { compress: { passes: 3, ecma: 2020, unsafe_arrows: true, pure_getters: true }, mangle, ecma: 2020 })
}

/** Texts in a script. */
function textsIn(code: string): string[] {
  const texts: string[] = []
  simple(parse(code, { ecmaVersion: 'latest' }), {
    Literal: ({ value }) => void (typeof value === 'string' && texts.push(value)),
    TemplateElement: ({ value }) => void texts.push(value.raw),
  })
  return texts
}

async function compressed(code: string, options: MinifyOptions): Promise<string> {
  const { code: printed } = await minify(code, options)
  if (printed === undefined) throw new Error('terser returned no code')
  return printed
}
