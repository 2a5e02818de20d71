/** The Flysk under test. `cargo xtask clients` starts one and names it in the environment; see README.md. */
import { readFileSync } from 'node:fs'
import { Flysk } from 'flysk'

/** Without delays that tests would wait for. */
const QUICK = { baseDelayMs: 10, maxDelayMs: 20 }

function variable(name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

export const stand = {
  url: variable('FLYSK_URL'),
  projectToken: variable('PROJECT_TOKEN'),
  accountId: Number(variable('ACCOUNT_ID')),
  // User of the page, and a one-time token of it.
  userId: Number(variable('USER_ID')),
  pageToken: variable('PAGE_TOKEN'),
  // A priced service, and its price for 60 units, micro-Flycoins.
  service: variable('SERVICE'),
  priceMicro: Number(variable('PRICE_MICRO')),
  // Events as they arrived while the secret was being replaced.
  delivered: JSON.parse(readFileSync(variable('DELIVERED_EVENT'), 'utf8')),
}

/** A client of the Flysk at an address. */
export function clientOf(baseUrl, options = {}) {
  return new Flysk({ baseUrl, projectToken: stand.projectToken, timeoutMs: 10_000, retries: QUICK, ...options })
}

/** A charge of the stand's service. */
export function chargeOf(quantity = 60) {
  return { account_id: stand.accountId, lines: [{ service: stand.service, quantity }] }
}
