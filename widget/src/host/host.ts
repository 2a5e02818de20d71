import type { AmocrmApp, HostWidget, ModalConstructor, ModalWindow } from './types'

/** Class of every element below which the widget's styles apply. */
export const ROOT_CLASS = 'flysense-ai'

/** Width of the window with the dialogue. */
const MODAL_WIDTH = 'min(1080px, calc(100vw - 48px))'

/** What `script.js` hands to the app. */
export interface HostParts {
  widget: HostWidget
  jquery: JQueryStatic
  Modal: ModalConstructor
  window: Window
  /** Loads a module of the widget's own folder, by its name without the version. */
  load(name: string): Promise<unknown>
}

/** A card: kind and id of the entity. */
export interface Card {
  entityType: EntityType
  entityId: number
}

export type EntityType = 'leads' | 'contacts' | 'companies' | 'customers'

const ENTITY_TYPES: readonly string[] = ['leads', 'contacts', 'companies', 'customers']

/** Answer of a request with amoCRM's one-time token. Status 0: no answer (offline, CORS, a blocker). */
export interface AuthorizedAnswer {
  status: number
  body: unknown
}

/** Content of a modal window. */
export interface ModalContent {
  /** Puts the content into an empty element. */
  mount(element: HTMLElement): void
  /** Asked before closing; `false` keeps the window open. */
  mayClose(): boolean
  /** Called once, when the window closes. */
  unmount(): void
}

/** amoCRM's page, reduced to what the widget needs. Reads `APP`, never writes to it. */
export class Host {
  constructor(private readonly parts: HostParts) {}

  get window(): Window {
    return this.parts.window
  }

  /** Loads a part of the widget: the exports of its module. */
  load<Part>(name: string): Promise<Part> {
    return this.parts.load(name) as Promise<Part>
  }

  get document(): Document {
    return this.parts.window.document
  }

  /** Code that amoCRM gave to the widget; part of ids and class names of amoCRM's own markup. */
  get code(): string {
    return this.parts.widget.get_settings?.().widget_code ?? ''
  }

  /** Id of the current user; keys what is remembered per user. */
  get userId(): string {
    return String(this.parts.widget.system?.().amouser_id ?? '')
  }

  /** Whether the account has installed the widget. Until then amoCRM gives no token, and every request would fail. */
  get isInstalled(): boolean {
    return this.parts.widget.get_install_status?.() !== 'install'
  }

  get language(): string {
    return this.app.lang_id ?? 'ru'
  }

  get isKnownToOpenSettings(): boolean {
    return typeof this.parts.widget.openWidgetSettings === 'function'
  }

  openSettings(): void {
    this.parts.widget.openWidgetSettings?.()
  }

  /** A section of the widget's texts in the user's language. */
  texts(section: string): Record<string, unknown> {
    const own = this.parts.widget.i18n?.(section) ?? this.parts.widget.langs?.[section]
    return own !== null && typeof own === 'object' ? (own as Record<string, unknown>) : {}
  }

  /** The open card; `null` on other pages and while the card is not saved. */
  card(): Card | null {
    const entityType = this.app.getBaseEntity?.() ?? ''
    const entityId = Number(this.app.data?.current_card?.id ?? 0)
    if (this.app.isCard?.() === false || !ENTITY_TYPES.includes(entityType) || !(entityId > 0)) return null
    return { entityType: entityType as EntityType, entityId }
  }

  /** Sends a request with a fresh one-time token. Never rejects. */
  authorizedPost(url: string): Promise<AuthorizedAnswer> {
    return new Promise((resolve) => {
      const ajax = this.parts.widget.$authorizedAjax
      if (!ajax) {
        resolve({ status: 0, body: null })
        return
      }
      // jQuery 2 gets stuck if a callback throws, so that each only resolves.
      ajax
        .call(this.parts.widget, { url, method: 'POST', type: 'POST', dataType: 'json', timeout: 15_000 })
        .done((body: unknown, _text: string, xhr: JQueryXHR) => resolve({ status: xhr?.status ?? 200, body }))
        .fail((xhr: JQueryXHR) => resolve({ status: xhr?.status ?? 0, body: xhr?.responseJSON ?? null }))
    })
  }

  /** Shows a message on the screen only: `add_error` would also send e-mails and pushes. The texts must be our own. */
  notifyError(header: string, text: string, link?: string): void {
    const date = Math.floor(Date.now() / 1000)
    this.app.notifications?.show_message_error?.({ header, text, date, ...(link ? { link } : {}) })
  }

  /** Calls back when amoCRM announces a change of the card. Only a hint: the feed's elements decide. */
  onCardEvent(card: Card, called: () => void): () => void {
    const end = this.parts.widget.listenSocketChannel?.(`${card.entityType}:card:${card.entityId}`, [], called)
    return typeof end === 'function' ? end : () => undefined
  }

  /** Opens amoCRM's modal window. Enter must not reach amoCRM, which takes it as consent. */
  openModal(content: ModalContent): ModalWindow {
    const { Modal, jquery } = this.parts
    let isMounted = false
    let body: JQuery | undefined
    const modal = new Modal({
      class_name: `${ROOT_CLASS} flysense-modal`,
      disable_enter_keydown: true,
      init: ($body) => {
        body = $body
        const element = this.document.createElement('div')
        element.className = 'flysense-modal__content'
        // The body of this window only; amoCRM's own style sheet gives all windows a fixed width.
        jquery($body).css({ width: MODAL_WIDTH, padding: 0 })
        jquery($body).trigger('modal:loaded').append(element)
        isMounted = true
        content.mount(element)
        jquery($body).trigger('modal:centrify')
      },
      destroy: () => {
        if (!isMounted) return true
        if (!content.mayClose()) return false
        isMounted = false
        content.unmount()
        body?.find('.flysense-modal__content').remove()
        return true
      },
    })
    return modal
  }

  /** Lets amoCRM place the window of an element anew, after the size of its content has changed. */
  centrify(element: Element): void {
    this.parts.jquery(element).closest('.modal-body').trigger('modal:centrify')
  }

  /** Adds the style sheet of this version and removes those of other versions. */
  addStyles(): void {
    const settings = this.parts.widget.get_settings?.() ?? {}
    const folder = settings.path ?? this.parts.widget.params?.path ?? this.parts.widget.params?.cdn_path ?? ''
    const href = `${folder.replace(/\/+$/, '')}/style.css?v=${__WIDGET_VERSION__}`
    const links = [...this.document.querySelectorAll<HTMLLinkElement>('link[data-flysense-styles]')]
    links.filter((link) => link.getAttribute('href') !== href).forEach((link) => link.remove())
    if (links.some((link) => link.getAttribute('href') === href)) return
    const link = this.document.createElement('link')
    link.rel = 'stylesheet'
    link.href = href
    link.dataset.flysenseStyles = ''
    this.document.head.append(link)
  }

  private get app(): AmocrmApp {
    return this.parts.window.APP ?? this.parts.window.AMOCRM ?? {}
  }
}
