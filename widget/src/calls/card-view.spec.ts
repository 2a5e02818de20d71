import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Context } from '../context'
import type { Host } from '../host/host'
import type { Texts } from '../host/texts'
import { createAppStore } from '../store'
import { CardView } from './card-view'

const PLAYABLE = '<div class="feed-note__call-content"><a class="js-call-play" href="https://pbx.example/1.mp3">слушать</a></div>'

function build() {
  const host = { document, window, card: () => ({ entityType: 'leads', entityId: 7 }), onCardEvent: () => () => undefined } as unknown as Host
  const calls = { see: vi.fn(), leave: vi.fn(), request: vi.fn() }
  const texts = { get: (key: string) => key } as unknown as Texts
  const view = new CardView({ host, calls, texts, openTranscript: vi.fn() } as unknown as Context, createAppStore())
  return { view, calls }
}

describe('a card', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    document.body.innerHTML = ['1', '2'].map((id) => `<div class="feed-note-wrapper-call_in_out" data-id="${id}">${PLAYABLE}</div>`).join('')
  })
  afterEach(() => {
    vi.useRealTimers()
    document.body.replaceChildren()
  })

  it('shows its buttons at once, and looks their records up afterwards, in one request', async () => {
    const { view, calls } = build()
    view.enter()
    expect(document.querySelectorAll('.flysense-slot button')).toHaveLength(2)
    expect(calls.see).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(100)
    expect(calls.see.mock.calls).toEqual([[['1', '2']]])
    view.leave()
  })

  it('looks nothing up once it was left', async () => {
    const { view, calls } = build()
    view.enter()
    view.leave()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(calls.see).not.toHaveBeenCalled()
    expect(document.querySelectorAll('.flysense-slot')).toHaveLength(0)
  })
})
