import { computed, ref, shallowRef } from 'vue'
import type { Order } from '../api/account'
import { asProblem, type ApiProblem } from '../api/problem'
import type { Purchase } from '../api/types'
import { Poller, type PollResult } from '../calls/poller'
import { useContext } from '../context'

/** The bank's form is there after a second or two; payment takes as long as the buyer does. */
const DELAYS = { first: 1_500, longest: 10_000, steadyFor: 20_000 }

/** A purchase from the order to the credited coins. The bank's form opens in a tab of its own. */
export function usePurchase(onPaid: () => void) {
  const { accountApi, host, texts, onProblem } = useContext()
  const purchase = shallowRef<Purchase | null>(null)
  const isOrdering = ref(false)
  const problem = ref<string | null>(null)
  /** Tab that was opened by the click: browsers refuse one that opens later. */
  let tab: Window | null = null
  let id = ''
  /** Whether the form is gone: then the purchase is followed until its tab shows the bank's form, and no longer. */
  let isGone = false
  /** An order of which nothing is known yet is sent again with its key, so that it is not made twice. */
  let unanswered: { order: string; key: string } | null = null

  // The bank's tab hides this page, and waits for its answer.
  const poller = new Poller(host.document, poll, onPollProblem, DELAYS, true)

  async function begin(order: Order, email: string): Promise<void> {
    poller.stop()
    isOrdering.value = true
    problem.value = null
    purchase.value = null
    id = ''
    closeTab()
    tab = host.window.open('', '_blank')
    const text = JSON.stringify([order, email])
    const key = unanswered?.order === text ? unanswered.key : randomKey(host.window.crypto)
    unanswered = { order: text, key }
    try {
      id = (await accountApi.buy(order, email, key)).id
      await follow()
    } catch (error) {
      const found = asProblem(error)
      onProblem(found)
      giveUp(found)
    }
    isOrdering.value = false
  }

  /** Asks for the purchase until it is settled. The order is made: a problem that passes does not end it. */
  async function follow(): Promise<void> {
    try {
      await poll()
    } catch (error) {
      const found = asProblem(error)
      onPollProblem(found)
      if (!found.isTransient) return
    }
    if (!isGone || tab) poller.start()
  }

  async function poll(): Promise<PollResult> {
    const asked = id
    const found = await accountApi.purchase(asked).catch((error: unknown) => {
      if (asked === id) throw error
      return null
    })
    // Without this, the answer for an earlier order would take the tab of a later one.
    if (found === null || asked !== id) return { isPending: true, hasNews: false }
    unanswered = null
    problem.value = null
    const hasNews = found.state !== purchase.value?.state
    purchase.value = found
    if (found.payment_url && tab) {
      tab.opener = null
      tab.location.href = found.payment_url
      tab = null
    }
    if (found.state === 'failed') closeTab()
    if (found.state === 'paid' && hasNews) onPaid()
    return { isPending: !found.settled && (!isGone || tab !== null), hasNews }
  }

  function onPollProblem(found: ApiProblem): void {
    onProblem(found)
    if (!found.isTransient) giveUp(found)
    else if (purchase.value === null) problem.value = texts.get('call.offline')
  }

  function giveUp(found: ApiProblem): void {
    if (!found.isTransient) unanswered = null
    problem.value = texts.find(`problems.${found.code}`) ?? texts.get('problems.other')
    closeTab()
  }

  function closeTab(): void {
    tab?.close()
    tab = null
  }

  const isBusy = computed(() => isOrdering.value || (problem.value === null && purchase.value !== null && !purchase.value.settled && !purchase.value.payment_url))
  const paymentUrl = computed(() => purchase.value?.payment_url ?? null)
  const failure = computed(() => problem.value ?? purchase.value?.failure ?? null)
  const label = computed(() => purchase.value?.label ?? null)

  function stop(): void {
    isGone = true
    if (!tab) poller.stop()
  }

  return { begin, stop, isBusy, paymentUrl, failure, label }
}

/** A random idempotency key. `crypto.randomUUID` is missing on pages without https. */
function randomKey(crypto: Crypto): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
