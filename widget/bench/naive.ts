/**
 * The variant of comparison: for every record a Vue application with a store of its own, and the widget's own slot in it, as a first
 * attempt would be.
 */
import { createApp } from 'vue'
import CallSlot from '../src/calls/CallSlot.vue'
import { CONTEXT_KEY, type Context } from '../src/context'
import { createAppStore, STORE_KEY } from '../src/store'

const texts = { get: () => 'FlySense AI', find: () => undefined }

/** Mounts a slot at every record of the page. */
function mountNaive(): void {
  for (const wrapper of document.querySelectorAll<HTMLElement>('.feed-note-wrapper-call_in_out')) {
    const element = document.createElement('div')
    element.className = 'flysense-ai naive-slot'
    wrapper.querySelector('.feed-note__call-content')!.after(element)
    const app = createApp(CallSlot, { recordId: wrapper.dataset.id ?? '', card: { entityType: 'leads', entityId: 1 } })
    const store = createAppStore()
    app.use(store)
    app.provide(STORE_KEY, store).provide(CONTEXT_KEY, { texts, host: {} } as unknown as Context)
    app.mount(element)
  }
}

Object.assign(window, { mountNaive })
