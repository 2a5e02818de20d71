/**
 * What amoCRM gives to a widget. Only documented members are declared, and every one of them may be missing: amoCRM promises
 * none. Source: amoCRM docs, web_sdk/mechanics, integrations/script_js.
 */

/** The object whose constructor is the value of `script.js`. amoCRM puts these members on its prototype. */
export interface HostWidget {
  callbacks: HostCallbacks
  params?: { path?: string; cdn_path?: string }
  langs?: Record<string, unknown>
  system?(): { area?: string; amouser_id?: number | string; domain?: string }
  get_settings?(): HostSettings
  get_version?(): string
  /** `installed`, `install` (not installed yet) or `not_configured`. */
  get_install_status?(): string
  i18n?(section: string): unknown
  set_status?(status: string): void
  /** `$.ajax` with the one-time token of the current user. Returns a jQuery 2 promise, which is not a Promise. */
  $authorizedAjax?(options: JQueryAjaxSettings): JQueryXHR
  /** Returns the function that ends the subscription. */
  listenSocketChannel?(channel: string, keys: string[], called: () => void): (() => void) | undefined
  /** Documented for Kommo; may be absent in amoCRM. */
  openWidgetSettings?(options?: { onClose?: () => void }): void
}

/** Settings that amoCRM keeps for the widget. */
export interface HostSettings {
  widget_code?: string
  path?: string
  version?: string
}

/** Callbacks that amoCRM calls. The first three must return `true`, or the widget does not run in cards. */
export interface HostCallbacks {
  render(): boolean
  bind_actions(): boolean
  init(): boolean
  settings(body: JQuery): void
  onSave(): boolean
  advancedSettings(): void
  destroy(): void
}

/** `window.APP`. */
export interface AmocrmApp {
  isCard?(): boolean
  getBaseEntity?(): string
  getWidgetsArea?(): string
  lang_id?: string
  constant?(name: string): unknown
  data?: { current_card?: { id?: number | string } }
  notifications?: {
    show_message_error?(message: { header: string; text: string; date: number; link?: string }): void
  }
}

/** Options of amoCRM's modal window. Source: amoCRM docs, web_sdk/system_modules. */
export interface ModalOptions {
  class_name?: string
  init(body: JQuery): void
  /** `false` keeps the window open. */
  destroy(): boolean | void
  disable_enter_keydown?: boolean
  disable_escape_keydown?: boolean
  disable_overlay_click?: boolean
}

/** An open modal window. */
export interface ModalWindow {
  destroy(): void
}

export type ModalConstructor = new (options: ModalOptions) => ModalWindow

declare global {
  interface Window {
    APP?: AmocrmApp
    /** Deprecated name of `APP`. */
    AMOCRM?: AmocrmApp
    /** amoCRM's loader of modules. Only as a whole it can forget a module. */
    requirejs?: { undef?(id: string): void }
  }
}
