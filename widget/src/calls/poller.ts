import { asProblem, type ApiProblem } from '../api/problem'

/** Delays between two polls, in milliseconds. */
export interface PollDelays {
  /** The first delay, and that after news. */
  first: number
  /** The longest delay. */
  longest: number
  /** The delay starts to grow after this time without news. */
  steadyFor: number
}

export const POLL_DELAYS: PollDelays = { first: 3_000, longest: 15_000, steadyFor: 60_000 }

const GROWTH = 1.3

/** What a poll found. */
export interface PollResult {
  /** Whether something is still pending. */
  isPending: boolean
  hasNews: boolean
}

/**
 * One timer for the whole page. It runs only while something is pending and, unless told otherwise, while the page is visible;
 * two polls never overlap.
 * A problem that blocks the widget ends it until `start` is called again.
 */
export class Poller {
  private timer: ReturnType<typeof setTimeout> | undefined
  private isActive = false
  private isRunning = false
  private delay: number
  private newsAt = 0
  /** Counts starts after an end: a poll that began before does not decide about what was started since. */
  private round = 0

  constructor(
    private readonly document: Document,
    private readonly poll: () => Promise<PollResult>,
    private readonly onProblem: (problem: ApiProblem) => void,
    private readonly delays: PollDelays = POLL_DELAYS,
    /** Whether it goes on while the page is hidden: for what another tab waits for. */
    private readonly runsHidden = false,
  ) {
    this.delay = delays.first
  }

  /** Starts polling, or returns to the first delay if it runs. The first poll comes not before `afterMs`, in milliseconds. */
  start(afterMs = 0): void {
    this.delay = Math.max(this.delays.first, afterMs)
    this.newsAt = Date.now()
    if (!this.isActive) {
      this.isActive = true
      this.round += 1
      this.document.addEventListener('visibilitychange', this.onVisibility)
    }
    this.schedule()
  }

  stop(): void {
    this.isActive = false
    this.document.removeEventListener('visibilitychange', this.onVisibility)
    clearTimeout(this.timer)
    this.timer = undefined
  }

  private readonly onVisibility = (): void => {
    if (this.isPaused) {
      clearTimeout(this.timer)
      this.timer = undefined
    } else if (this.isActive && this.timer === undefined && !this.isRunning) {
      void this.run()
    }
  }

  private get isPaused(): boolean {
    return this.document.hidden && !this.runsHidden
  }

  private schedule(): void {
    if (!this.isActive || this.timer !== undefined || this.isRunning || this.isPaused) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      void this.run()
    }, this.delay)
  }

  private async run(): Promise<void> {
    this.isRunning = true
    const { round } = this
    try {
      const result = await this.poll()
      if (round === this.round) this.take(result)
    } catch (error) {
      const problem = asProblem(error)
      if (round === this.round) this.backOff(problem)
      this.onProblem(problem)
    } finally {
      this.isRunning = false
    }
    this.schedule()
  }

  private backOff(problem: ApiProblem): void {
    this.delay = Math.max(problem.retryAfterMs ?? 0, Math.min(this.delay * 2, this.delays.longest))
    if (!problem.isTransient) this.stop()
  }

  private take({ isPending, hasNews }: PollResult): void {
    if (!isPending) this.stop()
    if (hasNews) {
      this.newsAt = Date.now()
      this.delay = this.delays.first
    } else if (Date.now() - this.newsAt > this.delays.steadyFor) {
      this.delay = Math.min(this.delay * GROWTH, this.delays.longest)
    }
  }
}
