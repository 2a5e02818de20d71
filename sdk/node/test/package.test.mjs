import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import * as flysk from 'flysk'
import { CODES_WITH_CLASS, errorWith } from '../dist/errors.js'
import { gatewayPath } from '../dist/gateway.js'
import { Attempts, parseRetryAfter } from '../dist/retry.js'
import { segment } from '../dist/transport.js'

const POLICY = { attempts: 3, baseDelayMs: 1_000, maxDelayMs: 1_500, maxRetryAfterMs: 10_000 }
const attempts = (isRepeatable) => new Attempts(POLICY, isRepeatable, () => 1)
const root = new URL('..', import.meta.url)
const read = (name) => readFileSync(new URL(name, root), 'utf8')

test('the package has the version of the API and names what it publishes', () => {
  const { version, exports, files } = JSON.parse(read('package.json'))
  assert.equal(version, flysk.VERSION)
  assert.deepEqual(files, ['dist'])
  assert.ok(read(exports['.'].types).includes('Flysk'))
})

test('every class of error belongs to a code of the API', () => {
  const models = read('src/models/errors.ts')
  const codes = models.slice(0, models.indexOf('(string & {})'))
  for (const code of CODES_WITH_CLASS) assert.ok(codes.includes(`'${code}'`), code)
  const told = { status: 402, code: 'insufficient_balance', detail: 'Not enough' }
  const error = errorWith({ ...told, requestId: 'req-1', retryAfterMs: null, problem: {} })
  assert.ok(error instanceof flysk.InsufficientBalanceError && error instanceof flysk.ApiError)
  assert.equal(String(error), 'InsufficientBalanceError: 402 insufficient_balance: Not enough (request req-1)')
})

test('no refusal is repeated', () => {
  for (const status of [400, 401, 402, 403, 404, 408, 409, 413, 415, 422, 425]) {
    assert.equal(attempts(true).delayAfterAnswer(status, 'some_code', 1_000), null, String(status))
  }
})

test('an unknown outcome is repeated only if a second execution is harmless', () => {
  for (const status of [500, 502, 503, 504]) {
    assert.equal(attempts(true).delayAfterAnswer(status, 'unknown', null), 1_000)
    assert.equal(attempts(false).delayAfterAnswer(status, 'unknown', null), null)
  }
  assert.equal(attempts(true).delayWithoutAnswer(true), 1_000)
  assert.equal(attempts(false).delayWithoutAnswer(true), null)
})

test('what was not executed is repeated always', () => {
  assert.equal(attempts(false).delayAfterAnswer(429, 'too_many_requests', 2_000), 2_000)
  assert.equal(attempts(false).delayAfterAnswer(503, 'token_renewed', null), 0)
  assert.equal(attempts(false).delayWithoutAnswer(false), 1_000)
})

test('delays double up to the longest, have jitter, and attempts end', () => {
  const some = attempts(true)
  assert.deepEqual([1, 2, 3].map(() => some.delayWithoutAnswer(true)), [1_000, 1_500, null])
  const delays = new Set(Array.from({ length: 20 }, () => new Attempts(POLICY, true).delayWithoutAnswer(true)))
  assert.ok(delays.size > 1 && [...delays].every((delay) => delay >= 500 && delay <= 1_000))
})

test('a long Retry-After is not waited for', () => {
  assert.equal(attempts(true).delayAfterAnswer(503, 'unavailable', 10_000), 10_000)
  assert.equal(attempts(true).delayAfterAnswer(503, 'unavailable', 10_001), null)
})

test('Retry-After is a number or a date', () => {
  const now = Date.UTC(2026, 10, 30, 10)
  assert.equal(parseRetryAfter('7'), 7_000)
  assert.equal(parseRetryAfter('Mon, 30 Nov 2026 10:00:30 GMT', now), 30_000)
  assert.equal(parseRetryAfter('Mon, 30 Nov 2026 09:00:00 GMT', now), 0)
  for (const text of [null, '', '-1', '1.5', 'soon', '2026-11-30']) assert.equal(parseRetryAfter(text, now), null, String(text))
})

test('a path of amoCRM has several forms', () => {
  const forms = {
    'leads/1': 'leads/1',
    '/leads': 'leads',
    'leads?page=2': 'leads?page=2',
    '/api/v4/leads/1/notes': 'leads/1/notes',
    'https://demo.amocrm.ru/api/v4/leads?page=2&limit=250': 'leads?page=2&limit=250',
  }
  for (const [path, wanted] of Object.entries(forms)) assert.equal(gatewayPath(path), `/v1/amocrm/api/v4/${wanted}`)
  assert.throws(() => gatewayPath('https://demo.amocrm.ru/oauth2/access_token'), TypeError)
  assert.throws(() => gatewayPath('https://demo.amocrm.ru/oauth2/access_token'), flysk.InvalidPathError)
})

test('a segment that leads to another path is refused before anything is sent', async () => {
  const fetch = async (url) => assert.fail(`sent to ${url}`)
  const client = new flysk.Flysk({ baseUrl: 'https://flysk.example.com', projectToken: 'fpt_1', fetch })
  const encoded = ['%2e%2e', '.%2E', '%2e', '..%2fusers', '..\\users', '%2e%2e%5Cusers', '.\t.', '.. ', '..#x', '..?x=1']
  for (const dots of ['..', '.', ...encoded]) {
    for (const path of [`leads/${dots}`, `/api/v4/${dots}/leads`, `https://demo.amocrm.ru/api/v4/leads/${dots}`]) {
      await assert.rejects(client.amocrm(1, 'GET', path), flysk.InvalidPathError, path)
    }
    await assert.rejects(client.request('GET', `/v1/backend/events/${dots}`), flysk.InvalidPathError, dots)
  }
  for (const foreign of ['@evil.example/x', '.evil.example/x', 'v1/backend/events']) {
    await assert.rejects(client.request('GET', foreign), flysk.InvalidPathError, foreign)
  }
  for (const dots of ['.', '..']) assert.throws(() => segment(dots), flysk.InvalidPathError)
})

test('dots that lead nowhere are sent', () => {
  const path = 'leads/a..b/...?query=../x'
  assert.equal(gatewayPath(path), `/v1/amocrm/api/v4/${path}`)
  assert.equal(segment('a/../b'), 'a%2F..%2Fb')
})

test('a client without address or token is refused', () => {
  assert.throws(() => new flysk.Flysk({ baseUrl: 'flysk.example.com', projectToken: 'fpt_1' }), TypeError)
  assert.throws(() => new flysk.Flysk({ baseUrl: 'https://flysk.example.com', projectToken: '' }), TypeError)
})
