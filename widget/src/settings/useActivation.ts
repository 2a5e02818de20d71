import { onScopeDispose, ref, shallowRef } from 'vue'
import { asProblem } from '../api/problem'
import type { Activation, ActivationLink } from '../api/types'
import { Poller } from '../calls/poller'
import { useContext } from '../context'

/** Interval of asking whether the person has confirmed the phone number, in milliseconds. */
const DELAYS = { first: 2_000, longest: 10_000, steadyFor: 60_000 }

/** States of a link in which something may still happen. */
const OPEN_STATES: readonly string[] = ['waiting', 'opened', 'bound']

/** Activation by messenger: the link, and what became of it. */
export function useActivation() {
  const { accountApi, host, texts, checkAccess, onProblem } = useContext()
  const activation = shallowRef<Activation | null>(null)
  const link = shallowRef<ActivationLink | null>(null)
  const problem = ref<string | null>(null)
  const isBusy = ref(false)
  /** Whether no messenger is connected on the server. */
  const isUnsupported = ref(false)
  const poller = new Poller(host.document, poll, (found) => onProblem(found), DELAYS)
  let isGone = false
  onScopeDispose(() => {
    isGone = true
    poller.stop()
  })

  async function attempt(act: () => Promise<void>): Promise<void> {
    isBusy.value = true
    problem.value = null
    try {
      await act()
    } catch (error) {
      const found = asProblem(error)
      onProblem(found)
      // A server without bots does not know the operation at all.
      isUnsupported.value = found.status === 404 || found.code === 'activation_unavailable'
      if (!isUnsupported.value) problem.value = texts.find(`problems.${found.code}`) ?? texts.get('problems.other')
    }
    isBusy.value = false
  }

  const load = (): Promise<void> => attempt(async () => {
    if ((await poll()).isPending) follow()
  })

  const create = (): Promise<void> => attempt(async () => {
    link.value = await accountApi.createActivationLink()
    await poll()
    follow()
  })

  const unbind = (id: string): Promise<void> => attempt(async () => {
    await accountApi.unbind(id)
    await poll()
  })

  /** Nobody waits for an answer that comes after the window was closed. */
  function follow(): void {
    if (!isGone) poller.start()
  }

  async function poll(): Promise<{ isPending: boolean; hasNews: boolean }> {
    const found = await accountApi.activation()
    const before = activation.value
    activation.value = found
    const isActive = found.install_status === 'active'
    if (isActive && before !== null && before.install_status !== 'active') await checkAccess()
    const isPending = !isActive && OPEN_STATES.includes(found.link?.state ?? '')
    return { isPending, hasNews: before?.link?.state !== found.link?.state }
  }

  return { activation, link, problem, isBusy, isUnsupported, load, create, unbind }
}
