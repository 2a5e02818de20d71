import { createApp, type Component } from 'vue'
import BalancePage from './balance/BalancePage.vue'
import { CONTEXT_KEY, type Context } from './context'
import { ROOT_CLASS } from './host/host'
import SettingsWindow from './settings/SettingsWindow.vue'
import { STORE_KEY, type AppStore } from './store'

export type PageName = 'settings' | 'balance'

/** Returns the function that unmounts. */
export type MountPage = (name: PageName, place: Element, context: Context, store: AppStore) => () => void

const PAGES: Record<PageName, Component> = { settings: SettingsWindow, balance: BalancePage }

/**
 * Mounts a page in an own root element at the end of a place of amoCRM's page. Mounting again replaces the former one: amoCRM
 * may open its settings window twice.
 */
export const mountPage: MountPage = (name, place, context, store) => {
  place.querySelectorAll(':scope > .flysense-page').forEach((former) => former.remove())
  const element = context.host.document.createElement('div')
  element.className = `${ROOT_CLASS} flysense-page`
  place.append(element)
  const app = createApp(PAGES[name])
  app.provide(CONTEXT_KEY, context).provide(STORE_KEY, store)
  app.mount(element)
  return () => {
    app.unmount()
    element.remove()
  }
}
