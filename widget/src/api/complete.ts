import type { CallRecord, TagDictionary, Transcription, TranscriptionDetails, Waveform } from './types'

/**
 * Answers with every list that the widget reads. A cut answer, a proxy or an older server may leave one out; a missing list must
 * not take the whole view with it.
 */
export function completeTranscription<T extends Transcription>(told: T): T {
  return { ...told, labels: told.labels ?? [], tags: told.tags ?? [] }
}

export function completeRecord(told: CallRecord): CallRecord {
  return told.transcription ? { ...told, transcription: completeTranscription(told.transcription) } : told
}

export function completeDetails(told: TranscriptionDetails): TranscriptionDetails {
  const { utterances, talk } = told
  return { ...completeTranscription(told), utterances: utterances ?? [], talk: talk ?? [] }
}

export function completeWaveform(told: Waveform): Waveform {
  return { ...told, peaks: told.peaks ?? [], speakers: told.speakers ?? [] }
}

export function completeTags(told: TagDictionary): TagDictionary {
  return { labels: told.labels ?? [], own: told.own ?? [] }
}
