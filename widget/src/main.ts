import load from 'require'
import jquery from 'jquery'
import Modal from 'lib/components/base/modal'
import type { FlysenseApp, StartApp } from './app'
import type { HostWidget } from './host/types'

/**
 * The widget as amoCRM sees it. A plain function, because amoCRM puts its own members on the prototype.
 *
 * The callbacks answer at once; the rest of the widget is in `app-<version>.js`, which is loaded from the widget's own folder
 * by its whole address: a relative name would be looked up in the folder of the page if amoCRM loads `script.js` by a name.
 */
export default function Widget(this: HostWidget): void {
  const host = this
  let app: FlysenseApp | undefined
  let isLoading = false
  /** What to do once the app is loaded. `destroy` empties it. */
  let waiting: ((app: FlysenseApp) => void)[] = []

  function loadPart(name: string): Promise<unknown> {
    const address = `${folder(host)}/${name}-${__WIDGET_VERSION__}.js`
    return new Promise((resolve, reject) => {
      load([address], resolve, (error) => {
        forget(address, error)
        reject(error)
      })
    })
  }

  function withApp(act: (app: FlysenseApp) => void): void {
    if (app) {
      act(app)
      return
    }
    waiting.push(act)
    if (isLoading) return
    isLoading = true
    loadPart('app').then(
      (part) => {
        isLoading = false
        const { start } = part as { start: StartApp }
        app = start({ widget: host, jquery, Modal, window, load: loadPart })
        const acts = waiting
        waiting = []
        acts.forEach((act) => act(app!))
      },
      () => {
        // The next callback of amoCRM tries again.
        isLoading = false
        waiting = []
      },
    )
  }

  this.callbacks = {
    render: () => true,
    bind_actions: () => true,
    init: () => {
      withApp((loaded) => loaded.enterCard())
      return true
    },
    settings: (body) => withApp((loaded) => loaded.openSettings(body.get(0))),
    onSave: () => true,
    advancedSettings: () => withApp((loaded) => loaded.openBalancePage()),
    destroy: () => {
      waiting = []
      app?.leave()
    },
  }
}

/**
 * Lets the next question load a part again. RequireJS keeps a failure for as long as the page lives, also that of a file that the
 * part itself needs, and would answer with it at once.
 */
function forget(address: string, error: unknown): void {
  const failed = (error as { requireModules?: string[] } | null)?.requireModules ?? []
  for (const id of new Set([address, ...failed])) window.requirejs?.undef?.(id)
}

/** Address of the widget's folder, without a slash at its end. */
function folder(host: HostWidget): string {
  const path = host.get_settings?.().path ?? host.params?.path ?? host.params?.cdn_path ?? ''
  return path.replace(/\/+$/, '')
}
