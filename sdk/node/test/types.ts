// What the compiler must accept and refuse in a vendor's code. It is compiled, not run.
import { Flysk, InsufficientBalanceError, items, verifyEvent, type Charge, type ChargeRequest, type HoldState } from 'flysk'

const flysk = new Flysk({ baseUrl: 'https://flysk.example.com', projectToken: 'fpt_1' })
const body: ChargeRequest = { account_id: 1, lines: [{ service: 'w.s', quantity: 1 }] }

export async function charges(): Promise<Charge> {
  // @ts-expect-error a charge needs a key
  await flysk.chargeFlycoins(body)
  // @ts-expect-error a line needs a quantity
  await flysk.chargeFlycoins({ account_id: 1, lines: [{ service: 'w.s' }] }, { idempotencyKey: 'k' })
  // @ts-expect-error the account is named
  await flysk.getFlycoinBalance({})
  return flysk.chargeFlycoins(body, { idempotencyKey: 'k', signal: AbortSignal.timeout(1_000) })
}

export async function lists(): Promise<string[]> {
  const ids: string[] = []
  for await (const event of items((cursor) => flysk.listEvents({ type: 'install', cursor }))) ids.push(event.id)
  return ids
}

/** Words of enums may be added. */
export function isOpen(state: HoldState): boolean {
  switch (state) {
    case 'open':
      return true
    case 'a word of a later API':
      return true
    default:
      return false
  }
}

export function receives(headers: Headers, raw: Uint8Array): number {
  return verifyEvent(['whsec_MQ=='], headers, raw).account_id
}

export function explains(error: unknown): string {
  return error instanceof InsufficientBalanceError ? error.detail : 'other'
}
