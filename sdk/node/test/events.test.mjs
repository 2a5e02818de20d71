import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { InvalidSignatureError, verifyEvent } from 'flysk'
import { stand } from './stand.mjs'

const { cases, invalid_secrets: invalidSecrets } = JSON.parse(readFileSync(new URL('../../signature-cases.json', import.meta.url), 'utf8'))

function verdict({ secrets, headers, now_s: nowS, body }, raw) {
  try {
    const event = verifyEvent(secrets, headers, raw, { nowS })
    assert.deepEqual(event, JSON.parse(body))
    return true
  } catch (error) {
    if (error instanceof InvalidSignatureError) return false
    throw error
  }
}

for (const one of cases) {
  test(`a signature is judged as Standard Webhooks says: ${one.name}`, () => {
    assert.equal(verdict(one, one.body), one.is_valid)
    assert.equal(verdict(one, new TextEncoder().encode(one.body)), one.is_valid)
  })
}

test('what is no event secret is refused', () => {
  for (const secret of invalidSecrets) {
    assert.throws(() => verifyEvent(secret, cases[0].headers, '{}'), TypeError, secret)
  }
})

test('an event of Flysk is verified with the former secret and the new one', () => {
  const { secrets, headers, body } = stand.delivered
  for (const known of [secrets[0], secrets[1], secrets]) {
    const event = verifyEvent(known, new Headers(headers), body)
    assert.deepEqual([event.type, event.account_id, event.id], ['test', stand.accountId, headers['webhook-id']])
  }
  assert.throws(() => verifyEvent(secrets, headers, body.replace('test', 'tent')), InvalidSignatureError)
})
