import { effectScope, ref, type EffectScope } from 'vue'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { useFollow, type Follow } from './useFollow'

/** Height of the list, and the places of the current turn in it, in pixels. */
const LIST_HEIGHT = 400
const IN_THE_MIDDLE = 100
const NEAR_THE_END = 370
const ABOVE = -300

describe('following the current turn', () => {
  const list = document.createElement('div')
  const turn = document.createElement('p')
  const scrollTo = vi.fn()
  let scope: EffectScope
  let follow: Follow
  let top = IN_THE_MIDDLE

  beforeEach(() => {
    vi.useFakeTimers()
    vi.advanceTimersByTime(10_000)
    top = IN_THE_MIDDLE
    Object.defineProperty(list, 'clientHeight', { configurable: true, value: LIST_HEIGHT })
    list.getBoundingClientRect = () => ({ top: 0, height: LIST_HEIGHT }) as DOMRect
    turn.getBoundingClientRect = () => ({ top, height: 20 }) as DOMRect
    list.scrollTo = scrollTo
    scope = effectScope()
    follow = scope.run(() => useFollow(ref<HTMLElement | null>(list), () => turn))!
  })
  afterEach(() => {
    scope.stop()
    vi.useRealTimers()
    vi.clearAllMocks()
  })

  it('moves the list when the turn leaves its middle', () => {
    follow.onTurnChange()
    expect(scrollTo).not.toHaveBeenCalled()
    top = NEAR_THE_END
    follow.onTurnChange()
    expect(scrollTo).toHaveBeenCalledTimes(1)
  })

  it('is no scrolling by the user', () => {
    top = NEAR_THE_END
    follow.onTurnChange()
    top = ABOVE
    follow.onScroll()
    expect(follow.isFollowing.value).toBe(true)
  })

  it('ends with a movement of the wheel, also right after the list has moved by itself', () => {
    top = NEAR_THE_END
    follow.onTurnChange()
    follow.onUserScroll()
    top = ABOVE
    follow.onScroll()
    expect([follow.isFollowing.value, follow.direction.value]).toEqual([false, 'up'])
  })

  it('does not fight a movement of the wheel that is not told yet', () => {
    follow.onUserScroll()
    top = NEAR_THE_END
    follow.onTurnChange()
    expect(scrollTo).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1_000)
    follow.onTurnChange()
    expect(scrollTo).toHaveBeenCalledTimes(1)
  })

  it('begins again by the chip', () => {
    follow.onUserScroll()
    top = ABOVE
    follow.onScroll()
    follow.resume()
    expect([follow.isFollowing.value, follow.direction.value]).toEqual([true, null])
    expect(scrollTo).toHaveBeenCalledTimes(1)
  })
})
