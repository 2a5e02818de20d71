/** The client against `flysk-sandbox`: what Flysk does rarely is made to happen, and events arrive at a receiver of the package. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  ApiError,
  InstallNotActiveError,
  NoAnswerError,
  PriceAboveLimitError,
  ReconnectRequiredError,
  TooManyRequestsError,
  UnauthorizedError,
  UnavailableError,
} from 'flysk'
import { ask, controlUrl, fail, startReceiver } from './sandbox.mjs'
import { chargeOf, clientOf, stand } from './stand.mjs'

const { accountId, priceMicro } = stand
const account = { account_id: accountId }
const flysk = clientOf(stand.url)
const OPTIONS = { skip: controlUrl ? false : 'Flysk is no sandbox', timeout: 60_000 }
/** Attempts of a client, as many as it makes unless it is told another number. */
const ATTEMPTS = 4
const CHARGES = '/v1/backend/flycoins/charges'
const PAUTH = '/v1/pauth'
/** What Flysk, or the way to it, does to a request. */
const FAILURES = {
  busy: { status: 429, retry_after_s: 0 },
  down: { status: 503 },
  'behind a broken amoCRM': { status: 502, code: 'upstream_unavailable' },
  'out of reach': { lose: 'request' },
  'cut off': { lose: 'answer' },
}

async function available() {
  return (await flysk.getFlycoinBalance(account)).available_micro
}

for (const [name, failure] of Object.entries(FAILURES)) {
  test(`work is quoted, charged and refunded once if Flysk is ${name}`, OPTIONS, async () => {
    const key = name.replaceAll(' ', '-')
    const before = await available()
    await fail('/v1/backend/flycoins/estimate', failure)
    assert.equal((await flysk.estimateFlycoins(chargeOf())).total_micro, priceMicro)
    const { next: after } = await ask('GET', '/timeline')
    await fail(CHARGES, failure)
    const charged = await flysk.chargeFlycoins(chargeOf(), { idempotencyKey: `js-charge-${key}` })
    assert.equal(charged.charged_micro, priceMicro)
    assert.equal(await available(), before - priceMicro)
    await fail('/v1/backend/flycoins/refunds', failure)
    const refund = { ...account, transaction_id: charged.transaction_id, all: true }
    const refunded = await flysk.refundFlycoins(refund, { idempotencyKey: `js-refund-${key}` })
    assert.equal(refunded.refunded_micro, priceMicro)
    assert.equal(await available(), before)
    assert.deepEqual(await ask('GET', '/api'), { failing: 0 }, 'every failure has met a request')
    const { items } = await ask('GET', `/timeline?type=flycoins&after=${after}`)
    assert.deepEqual(items.map((entry) => entry.available_micro), [-priceMicro, priceMicro])
  })
}

test('a refusal has its class', OPTIONS, async () => {
  for (const [status, code, kind] of [
    [401, 'unauthorized', UnauthorizedError],
    [403, 'reconnect_required', ReconnectRequiredError],
    [409, 'install_not_active', InstallNotActiveError],
    [409, 'price_above_limit', PriceAboveLimitError],
    [500, 'internal', ApiError],
  ]) {
    // As often as the client asks.
    await fail(CHARGES, { next: ATTEMPTS, status, code })
    const refused = flysk.chargeFlycoins(chargeOf(), { idempotencyKey: `js-${code}` })
    await assert.rejects(refused, (error) => error instanceof kind && error.status === status && error.code === code)
    await fail(CHARGES, { next: 0 })
  }
})

test('attempts end', OPTIONS, async () => {
  for (const [failure, kind] of [
    [{ status: 503 }, UnavailableError],
    [{ status: 429, retry_after_s: 0 }, TooManyRequestsError],
    [{ lose: 'request' }, NoAnswerError],
  ]) {
    await fail(PAUTH, { next: ATTEMPTS, ...failure })
    await assert.rejects(flysk.pauth(account), kind)
    assert.deepEqual(await ask('GET', '/api'), { failing: 0 })
  }
  assert.equal((await flysk.pauth(account)).account_id, accountId)
})

test('events are verified while their secret is replaced', OPTIONS, async (context) => {
  const { event_secret: first } = await ask('GET', '/state')
  const receiver = await startReceiver([first])
  context.after(() => receiver.close())
  await ask('PUT', '/event-url', { url: receiver.url })
  const sent = await flysk.sendTestEvent(account)
  const event = await receiver.next()
  assert.deepEqual([event?.type, event?.id], ['test', sent.id])
  const { event_secret: second } = await ask('POST', '/secrets/rotate', { secret: 'event_secret', keep: '1d' })
  for (const known of [[first], [second], [second, first]]) {
    receiver.secrets = known
    await flysk.sendTestEvent(account)
    assert.equal((await receiver.next())?.type, 'test')
  }
  await ask('POST', '/clock/advance', { by: '2d' })
  receiver.secrets = [first]
  await flysk.sendTestEvent(account)
  assert.equal(await receiver.next(), null, 'the former secret has ended')
  receiver.secrets = [second]
  await ask('POST', '/clock/advance', { by: '1min' })
  assert.equal((await receiver.next())?.type, 'test', 'Flysk sends it again')
  await ask('PUT', '/event-url', { url: null })
})
