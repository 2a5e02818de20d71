/** The program of README.md runs as it is written there. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import ts from 'typescript'

import { chargeOf, clientOf, stand } from './stand.mjs'

const account = { account_id: stand.accountId }
const flysk = clientOf(stand.url)
const COMPILER_OPTIONS = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }

/** The program as a module that exports its functions. It is inside of the package, so that it finds it by its name. */
async function programOf(context) {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const [, text] = /```ts\n(.*?)```/s.exec(readme)
  const exported = `${text.replace('my-widget.request', stand.service)}\nexport { countWords, receiveEvent }\n`
  const file = new URL('./readme-program.mjs', import.meta.url)
  writeFileSync(file, ts.transpileModule(exported, { compilerOptions: COMPILER_OPTIONS }).outputText)
  context.after(() => rmSync(file))
  return import(file.href)
}

async function available() {
  return (await flysk.getFlycoinBalance(account)).available_micro
}

test('the program of the README charges for words and takes an event', async (context) => {
  const { secrets, headers, body } = stand.delivered
  const stored = []
  process.env.FLYSK = stand.url
  process.env.EVENT_SECRET = secrets[1]
  globalThis.storeOnce = async (...event) => stored.push(event)
  const { countWords, receiveEvent } = await programOf(context)
  const price = (await flysk.estimateFlycoins(chargeOf(1))).total_micro
  const before = await available()
  for (let asked = 0; asked < 2; asked += 1) {
    assert.equal(await countWords(stand.pageToken, 'js-readme', 'two words'), 2)
  }
  assert.equal(before - (await available()), price, 'the same work is charged once')
  const raw = new TextEncoder().encode(body)
  assert.equal(await receiveEvent(headers, raw), 204)
  assert.equal(await receiveEvent(headers, new TextEncoder().encode(`${body} `)), 401)
  assert.deepEqual(stored.map(([id, type]) => [id, type]), [[headers['webhook-id'], 'test']])
})
