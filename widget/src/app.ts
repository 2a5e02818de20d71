import './styles/style.css'
import { AccountApi } from './api/account'
import { createApiClient } from './api/client'
import { CallsApi } from './api/calls'
import { Session } from './api/session'
import { AccessWatch } from './access'
import { CallService } from './calls/service'
import { CardView } from './calls/card-view'
import type { Context } from './context'
import { Host, type HostParts } from './host/host'
import { Preferred, pageStorage } from './host/preferred'
import { Texts } from './host/texts'
import { TranscriptWindow } from './calls/transcript-window'
import type { MountPage, PageName } from './pages'
import { createAppStore } from './store'

/** The widget, after `script.js` has loaded it. */
export interface FlysenseApp {
  /** A card was opened. May be called twice without `leave`. */
  enterCard(): void
  /** amoCRM's settings window was opened; `form` is its form. */
  openSettings(form: HTMLElement | undefined): void
  /** The widget's own page was opened. */
  openBalancePage(): void
  /** The area was left, or the widget was switched off. */
  leave(): void
}

export type StartApp = (parts: HostParts) => FlysenseApp

/** Builds the widget on a page. Nothing is kept at the level of modules: amoCRM may build it twice. */
export const start: StartApp = (parts) => {
  const host = new Host(parts)
  const texts = new Texts(host)
  const store = createAppStore()
  const preferred = new Preferred(pageStorage(parts.window), host.userId)
  const access = new AccessWatch(host, texts, store, preferred)
  const session = new Session(host, __API_URL__, (outcome) => access.onHandshake(outcome))
  const client = createApiClient(__API_URL__, session, (request) => parts.window.fetch(request))
  const callsApi = new CallsApi(client)
  const calls = new CallService(callsApi, store, host.document, (problem) => access.onProblem(problem))
  const context: Context = {
    host,
    texts,
    callsApi,
    accountApi: new AccountApi(client),
    calls,
    preferred,
    openTranscript: (id, atMs) => transcripts.open(id, atMs),
    warmUpTranscript: () => transcripts.warmUp(),
    openBalance: () => openBalance(host),
    flycoinsPage: async () => {
      const outcome = await session.renew()
      return 'handshake' in outcome ? (outcome.handshake.billing_urls.flycoins ?? null) : null
    },
    checkAccess: async () => {
      access.forgetRefusal()
      const outcome = await session.renew()
      if ('handshake' in outcome && outcome.handshake.status === 'active') calls.resume()
    },
    onProblem: (problem) => access.onProblem(problem),
  }
  const transcripts = new TranscriptWindow(context, store)
  const cards = new CardView(context, store)
  access.onBlocked = () => calls.stopPolling()
  access.onRecovered = () => calls.resume()
  let closePage: (() => void) | undefined
  /** Counts pages: one that was left while its code was loading is not shown. */
  let visit = 0

  function leave(): void {
    visit += 1
    cards.leave()
    transcripts.close()
    access.stop()
    closePage?.()
    closePage = undefined
  }

  function openPage(name: PageName, place: Element | null | undefined): void {
    if (!place) return
    const mine = ++visit
    watchAccess()
    host.load<{ mountPage: MountPage }>('views').then(
      ({ mountPage }) => {
        if (mine !== visit) return
        closePage?.()
        closePage = mountPage(name, place, context, store)
      },
      () => host.notifyError(texts.get('access.header'), texts.get('problems.offline')),
    )
  }

  const watchAccess = (): void => access.start(() => void session.renew())

  host.addStyles()
  return {
    enterCard() {
      leave()
      watchAccess()
      cards.enter()
    },
    openSettings(form) {
      openPage('settings', form?.querySelector('.widget_settings_block__fields') ?? form)
    },
    openBalancePage() {
      const { document, code } = host
      openPage('balance', document.getElementById(`work-area-${code}`) ?? document.getElementById('list_page_holder'))
    },
    leave,
  }
}

/** Leads to the balance: the settings window if amoCRM can open it, otherwise the widget's own page. */
function openBalance(host: Host): void {
  if (host.isKnownToOpenSettings) host.openSettings()
  else host.window.open(`/settings/widgets/${encodeURIComponent(host.code)}/`, '_blank', 'noopener')
}
