import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiProblem } from '../api/problem'
import { POLL_DELAYS, Poller, type PollResult } from './poller'

const PENDING: PollResult = { isPending: true, hasNews: false }

function hide(hidden: boolean): void {
  Object.defineProperty(document, 'hidden', { configurable: true, value: hidden })
  document.dispatchEvent(new Event('visibilitychange'))
}

describe('the poller', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => {
    hide(false)
    vi.useRealTimers()
  })

  it('asks every 3 s, at most 20 times in the first minute', async () => {
    const poll = vi.fn(async () => PENDING)
    new Poller(document, poll, vi.fn()).start()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(poll.mock.calls.length).toBeGreaterThan(15)
    expect(poll.mock.calls.length).toBeLessThanOrEqual(20)
  })

  it('asks more rarely without news, and never more rarely than every 15 s', async () => {
    const poll = vi.fn(async () => PENDING)
    new Poller(document, poll, vi.fn()).start()
    await vi.advanceTimersByTimeAsync(600_000)
    poll.mockClear()
    await vi.advanceTimersByTimeAsync(150_000)
    expect(poll).toHaveBeenCalledTimes(10)
  })

  it('is silent while the page is hidden and asks at once afterwards', async () => {
    const poll = vi.fn(async () => PENDING)
    new Poller(document, poll, vi.fn()).start()
    hide(true)
    await vi.advanceTimersByTimeAsync(120_000)
    expect(poll).not.toHaveBeenCalled()
    hide(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(poll).toHaveBeenCalledTimes(1)
  })

  it('goes on while the page is hidden if another tab waits for it', async () => {
    const poll = vi.fn(async () => PENDING)
    const poller = new Poller(document, poll, vi.fn(), POLL_DELAYS, true)
    hide(true)
    poller.start()
    await vi.advanceTimersByTimeAsync(POLL_DELAYS.first * 2)
    expect(poll).toHaveBeenCalledTimes(2)
    hide(true)
    await vi.advanceTimersByTimeAsync(POLL_DELAYS.first)
    expect(poll).toHaveBeenCalledTimes(3)
    poller.stop()
  })

  it('never has two requests at the same time', async () => {
    let running = 0
    let most = 0
    const poll = async (): Promise<PollResult> => {
      most = Math.max(most, ++running)
      await new Promise((done) => setTimeout(done, 10_000))
      running -= 1
      return PENDING
    }
    const poller = new Poller(document, poll, vi.fn())
    poller.start()
    setInterval(() => poller.start(), 1_000)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(most).toBe(1)
  })

  it('stops when nothing is pending', async () => {
    const poll = vi.fn(async () => ({ isPending: false, hasNews: true }))
    new Poller(document, poll, vi.fn()).start()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(poll).toHaveBeenCalledTimes(1)
  })

  it('is not ended by an answer or a refusal of what was polled before', async () => {
    const answers: ((end: 'done' | 'refused') => void)[] = []
    const poll = vi.fn(
      () =>
        new Promise<PollResult>((resolve, reject) => {
          answers.push((end) => (end === 'done' ? resolve({ isPending: false, hasNews: false }) : reject(new ApiProblem(404, 'not_found'))))
        }),
    )
    const poller = new Poller(document, poll, vi.fn())
    poller.start()
    for (const end of ['done', 'refused'] as const) {
      await vi.advanceTimersByTimeAsync(POLL_DELAYS.first)
      poller.stop()
      poller.start()
      answers.pop()!(end)
    }
    await vi.advanceTimersByTimeAsync(POLL_DELAYS.first)
    expect(poll).toHaveBeenCalledTimes(3)
  })

  it('stops at a refusal and goes on more slowly after a failure', async () => {
    const refused = vi.fn(async () => Promise.reject(new ApiProblem(403, 'install_not_active')))
    const told = vi.fn()
    new Poller(document, refused, told).start()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(refused).toHaveBeenCalledTimes(1)
    expect(told).toHaveBeenCalledWith(expect.objectContaining({ status: 403 }))

    const failing = vi.fn(async () => Promise.reject(new ApiProblem(503, 'unavailable', null, 30_000)))
    new Poller(document, failing, vi.fn()).start()
    await vi.advanceTimersByTimeAsync(POLL_DELAYS.first + 29_000)
    expect(failing).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(failing).toHaveBeenCalledTimes(2)
  })
})
