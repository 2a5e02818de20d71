import { parse, type AnyNode, type CallExpression, type Expression, type Program } from 'acorn'
import { ancestor } from 'acorn-walk'
import { error, textOf, warning, type Files, type Finding } from './finding'

const DIALOGS = new Set(['alert', 'confirm', 'prompt'])
const LOOPS = new Set(['ForStatement', 'ForInStatement', 'ForOfStatement', 'WhileStatement', 'DoWhileStatement'])
/** Calls that amoCRM's moderators do not accept in a loop. */
const COSTLY = new Set(['$authorizedAjax', 'crm_post'])
const REPEATERS = new Set(['setInterval', 'forEach', 'map'])
const GLOBALS = new Set(['APP', 'AMOCRM'])
const ALLOWED_CONSOLE = new Set(['debug', 'trace'])
/** Longest average line of a script that a moderator can read, in characters. */
const READABLE_LINE = 400

/** Checks every script of the archive. */
export function checkScripts(files: Files): Finding[] {
  return [...files].filter(([path]) => /\.m?js$/.test(path)).flatMap(([path, bytes]) => checkScript(path, textOf(bytes)))
}

/** Checks one script. */
export function checkScript(path: string, code: string): Finding[] {
  const program = read(code)
  if (typeof program === 'string') return [error('script-syntax', path, `the script cannot be read: ${program}`)]
  const findings: Finding[] = []
  const isLibrary = /vendor|lib(rary|s)?[-./]|\.min\./i.test(path)
  if (path === 'script.js') findings.push(...checkModule(program, path))
  if (!isLibrary && code.length / code.split('\n').length > READABLE_LINE) findings.push(warning('script-minified', path, 'the script is minified: moderators read the widget\'s own code'))
  if (/\bprocess\.env\b/.test(code)) findings.push(error('script-process', path, '`process.env` does not exist in a browser'))
  ancestor(program, {
    CallExpression: (node, _state, parents) => findings.push(...checkCall(node, parents as AnyNode[], path, isLibrary)),
    NewExpression: (node) => {
      if (nameOf(node.callee) === 'Function') findings.push(error('script-eval', placed(path, node), '`new Function` runs text as code'))
    },
    ImportExpression: (node) => {
      if (isOutside(node.source)) findings.push(error('script-outside', placed(path, node), 'the script loads code from elsewhere'))
    },
    AssignmentExpression: (node) => {
      if (isOfGlobal(node.left)) findings.push(error('script-app-write', placed(path, node), '`APP` and `AMOCRM` must not be changed'))
    },
  })
  return findings
}

function read(code: string): Program | string {
  try {
    return parse(code, { ecmaVersion: 'latest', sourceType: 'script', locations: true })
  } catch {
    try {
      return parse(code, { ecmaVersion: 'latest', sourceType: 'module', locations: true })
    } catch (failure) {
      return String(failure)
    }
  }
}

/** `script.js` must be an anonymous AMD module: `define([…], function)`, also in the wrapper of a UMD bundle. */
function checkModule(program: Program, path: string): Finding[] {
  const call = moduleOf(program)
  if (!call) return [error('script-amd', path, 'script.js does not call `define` at its top level: amoCRM gets no module')]
  const [first] = call.arguments
  return first?.type === 'Literal' ? [error('script-named', placed(path, call), 'the module has a name: amoCRM loads an anonymous one')] : []
}

/** The call of `define` outside of functions, or in one that the script calls at once. */
function moduleOf(program: Program): CallExpression | undefined {
  let found: CallExpression | undefined
  ancestor(program, {
    CallExpression: (node, _state, parents) => {
      const around = parents as AnyNode[]
      const functions = around.filter((parent) => /Function/.test(parent.type))
      const isAtTop = functions.length === 0 || (functions.length === 1 && isCalledAtOnce(functions[0]!, around))
      if (isAtTop && nameOf(node.callee) === 'define') found ??= node
    },
  })
  return found
}

/** `(function () {…})(…)`, or `(function () {…}).call(…)`. */
function isCalledAtOnce(called: AnyNode, around: AnyNode[]): boolean {
  const at = around.indexOf(called)
  const [outer, parent] = [around[at - 2], around[at - 1]]
  if (parent?.type === 'MemberExpression') return parent.object === called && outer?.type === 'CallExpression' && outer.callee === parent
  return parent?.type === 'CallExpression' && parent.callee === called
}

function checkCall(node: CallExpression, parents: AnyNode[], path: string, isLibrary: boolean): Finding[] {
  const name = nameOf(node.callee as Expression)
  const place = placed(path, node)
  const object = node.callee.type === 'MemberExpression' ? nameOf(node.callee.object as Expression) : ''
  if (name === 'eval' || (name === 'Function' && object === '')) return [error('script-eval', place, `\`${name}\` runs text as code`)]
  if (DIALOGS.has(name) && ['', 'window', 'self', 'globalThis'].includes(object)) return [error('script-dialog', place, `\`${name}\` stops the page: use amoCRM's modal window`)]
  if (name === 'createElement' && literal(node.arguments[0]) === 'script') return [error('script-injected', place, 'a script is added to the page: name it in `define`')]
  if (name === 'open' && literal(node.arguments[2]) === false) return [error('script-sync', place, 'a synchronous request stops the page')]
  if (name === 'ajax' && hasProperty(node.arguments[0], 'async', false)) return [error('script-sync', place, 'a synchronous request stops the page')]
  if (['getScript', 'importScripts', 'require', 'define', 'requirejs'].includes(name) && node.arguments.some((argument) => isOutside(argument))) return [error('script-outside', place, 'the script loads code from elsewhere')]
  if (name === 'add_error') return [warning('script-add-error', place, '`add_error` also sends e-mails and pushes: use `show_message_error` for what passes')]
  if (object === 'console' && !ALLOWED_CONSOLE.has(name) && !isLibrary) return [warning('script-console', place, `\`console.${name}\`: only debug and trace are accepted`)]
  if (isCostly(node, name) && isRepeated(parents)) return [error('script-loop', place, `\`${name}\` is called in a loop: amoCRM forbids it`)]
  return []
}

function isCostly(node: CallExpression, name: string): boolean {
  if (COSTLY.has(name)) return true
  const address = literal(node.arguments[0])
  return ['fetch', 'ajax', 'get', 'post'].includes(name) && typeof address === 'string' && /^\/(api\/v\d|ajax)\//.test(address)
}

/** Whether a call is in a loop, or in a function that a timer or an iteration calls. */
function isRepeated(parents: AnyNode[]): boolean {
  return parents.some((parent, at) => {
    if (LOOPS.has(parent.type)) return true
    const isArgument = at + 1 < parents.length
    return isArgument && parent.type === 'CallExpression' && REPEATERS.has(nameOf(parent.callee as Expression)) && parents[at + 1] !== parent.callee
  })
}

/** Name of a function or the last member: `window.alert` is `alert`. */
function nameOf(node: { type: string } | undefined): string {
  const known = node as AnyNode | undefined
  if (known?.type === 'Identifier') return known.name
  if (known?.type === 'ThisExpression') return 'this'
  if (known?.type === 'MemberExpression' && known.property.type === 'Identifier') return known.property.name
  return ''
}

function literal(node: { type: string } | undefined): unknown {
  const known = node as AnyNode | undefined
  if (known?.type === 'UnaryExpression' && known.operator === '!' && known.argument.type === 'Literal') return !known.argument.value
  return known?.type === 'Literal' ? known.value : undefined
}

function hasProperty(node: { type: string } | undefined, name: string, value: unknown): boolean {
  const known = node as AnyNode | undefined
  if (known?.type !== 'ObjectExpression') return false
  return known.properties.some((property) => property.type === 'Property' && nameOf(property.key) === name && literal(property.value) === value)
}

/** Whether an argument is an address outside of the widget's folder, or a list with one. */
function isOutside(node: { type: string } | null | undefined): boolean {
  const known = node as AnyNode | undefined
  if (known?.type === 'ArrayExpression') return known.elements.some((element) => isOutside(element))
  const value = literal(known)
  return typeof value === 'string' && /^(https?:)?\/\/[^/]/.test(value)
}

/** Whether something is a member of `APP`: `APP.x`, `window.AMOCRM.data.y`. */
function isOfGlobal(node: { type: string }): boolean {
  let at = node as AnyNode
  if (at.type !== 'MemberExpression') return false
  while (at.type === 'MemberExpression') {
    if (nameOf(at.object) !== '' && GLOBALS.has(nameOf(at.object))) return true
    if (at.property.type === 'Identifier' && GLOBALS.has(at.property.name) && ['window', 'self', 'globalThis'].includes(nameOf(at.object))) return true
    at = at.object as AnyNode
  }
  return false
}

function placed(path: string, node: { loc?: { start: { line: number } } | null }): string {
  return `${path}:${node.loc?.start.line ?? 1}`
}
