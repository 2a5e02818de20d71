import { spawnSync } from 'node:child_process'

/** The running product, as the program that started it tells in `FLYSENSE_ENVIRONMENT`. */
export interface Environment {
  api_url: string
  card_url: string
  contact_url: string
  company_url: string
  settings_url: string
  balance_url: string
  sim_url: string
  recordings_url: string
  account_id: number
  admin_id: number
  user_id: number
  lead_id: number
  client_id: string
  /** `flysk-worker`, and the environment in which it knows the product. */
  worker: string
  worker_environment: Record<string, string>
}

export const environment: Environment = JSON.parse(process.env.FLYSENSE_ENVIRONMENT ?? 'null')
if (environment === null) throw new Error('FLYSENSE_ENVIRONMENT is not set: run cargo xtask test')

async function send<T>(method: string, url: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
  const answer = await fetch(url, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    body: body === undefined ? null : JSON.stringify(body),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`)
  return (text === '' ? undefined : JSON.parse(text)) as T
}

/** The control API of the simulated amoCRM. */
export function simulate<T>(path: string, body: unknown): Promise<T> {
  return send('POST', `${environment.sim_url}${path}`, body)
}

/** A call as amoCRM knows it. */
export interface SimulatedCall {
  note_id: number
  event_id: string
}

/** Lets the telephony add a call to a card. `silently`: amoCRM does not tell FlySense. */
export function addCall(recording: string | null, more: object = {}): Promise<SimulatedCall> {
  return simulate('/call', {
    account: environment.account_id,
    entity_type: 'leads',
    entity_id: environment.lead_id,
    link: recording === null ? null : `${environment.recordings_url}/${recording}`,
    duration: 43,
    ...more,
  })
}

/** Number of webhooks that amoCRM sends: FlySense subscribes them in the background, after it has said that it is active. */
export async function countWebhooks(): Promise<number> {
  const webhooks = await simulate<unknown[]>('/hooks', { account: environment.account_id })
  return webhooks.length
}

/** A lead for one test. */
export interface Lead {
  /** For `addCall`. */
  target: { entity_type: 'leads'; entity_id: number }
  card_url: string
}

/** Adds a lead, into whose card no other test writes. The tests tell their leads apart by `number`. */
export async function addLead(number: number): Promise<Lead> {
  const id = environment.lead_id + number
  const entity = { entity_type: 'leads', id, phones: [], of: [], closed: false, responsible_user_id: environment.admin_id }
  await simulate('/entities', { account: environment.account_id, entity })
  return { target: { entity_type: 'leads', entity_id: id }, card_url: environment.card_url.replace(/\d+$/, String(id)) }
}

/** Switches of the account's pages. Those that are not named are as at the beginning. */
export function setPage(options: object): Promise<void> {
  return simulate('/page', { account: environment.account_id, options })
}

/** Ends FlySense's access to the account; the widget stays installed. Flysk learns of it when it renews the tokens. */
export async function revokeAccess(): Promise<void> {
  await simulate('/revoke', { account: environment.account_id, integration: environment.client_id })
  spawnSync(environment.worker, ['token:refresh-all'], { env: { ...process.env, ...environment.worker_environment }, stdio: 'ignore' })
}

export async function disableWidget(): Promise<void> {
  await simulate('/disable', { account: environment.account_id, integration: environment.client_id })
}

export async function installWidget(): Promise<void> {
  await simulate('/install', { account: environment.account_id, integration: environment.client_id })
}

/** A second user of the account, without a browser. */
export class Colleague {
  private constructor(private readonly token: string) {}

  static async arrive(): Promise<Colleague> {
    const { account_id: account, client_id: integration, user_id: user, api_url: api } = environment
    const { token } = await simulate<{ token: string }>('/widget-token', { account, integration, user })
    const shaken = await send<{ session: { token: string } }>('POST', `${api}/v1/handshake`, undefined, { 'X-Auth-Token': token })
    return new Colleague(shaken.session.token)
  }

  get<T>(path: string): Promise<T> {
    return send('GET', `${environment.api_url}${path}`, undefined, this.headers)
  }

  patch<T>(path: string, body: unknown): Promise<T> {
    return send('PATCH', `${environment.api_url}${path}`, body, this.headers)
  }

  private get headers(): Record<string, string> {
    return { Authorization: `Bearer ${this.token}` }
  }
}
