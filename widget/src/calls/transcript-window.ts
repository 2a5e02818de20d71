import { reactive } from 'vue'
import type { Context } from '../context'
import type { ModalWindow } from '../host/types'
import type { AppStore } from '../store'
import type { MountTranscript } from '../transcript'

/** What the window and its content tell each other. */
export interface WindowControl {
  /** Whether closing would lose an edit. */
  isDirty: boolean
  /** Whether the user was asked about the edit, and the next attempt closes. */
  isAsking: boolean
  close(): void
}

/** The window with a call's dialogue: Vue inside amoCRM's own modal. Its code is loaded when it is needed first. */
export class TranscriptWindow {
  private modal: ModalWindow | undefined
  private forceClose: (() => void) | undefined
  private loading: Promise<MountTranscript> | undefined

  constructor(
    private readonly context: Context,
    private readonly store: AppStore,
  ) {}

  /** Loads the code before it is needed. A failure is met again by `open`. */
  warmUp(): void {
    void this.load().catch(() => undefined)
  }

  open(transcriptionId: string, atMs?: number): void {
    this.close()
    const focused = this.context.host.document.activeElement
    const control = reactive<WindowControl>({ isDirty: false, isAsking: false, close: () => this.modal?.destroy() })
    let isOpen = true
    let unmount = (): void => undefined
    this.modal = this.context.host.openModal({
      mount: (element) => {
        this.load().then(
          (mount) => {
            if (isOpen) unmount = mount(element, { transcriptionId, atMs, control }, this.context, this.store)
            if (isOpen) this.context.host.centrify(element)
          },
          () => {
            control.isAsking = true
            control.close()
            const { texts, host } = this.context
            host.notifyError(texts.get('access.header'), texts.get('problems.offline'))
          },
        )
      },
      mayClose: () => {
        if (!control.isDirty || control.isAsking) return true
        control.isAsking = true
        return false
      },
      unmount: () => {
        isOpen = false
        unmount()
        this.modal = undefined
        this.forceClose = undefined
        if (focused instanceof HTMLElement) focused.focus({ preventScroll: true })
      },
    })
    this.forceClose = () => {
      control.isAsking = true
      control.close()
    }
  }

  /** Closes the window without a question; drafts are kept. */
  close(): void {
    this.forceClose?.()
  }

  private load(): Promise<MountTranscript> {
    this.loading ??= this.context.host.load<{ mountTranscript: MountTranscript }>('views').then(
      (part) => part.mountTranscript,
      (error: unknown) => {
        this.loading = undefined
        throw error
      },
    )
    return this.loading
  }
}
