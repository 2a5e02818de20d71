import type { Host } from '../host/host'
import type { Handshake } from './types'
import { problemOf, type ApiProblem } from './problem'

/** The session is renewed this long before it ends, in milliseconds. */
const RENEWAL_MARGIN_MS = 60_000

/** Result of a handshake. */
export type HandshakeOutcome = { handshake: Handshake } | { problem: ApiProblem }

/**
 * The session with which the widget calls the API. amoCRM forbids its one-time tokens in loops, so that one token buys a
 * session of some minutes. The token is kept in memory only.
 */
export class Session {
  private token: string | null = null
  /** End of the session by this machine's monotonic clock: its wall clock may be wrong. */
  private endsAt = 0
  private running: Promise<HandshakeOutcome> | null = null

  constructor(
    private readonly host: Host,
    private readonly apiUrl: string,
    private readonly onOutcome: (outcome: HandshakeOutcome) => void,
    private readonly monotonicMs: () => number = () => performance.now(),
  ) {}

  /** A token, after a handshake if there is none or it ends soon. Throws the problem of the handshake. */
  async bearer(): Promise<string> {
    if (this.token === null || this.monotonicMs() > this.endsAt - RENEWAL_MARGIN_MS) {
      const outcome = await this.renew()
      if ('problem' in outcome) throw outcome.problem
    }
    if (this.token === null) throw problemOf(403, { code: 'install_not_active' })
    return this.token
  }

  /** Makes a handshake. Simultaneous callers share one. */
  renew(): Promise<HandshakeOutcome> {
    this.running ??= this.shake().finally(() => {
      this.running = null
    })
    return this.running
  }

  private async shake(): Promise<HandshakeOutcome> {
    this.token = null
    const answer = await this.host.authorizedPost(`${this.apiUrl}/v1/handshake`)
    const outcome = this.read(answer.status, answer.body)
    this.onOutcome(outcome)
    return outcome
  }

  private read(status: number, body: unknown): HandshakeOutcome {
    if (status !== 200 || body === null || typeof body !== 'object') return { problem: problemOf(status, body) }
    const handshake = body as Handshake
    if (handshake.session) {
      this.token = handshake.session.token
      this.endsAt = this.monotonicMs() + lifetimeMs(handshake.session.expires_at)
    }
    return { handshake }
  }
}

/** Shortest and longest lifetime that is believed, in milliseconds, whatever this machine's clock says. */
const LIFETIME_MS = { min: 5 * 60_000, max: 14 * 60_000 }

function lifetimeMs(expiresAt: string): number {
  const told = Date.parse(expiresAt) - Date.now()
  return Number.isFinite(told) ? Math.min(Math.max(told, LIFETIME_MS.min), LIFETIME_MS.max) : LIFETIME_MS.min
}
