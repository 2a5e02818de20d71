import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FeedObserver, findRecords, type FeedRecord, type Slots } from './feed'

const LEAD = { entityType: 'leads' as const, entityId: 7 }

const PLAYABLE = '<a class="js-call-play" href="https://pbx.example/1.mp3">слушать</a>'
const DOWNLOAD_ONLY = '<span class="feed-note__call-play_disabled"></span><a download href="https://pbx.example/1.mp3">скачать</a>'
const NO_RECORDING = '<span class="feed-note__call-play_disabled"></span><span class="feed-note__call-download_disabled"></span>'

function note(id: string, content = PLAYABLE, linked = ''): string {
  return `<div class="feed-note-wrapper feed-note-wrapper-call_in_out" data-id="${id}"><div class="js-note">
    ${linked}<div class="feed-note__body"><div class="feed-note__call-content">${content}</div></div></div></div>`
}

class Mounted implements Slots {
  readonly mounted: string[] = []
  unmounted = 0
  mount(element: HTMLElement, record: FeedRecord): void {
    element.textContent = record.id
    this.mounted.push(record.id)
  }
  unmount(): void {
    this.unmounted += 1
  }
}

function slots(): string[] {
  return [...document.querySelectorAll('.flysense-slot')].map((slot) => slot.textContent ?? '')
}

async function settle(): Promise<void> {
  await Promise.resolve()
  await vi.advanceTimersByTimeAsync(150)
}

describe('the feed', () => {
  let view: Mounted
  let observer: FeedObserver

  beforeEach(() => {
    vi.useFakeTimers()
    document.body.innerHTML = `<div class="js-notes">${note('01drbfj5a8k9zd60bgg907a6w9')}${note('2', DOWNLOAD_ONLY)}${note('3', NO_RECORDING)}</div>`
    view = new Mounted()
    observer = new FeedObserver(document, LEAD, view, () => undefined)
    observer.start()
  })
  afterEach(() => {
    observer.stop()
    vi.useRealTimers()
  })

  it('gives a slot to every record with a recording, after the call and inside the note', () => {
    expect(slots()).toEqual(['01drbfj5a8k9zd60bgg907a6w9', '2'])
    expect(document.querySelector('.flysense-slot')?.previousElementSibling?.className).toBe('feed-note__call-content')
  })

  it('gives one slot to a record that can be played and downloaded', () => {
    document.body.innerHTML = note('1', PLAYABLE + DOWNLOAD_ONLY)
    expect(findRecords(document, LEAD).map((record) => record.id)).toEqual(['1'])
  })

  it('skips the capsule of a group and takes its calls', () => {
    document.body.innerHTML = `<div class="feed-note-wrapper-call_in_out feed-note-wrapper-grouped-complex" data-id="9">
      <div class="js-grouped-subviews">${note('10')}${note('11')}</div></div>`
    expect(findRecords(document, LEAD).map((record) => record.id)).toEqual(['10', '11'])
  })

  it('takes the linked card of a record', () => {
    const link = '<div class="feed-note__linked"><a class="feed-note__linked-inner" href="/contacts/detail/55">Иван</a></div>'
    document.body.innerHTML = note('1', PLAYABLE, link)
    expect(findRecords(document, LEAD)[0]?.card).toEqual({ entityType: 'contacts', entityId: 55 })
  })

  it('finds records that are prepended and keeps the others when all are removed and inserted', async () => {
    const box = document.querySelector('.js-notes')!
    const children = [...box.children]
    box.replaceChildren()
    box.insertAdjacentHTML('beforeend', note('0'))
    box.append(...children)
    await settle()
    expect(slots()).toEqual(['0', '01drbfj5a8k9zd60bgg907a6w9', '2'])
    expect(view.mounted).toEqual(['01drbfj5a8k9zd60bgg907a6w9', '2', '0'])
  })

  it('renews the slot of a record that was rendered anew', async () => {
    const inner = document.querySelector('.js-note')!
    inner.innerHTML = `<div class="feed-note__body"><div class="feed-note__call-content">${PLAYABLE}</div></div>`
    await settle()
    expect(slots()).toEqual(['01drbfj5a8k9zd60bgg907a6w9', '2'])
    expect(view.unmounted).toBe(1)
  })

  it('is not starved by a page that changes all the time', async () => {
    document.querySelector('.js-notes')!.insertAdjacentHTML('beforeend', note('4'))
    for (let at = 0; at < 10; at++) {
      document.body.append(document.createElement('i'))
      await vi.advanceTimersByTimeAsync(30)
    }
    expect(slots()).toContain('4')
  })

  it('leaves nothing behind', () => {
    observer.stop()
    expect(slots()).toEqual([])
    expect(view.unmounted).toBe(2)
  })
})
