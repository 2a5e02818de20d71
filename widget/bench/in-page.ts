/** What the bench uses inside of the page. */

interface BenchWidget {
  callbacks: { init(): boolean; destroy(): void }
}

interface Bench {
  widget: BenchWidget
  longTasks: number[]
  /** Milliseconds from the act until `count` elements exist and a frame with them was painted. */
  time(act: () => void, selector: string, count: number): Promise<number>
  /**
   * Milliseconds of an act after which `count` elements exist, with their style and layout: as precise as the clock, while a painted
   * frame is told in steps of 17 ms.
   */
  timeLayout(act: () => void, selector: string, count: number): Promise<number>
  /** Loads the widget and its app, with an empty card. */
  warmUp(): Promise<void>
  closeWindow(): void
  hide(): void
}

declare global {
  interface Window {
    bench: Bench
    fill(kind: string, count: number): void
    loadWidget(): Promise<BenchWidget>
    mountNaive(): void
    mountPeer(turns: unknown): void
  }
}

const frame = (): Promise<void> => new Promise((done) => requestAnimationFrame(() => done()))

/** Called in a frame, resolves when that frame was painted: the message is handled after it. */
const painted = (): Promise<void> =>
  new Promise((done) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => done()
    port2.postMessage(null)
  })

const bench: Bench = {
  widget: undefined as unknown as BenchWidget,
  longTasks: [],
  async time(act, selector, count) {
    // From the beginning of a frame: otherwise the wait for the next one, up to 17 ms, would be measured.
    await frame()
    const begin = performance.now()
    act()
    while (document.querySelectorAll(selector).length < count) await frame()
    await painted()
    return performance.now() - begin
  },
  async timeLayout(act, selector, count) {
    await frame()
    const begin = performance.now()
    act()
    // Reading a size makes the browser compute style and layout now.
    const height = document.body.offsetHeight
    const elapsed = performance.now() - begin
    const found = document.querySelectorAll(selector).length
    if (height === 0 || found < count) throw new Error(`${found} of ${count} elements after the act`)
    return elapsed
  },
  async warmUp() {
    bench.widget = await window.loadWidget()
    window.fill('d', 1)
    bench.widget.callbacks.init()
    while (document.querySelectorAll('.flysense-slot button').length < 1) await frame()
    // The window's code is loaded when the first result is shown.
    await new Promise((done) => setTimeout(done, 1_000))
    bench.widget.callbacks.destroy()
  },
  closeWindow() {
    document.querySelector<HTMLElement>('.flysense-modal header button')!.click()
  },
  hide() {
    Object.defineProperty(document, 'hidden', { configurable: true, value: true })
    document.dispatchEvent(new Event('visibilitychange'))
  },
}

window.bench = bench
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) bench.longTasks.push(Math.round(entry.duration))
}).observe({ type: 'longtask', buffered: true })

export {}
