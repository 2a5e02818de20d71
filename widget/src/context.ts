import { inject, type InjectionKey } from 'vue'
import type { AccountApi } from './api/account'
import type { CallsApi } from './api/calls'
import { asProblem, type ApiProblem } from './api/problem'
import type { CallService } from './calls/service'
import type { Host } from './host/host'
import type { Texts, TextValues } from './host/texts'
import type { Preferred } from './host/preferred'

/** What components get besides the store. */
export interface Context {
  host: Host
  texts: Texts
  callsApi: CallsApi
  accountApi: AccountApi
  calls: CallService
  preferred: Preferred
  /** Opens the dialogue of a call, at a moment if one is given. */
  openTranscript(transcriptionId: string, atMs?: number): void
  /** Loads the code of the dialogue's window before it is needed. */
  warmUpTranscript(): void
  /** Where the user tops up: the settings window, or the balance page. */
  openBalance(): void
  /** A new link to the hosted page of Flycoins, which opens once; `null` if there is none. */
  flycoinsPage(): Promise<string | null>
  /** Asks for access again, after the user has acted. */
  checkAccess(): Promise<void>
  /** Tells a problem of a request: one that ends access blocks the widget. */
  onProblem(problem: ApiProblem): void
}

export const CONTEXT_KEY: InjectionKey<Context> = Symbol('flysense context')

/** The context, in `setup`. */
export function useContext(): Context {
  const context = inject(CONTEXT_KEY)
  if (!context) throw new Error('the context is not provided')
  return context
}

/** The text function, in `setup`. */
export function useTexts(): (key: string, values?: TextValues) => string {
  const { texts } = useContext()
  return (key, values) => texts.get(key, values)
}

/** In `setup`: tells the widget of an error of a request, and says it in words that the user can act on. */
export function useExplain(): (error: unknown, otherwise?: string) => string {
  const { texts, onProblem } = useContext()
  return (error, otherwise = 'problems.other') => {
    const problem = asProblem(error)
    onProblem(problem)
    return texts.find(`problems.${problem.code}`) ?? texts.get(otherwise)
  }
}
