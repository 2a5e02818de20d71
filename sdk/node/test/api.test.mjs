import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'

import {
  AmocrmError,
  ApiError,
  HoldEndedError,
  IdempotencyKeyReusedError,
  InsufficientBalanceError,
  NoAnswerError,
  TooManyRequestsError,
  UnauthorizedError,
  VersionConflictError,
  items,
} from 'flysk'
import { startFront } from './front.mjs'
import { chargeOf, clientOf, stand } from './stand.mjs'

const { accountId, priceMicro } = stand
const account = { account_id: accountId }
const flysk = clientOf(stand.url)

async function available(client = flysk) {
  return (await client.getFlycoinBalance(account)).available_micro
}

async function collected(list) {
  const all = []
  for await (const one of list) all.push(one)
  return all
}

/** A front before Flysk, for one test. */
async function frontOf(context) {
  const front = await startFront(stand.url)
  context.after(() => front.close())
  return front
}

test('PAuth tells the user of a page and the account', async () => {
  const user = await flysk.pauth({ token: stand.pageToken })
  assert.deepEqual([user.account_id, user.user_id], [accountId, stand.userId])
  const background = await flysk.pauth({ account_id: accountId })
  assert.deepEqual([background.user_id, background.access_token], [null, user.access_token])
  await assert.rejects(flysk.pauth({ token: 'forged' }), UnauthorizedError)
})

test('settings are written over the version that was read', async () => {
  const { version } = await flysk.getBackendSettings(account)
  const written = { version, settings: { tone: 'тёплый' } }
  assert.deepEqual((await flysk.putBackendSettings(written, account)).settings, { tone: 'тёплый' })
  await assert.rejects(flysk.putBackendSettings(written, account), VersionConflictError)
})

test('a charge is estimated, made once and refunded', async () => {
  const before = await available()
  const estimate = await flysk.estimateFlycoins(chargeOf())
  assert.deepEqual([estimate.total_micro, estimate.covered], [priceMicro, true])
  const charge = { ...chargeOf(), reference: 'разбор' }
  const first = await flysk.chargeFlycoins(charge, { idempotencyKey: 'js-charge' })
  const again = await flysk.chargeFlycoins(charge, { idempotencyKey: 'js-charge' })
  assert.deepEqual([first.charged_micro, again.transaction_id], [priceMicro, first.transaction_id])
  const other = flysk.chargeFlycoins({ ...charge, reference: 'other' }, { idempotencyKey: 'js-charge' })
  await assert.rejects(other, IdempotencyKeyReusedError)
  const refund = { ...account, transaction_id: first.transaction_id, all: true }
  assert.equal((await flysk.refundFlycoins(refund, { idempotencyKey: 'js-refund' })).refunded_micro, priceMicro)
  const told = await flysk.chargeFlycoins(charge, { idempotencyKey: 'js-charge' })
  assert.deepEqual([first.refunded_micro, told.refunded_micro], [0, priceMicro])
  assert.equal(await available(), before)
  const query = { ...account, kinds: 'charge,refund', limit: 1 }
  const transactions = await collected(items((cursor) => flysk.listWidgetTransactions({ ...query, cursor })))
  assert.deepEqual(new Set(transactions.map(({ kind }) => kind)), new Set(['charge', 'refund']))
})

test('a hold is captured or released once', async () => {
  const before = await available()
  const held = { ...chargeOf(600), expires_in_s: 600 }
  const hold = await flysk.holdFlycoins(held, { idempotencyKey: 'js-hold' })
  const { lines } = chargeOf()
  const captured = await flysk.captureFlycoinHold(hold.hold_id, { lines }, { idempotencyKey: 'js-capture' })
  assert.equal(captured.charged_micro, priceMicro)
  await assert.rejects(flysk.releaseFlycoinHold(hold.hold_id, { idempotencyKey: 'js-late' }), HoldEndedError)
  const other = await flysk.holdFlycoins(held, { idempotencyKey: 'js-hold-2' })
  await flysk.releaseFlycoinHold(other.hold_id, { idempotencyKey: 'js-release' })
  assert.equal((await flysk.getFlycoinHold(other.hold_id)).state, 'released')
  const refund = { ...account, transaction_id: captured.transaction_id, all: true }
  await flysk.refundFlycoins(refund, { idempotencyKey: 'js-refund-2' })
  assert.equal(await available(), before)
})

test('a refusal has its class, code and request id', async () => {
  const refused = flysk.chargeFlycoins(chargeOf(1_000_000), { idempotencyKey: 'js-refused' })
  await assert.rejects(refused, (error) => {
    assert.ok(error instanceof InsufficientBalanceError)
    assert.deepEqual([error.status, error.code, error.name], [402, 'insufficient_balance', 'InsufficientBalanceError'])
    return Boolean(error.requestId)
  })
  const unused = flysk.getBackendSubscription(account)
  await assert.rejects(unused, (error) => error instanceof ApiError && error.code === 'subscriptions_not_used')
})

test('a request returns an error that a method throws', async () => {
  const unknown = { account_id: 1 }
  const answer = await flysk.request('GET', '/v1/backend/flycoins/balance', { query: unknown })
  assert.deepEqual([answer.isSuccess, answer.status, answer.code], [false, 404, 'install_not_found'])
  const thrown = flysk.getFlycoinBalance(unknown)
  await assert.rejects(thrown, (error) => error instanceof ApiError && error.status === 404 && error.code === answer.code)
})

test("the gateway tells amoCRM's errors from Flysk's", async () => {
  assert.equal((await flysk.amocrm(accountId, 'GET', 'account')).id, accountId)
  const theirs = flysk.amocrm(accountId, 'POST', 'leads/notes', { body: [{ entity_id: 1 }] })
  await assert.rejects(theirs, (error) => {
    assert.ok(error instanceof AmocrmError)
    return error.status === 400 && error.body.title === 'Bad Request'
  })
  await assert.rejects(flysk.amocrm(1, 'GET', 'account'), ApiError)
  assert.equal(await flysk.amocrm(accountId, 'GET', 'leads', { query: { query: 'nobody has this name' } }), undefined)
})

test("the gateway follows amoCRM's pages", async () => {
  const names = [0, 1, 2].map((number) => `js-${number}`)
  await flysk.amocrm(accountId, 'POST', 'leads', { body: names.map((name) => ({ name })) })
  const query = { 'filter[name][]': names, limit: 2, 'order[id]': 'asc' }
  const pages = await collected(flysk.amocrmPages(accountId, 'leads', { query }))
  assert.deepEqual(
    pages.map((page) => page._embedded.leads.map((lead) => lead.name)),
    [names.slice(0, 2), names.slice(2)],
  )
})

test('events are listed and tested', async () => {
  assert.equal((await flysk.sendTestEvent(account)).type, 'test')
  const [first] = await collected(items((cursor) => flysk.listEvents({ type: 'test', limit: 1, cursor })))
  assert.equal(first.account_id, accountId)
  assert.equal((await flysk.getEvent(first.id)).number, first.number)
  const installs = await collected(items((cursor) => flysk.listInstalls({ status: 'active', cursor })))
  assert.ok(installs.some((install) => install.account_id === accountId))
})

test('a busy Flysk is asked again with the same key', async (context) => {
  const front = await frontOf(context)
  front.faults.push({ status: 429, code: 'too_many_requests', headers: { 'Retry-After': '0' } })
  front.faults.push({ status: 503, code: 'unavailable' }, { page: 502 })
  const charged = await clientOf(front.url).chargeFlycoins(chargeOf(), { idempotencyKey: 'js-busy' })
  assert.equal(charged.charged_micro, priceMicro)
  assert.deepEqual(front.keys(), ['js-busy', 'js-busy', 'js-busy', 'js-busy'])
})

test('a lost answer charges once', async (context) => {
  const front = await frontOf(context)
  const before = await available()
  front.faults.push({ cut: 'after' }, { cut: 'before' })
  await clientOf(front.url).chargeFlycoins(chargeOf(), { idempotencyKey: 'js-lost' })
  assert.equal(before - (await available()), priceMicro)
  assert.deepEqual(front.keys(), ['js-lost', 'js-lost', 'js-lost'])
})

test('a write without a key is not repeated after an unknown outcome', async (context) => {
  const front = await frontOf(context)
  const client = clientOf(front.url)
  const write = () => client.amocrm(accountId, 'POST', 'leads', { body: [{ name: 'js-once' }] })
  front.faults.push({ cut: 'before' })
  await assert.rejects(write(), NoAnswerError)
  assert.equal(front.seen.length, 1)
  front.faults.push({ status: 503, code: 'token_renewed' })
  await write()
  assert.equal(front.seen.length, 3, 'nothing was executed, so it was repeated')
})

test('no refusal but 429 is repeated', async (context) => {
  const front = await frontOf(context)
  const client = clientOf(front.url)
  front.faults.push({ status: 409, code: 'install_not_active', headers: { 'Retry-After': '0' } })
  await assert.rejects(available(client), ApiError)
  assert.equal(front.seen.length, 1)
  front.faults.push({ status: 429, code: 'too_many_requests', headers: { 'Retry-After': '3600' } })
  await assert.rejects(available(client), (error) => {
    return error instanceof TooManyRequestsError && error.retryAfterMs === 3_600_000
  })
  assert.equal(front.seen.length, 2)
})

test('Flysk that is away is an error of its own, and a request can be cancelled', async (context) => {
  const front = await frontOf(context)
  await front.close()
  await assert.rejects(available(clientOf(front.url, { retries: { attempts: 1 } })), (error) => {
    return error instanceof NoAnswerError && error.message.includes('ECONNREFUSED')
  })
  const cancelled = flysk.getFlycoinBalance(account, { signal: AbortSignal.abort(new Error('not wanted')) })
  await assert.rejects(cancelled, /not wanted/)
})

test('nothing that is printed shows the token', () => {
  const shown = [inspect(flysk, { depth: 9, showHidden: true }), JSON.stringify(flysk), String(flysk)]
  for (const text of shown) assert.ok(!text.includes(stand.projectToken), text)
  assert.ok(shown[0].includes(stand.url))
})
