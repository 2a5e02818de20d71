import type { ApiProblem } from './api/problem'
import type { HandshakeOutcome } from './api/session'
import type { Handshake } from './api/types'
import type { Host } from './host/host'
import type { Preferred } from './host/preferred'
import type { Texts } from './host/texts'
import { change, type AccessState, type AppStore, type SubscriptionState } from './store'

/**
 * Interval of asking whether access is back, in milliseconds, and the longest one. An installation takes seconds, and somebody
 * waits for it.
 */
const RECHECK_MS = { installing: 3_000, first: 30_000, longest: 300_000 }

/** States in which an installation may be under way: Flysk learns of it some seconds after amoCRM. */
const MAY_BE_INSTALLING: readonly string[] = ['installing', 'uninstalled']

/**
 * A handshake may succeed although requests are refused: FlySense and the platform learn of a change one after the other. For
 * this long after a refused request a handshake does not count as recovery, in milliseconds.
 */
const REFUSAL_LASTS_MS = 10_000

/** The notice is shown once in this time, however many cards the user opens, in milliseconds. */
const NOTICE_INTERVAL_MS = 600_000
const NOTICE_TIME = 'access-notice-at'

/**
 * Whether the widget may work. On the first refusal it blocks the functions and shows one notice; while it is blocked it asks
 * now and then, when the page is visible, and recovers by itself.
 */
export class AccessWatch {
  /** Called when access is lost. */
  onBlocked: () => void = () => undefined
  /** Called when access is back. */
  onRecovered: () => void = () => undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private delay = RECHECK_MS.first
  private recheck: (() => void) | undefined
  private refusedAt = Number.NEGATIVE_INFINITY
  /** When a handshake last opened the access, in milliseconds of the page. */
  private openedAt = Number.NEGATIVE_INFINITY
  /** Whether the user was told that access is lost. */
  private isTold = false

  constructor(
    private readonly host: Host,
    private readonly texts: Texts,
    private readonly store: AppStore,
    private readonly preferred: Preferred,
  ) {}

  /** Allows asking again by `recheck`, which makes a handshake. */
  start(recheck: () => void): void {
    this.recheck = recheck
    this.host.document.addEventListener('visibilitychange', this.onVisibility)
    if (this.isBlocked) this.schedule()
  }

  stop(): void {
    this.recheck = undefined
    this.host.document.removeEventListener('visibilitychange', this.onVisibility)
    clearTimeout(this.timer)
    this.timer = undefined
  }

  /** Takes the result of a handshake. */
  onHandshake(outcome: HandshakeOutcome): void {
    if ('problem' in outcome) {
      // Without an answer nothing is known about access. A refused token is like a refused request.
      if (outcome.problem.status === 403 || outcome.problem.status === 401) this.block(outcome.problem.code, null, null)
      else if (this.isBlocked) this.schedule()
      return
    }
    const { status, reason, warning, connect_url: connectUrl, is_admin: isAdmin } = outcome.handshake
    if (status !== 'active') {
      const isInstalling = MAY_BE_INSTALLING.includes(status) && this.store.state.access.code !== status
      if (isInstalling) {
        clearTimeout(this.timer)
        this.timer = undefined
        this.delay = RECHECK_MS.installing
      }
      this.block(status, reason ?? null, connectUrl ?? null, isAdmin, isInstalling)
      return
    }
    const wasBlocked = this.isBlocked
    if (wasBlocked && performance.now() - this.refusedAt < REFUSAL_LASTS_MS) {
      this.schedule()
      return
    }
    if (this.store.state.access.phase !== 'open') this.openedAt = performance.now()
    this.set({ phase: 'open', reason: null, warning: warning ?? null, code: null, connectUrl: connectUrl ?? null, isAdmin, subscription: subscriptionOf(outcome.handshake) })
    // Access that comes and goes is not asked for in short intervals.
    if (performance.now() - this.refusedAt > RECHECK_MS.longest) this.delay = RECHECK_MS.first
    clearTimeout(this.timer)
    this.timer = undefined
    this.preferred.write(NOTICE_TIME, '')
    this.isTold = false
    if (wasBlocked) this.onRecovered()
  }

  /** Takes a problem of any request; only those that end access matter. */
  onProblem(problem: ApiProblem): void {
    // A refusal while the widget is blocked is no news, and tells less than the handshake did.
    if (!problem.isBlocking || this.isBlocked) return
    const now = performance.now()
    // After an installation, FlySense may learn of it later than the platform: the first refusal may pass.
    const mayPass = now - this.openedAt < REFUSAL_LASTS_MS && now - this.refusedAt > RECHECK_MS.longest
    this.refusedAt = now
    if (mayPass) this.delay = RECHECK_MS.installing
    this.block(problem.code, null, null, undefined, mayPass)
    // The handshake tells the reason and the link for granting access again.
    this.recheck?.()
  }

  /** The user has acted and asks again: the next handshake counts. */
  forgetRefusal(): void {
    this.refusedAt = Number.NEGATIVE_INFINITY
  }

  private get isBlocked(): boolean {
    return this.store.state.access.phase === 'blocked'
  }

  private block(code: string, reason: string | null, connectUrl: string | null, isAdmin?: boolean, isQuiet = false): void {
    const before = this.store.state.access
    const isNew = before.phase !== 'blocked'
    this.set({
      phase: 'blocked',
      code,
      reason: reason ?? before.reason,
      warning: null,
      connectUrl: connectUrl ?? (isNew ? null : before.connectUrl),
      isAdmin: isAdmin ?? before.isAdmin,
      subscription: before.subscription,
    })
    // Who is installing the widget need not be told that it does not work yet.
    if (!this.isTold && !isQuiet && code !== 'installing') this.notify(code, connectUrl)
    if (isNew) this.onBlocked()
    this.schedule()
  }

  private notify(code: string, connectUrl: string | null): void {
    this.isTold = true
    const last = Number(this.preferred.read(NOTICE_TIME) ?? 0)
    if (Math.abs(Date.now() - last) < NOTICE_INTERVAL_MS) return
    this.preferred.write(NOTICE_TIME, String(Date.now()))
    const text = this.texts.find(`activation.${code}`) ?? this.texts.get('access.notice')
    this.host.notifyError(this.texts.get('access.header'), text, connectUrl ?? undefined)
  }

  private set(access: AccessState): void {
    change(this.store, 'setAccess', access)
  }

  private schedule(): void {
    if (!this.recheck || this.timer !== undefined || this.host.document.hidden) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.delay = Math.min(this.delay * 2, RECHECK_MS.longest)
      this.recheck?.()
    }, this.delay)
  }

  private readonly onVisibility = (): void => {
    if (this.host.document.hidden) {
      clearTimeout(this.timer)
      this.timer = undefined
    } else if (this.isBlocked) {
      // Somebody may come back from the page where access is granted.
      this.delay = RECHECK_MS.first
      this.recheck?.()
    }
  }
}

/** The subscription that a handshake tells. Platforms without subscriptions tell none. */
function subscriptionOf(handshake: Handshake): SubscriptionState | null {
  const told = handshake.subscription as { label?: string; paid_until?: string | null; trial_until?: string | null } | null | undefined
  return told?.label ? { label: told.label, until: told.paid_until ?? told.trial_until ?? null } : null
}
