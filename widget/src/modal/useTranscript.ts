import { computed, ref, shallowRef } from 'vue'
import { asProblem, type ApiProblem } from '../api/problem'
import type { TranscriptionDetails, TranscriptionEdit, Waveform } from '../api/types'
import { useContext } from '../context'
import { change, useAppStore } from '../store'
import { turnsOf } from './turns'

/** An edit for the server, and what it changes before the server has answered. */
export interface MadeEdit {
  edit: Omit<TranscriptionEdit, 'version'>
  patch: Partial<TranscriptionDetails>
}

/** Makes an edit of the transcription as it is now. */
export type MakeEdit = (current: TranscriptionDetails) => MadeEdit

/** A transcription in the window: loading, and optimistic edits with a version. */
export function useTranscript(id: string) {
  const { callsApi, onProblem } = useContext()
  const store = useAppStore()
  const details = shallowRef<TranscriptionDetails | null>(null)
  const waveform = shallowRef<Waveform | null>(null)
  const problem = ref<ApiProblem | null>(null)
  const isSaving = ref(false)
  const turns = computed(() => turnsOf(details.value?.utterances ?? []))

  async function load(): Promise<void> {
    problem.value = null
    try {
      put(await callsApi.details(id))
    } catch (error) {
      problem.value = told(error)
      return
    }
    try {
      waveform.value = await callsApi.waveform(id)
    } catch (error) {
      // The player works without it.
      told(error)
    }
  }

  function put(loaded: TranscriptionDetails): void {
    details.value = loaded
    change(store, 'putTranscription', loaded)
  }

  function told(error: unknown): ApiProblem {
    const found = asProblem(error)
    onProblem(found)
    return found
  }

  /**
   * Shows the change at once, sends it, and takes it back if the server refuses it. Throws the problem. `rebase` makes the
   * edit anew after somebody else changed the transcription; without it a conflict is thrown.
   */
  async function edit(make: MakeEdit, rebase: boolean): Promise<void> {
    const before = details.value
    if (!before) return
    const made = make(before)
    details.value = { ...before, ...made.patch }
    isSaving.value = true
    try {
      put(await callsApi.edit(id, { version: before.version, ...made.edit }))
    } catch (error) {
      details.value = before
      const found = told(error)
      if (found.status !== 409 || !rebase) throw found
      await reload()
      await edit(make, false)
    } finally {
      isSaving.value = false
    }
  }

  /** Reads the transcription again. Throws the problem. */
  async function reload(): Promise<TranscriptionDetails> {
    try {
      const loaded = await callsApi.details(id)
      put(loaded)
      return loaded
    } catch (error) {
      throw told(error)
    }
  }

  return { details, waveform, problem, isSaving, turns, load, edit, reload }
}

export type TranscriptModel = ReturnType<typeof useTranscript>
