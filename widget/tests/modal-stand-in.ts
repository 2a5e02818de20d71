import type { ModalOptions } from '../src/host/types'

/** amoCRM's modal window without its look: calls `init`, and `destroy` may keep it open. */
export default class ModalStandIn {
  private readonly root = document.createElement('div')

  constructor(private readonly options: ModalOptions) {
    this.root.className = `modal ${options.class_name ?? ''}`
    const body = document.createElement('div')
    body.className = 'modal-body'
    this.root.append(body)
    document.body.append(this.root)
    options.init($(body))
  }

  destroy(): void {
    if (this.options.destroy() === false) return
    this.root.remove()
  }
}

declare const $: JQueryStatic
