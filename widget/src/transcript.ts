import { createApp } from 'vue'
import type { WindowControl } from './calls/transcript-window'
import { CONTEXT_KEY, type Context } from './context'
import TranscriptView from './modal/TranscriptView.vue'
import { STORE_KEY, type AppStore } from './store'

/** What the window shows. */
export interface TranscriptProps {
  transcriptionId: string
  /** Moment to show first, in milliseconds. */
  atMs?: number
  control: WindowControl
}

/** Returns the function that unmounts. */
export type MountTranscript = (element: Element, props: TranscriptProps, context: Context, store: AppStore) => () => void

export const mountTranscript: MountTranscript = (element, props, context, store) => {
  const app = createApp(TranscriptView, { ...props })
  app.provide(CONTEXT_KEY, context).provide(STORE_KEY, store)
  app.mount(element)
  return () => app.unmount()
}
