import { afterEach, describe, expect, it, vi } from 'vitest'
import { asked } from '../tests/require-stand-in'
import type { HostWidget } from './host/types'
import Widget from './main'

type Constructor = new () => HostWidget

function build(): HostWidget {
  const Constructor = Widget as unknown as Constructor
  // As amoCRM does: its own members are put on the prototype.
  Object.assign(Constructor.prototype, { get_settings: () => ({ path: 'https://cdn.example/widgets/flysense/' }) })
  return new Constructor()
}

function app() {
  return { enterCard: vi.fn(), openSettings: vi.fn(), openBalancePage: vi.fn(), leave: vi.fn() }
}

/** Lets the loader answer the last question with an app, or fail. */
async function answer(loaded: ReturnType<typeof app> | null): Promise<void> {
  const last = asked.pop()!
  if (loaded) last.done({ start: () => loaded })
  else last.failed(Object.assign(new Error('not found'), { requireModules: ['/widgets/flysense/vendor.js'] }))
  await Promise.resolve()
  await Promise.resolve()
}

afterEach(() => {
  asked.splice(0)
  delete window.requirejs
})

describe('script.js', () => {
  it('answers amoCRM at once, or init and bind_actions never run', () => {
    const { callbacks } = build()
    expect([callbacks.render(), callbacks.bind_actions(), callbacks.init(), callbacks.onSave()]).toEqual([true, true, true, true])
  })

  it('loads the app once, by its whole address', async () => {
    const { callbacks } = build()
    callbacks.init()
    callbacks.init()
    expect(asked.map(({ ids }) => ids)).toEqual([[expect.stringMatching(/^https:\/\/cdn\.example\/widgets\/flysense\/app-[\d.]+\.js$/)]])
    const loaded = app()
    await answer(loaded)
    expect(loaded.enterCard).toHaveBeenCalledTimes(2)
    callbacks.init()
    expect(asked).toEqual([])
  })

  it('does nothing on a page that was left while the app was loading', async () => {
    const { callbacks } = build()
    callbacks.init()
    callbacks.destroy()
    const loaded = app()
    await answer(loaded)
    expect(loaded.enterCard).not.toHaveBeenCalled()
  })

  it('tries again at the next callback after a failed load', async () => {
    const undef = vi.fn()
    window.requirejs = { undef }
    const { callbacks } = build()
    callbacks.init()
    await answer(null)
    // The loader would repeat the failures that it keeps.
    expect(undef.mock.calls.flat()).toEqual([expect.stringMatching(/\/app-[\d.]+\.js$/), '/widgets/flysense/vendor.js'])
    callbacks.advancedSettings()
    const loaded = app()
    await answer(loaded)
    expect(loaded.openBalancePage).toHaveBeenCalledTimes(1)
  })
})
