import { onScopeDispose, ref, type Ref } from 'vue'

/** Scrolling by the page itself is recognised for this long, in milliseconds. */
const OWN_SCROLL_MS = 400
/** After a movement of the user's wheel or finger the list does not move by itself for this long, in milliseconds. */
const USER_SCROLL_MS = 150

/** Where the current turn is, if it is out of view. */
export type Direction = 'up' | 'down' | null

/**
 * Keeps the current turn in view while playing. Scrolling it out of view by hand releases the list; scrolling back, the chip
 * or a click on a turn takes it again.
 */
export function useFollow(box: Ref<HTMLElement | null>, currentElement: () => HTMLElement | null) {
  const isFollowing = ref(true)
  const direction = ref<Direction>(null)
  let ownScrollUntil = 0
  let userScrollUntil = 0
  let isUserScrolling = false

  /** Scrolls only the list: `scrollIntoView` would also scroll amoCRM's page. */
  function reveal(element: HTMLElement | null, smooth = true): void {
    const list = box.value
    if (!list || !element) return
    const { top, height } = positionIn(list, element)
    const target = list.scrollTop + top - Math.max(0, (list.clientHeight - height) / 3)
    const isReduced = window.matchMedia?.('(prefers-reduced-motion: reduce)').matches ?? false
    ownScrollUntil = performance.now() + OWN_SCROLL_MS
    isUserScrolling = false
    const isNear = Math.abs(target - list.scrollTop) < list.clientHeight * 2
    list.scrollTo({ top: Math.max(0, target), behavior: smooth && isNear && !isReduced ? 'smooth' : 'auto' })
  }

  /** Called when another turn becomes current. */
  function onTurnChange(): void {
    if (isFollowing.value) {
      // The user's scrolling is told in the next frame: until then nothing may undo it. The next turn moves the list.
      if (performance.now() < userScrollUntil) return
      const element = currentElement()
      if (element && !isComfortable(element)) reveal(element)
    } else {
      updateDirection()
    }
  }

  /** Follows again, at once. */
  function resume(smooth = true): void {
    isFollowing.value = true
    direction.value = null
    reveal(currentElement(), smooth)
  }

  /** Lets the list stay where it is, for example at a match of the search. */
  function release(): void {
    isFollowing.value = false
    updateDirection()
  }

  /** The user's wheel or finger stops the page's own scrolling, as the browser does. */
  function onUserScroll(): void {
    isUserScrolling = true
    ownScrollUntil = 0
    userScrollUntil = performance.now() + USER_SCROLL_MS
  }

  function onScroll(): void {
    if (!isUserScrolling || performance.now() < ownScrollUntil) return
    // A movement of the wheel glides for a while.
    userScrollUntil = performance.now() + USER_SCROLL_MS
    updateDirection()
    isFollowing.value = direction.value === null
  }

  function updateDirection(): void {
    const list = box.value
    const element = currentElement()
    if (!list || !element) {
      direction.value = null
      return
    }
    const { top, height } = positionIn(list, element)
    if (top + height < 0) direction.value = 'up'
    else direction.value = top > list.clientHeight ? 'down' : null
  }

  /** Whether a turn is in the middle of the view, so that nothing has to move. */
  function isComfortable(element: HTMLElement): boolean {
    const list = box.value
    if (!list) return true
    const { top, height } = positionIn(list, element)
    return top >= 0 && top + height <= list.clientHeight * 0.8
  }

  onScopeDispose(() => {
    box.value = null
  })

  return { isFollowing, direction, reveal, resume, release, onTurnChange, onUserScroll, onScroll }
}

export type Follow = ReturnType<typeof useFollow>

function positionIn(list: HTMLElement, element: HTMLElement): { top: number; height: number } {
  const outer = list.getBoundingClientRect()
  const inner = element.getBoundingClientRect()
  return { top: inner.top - outer.top, height: inner.height }
}
