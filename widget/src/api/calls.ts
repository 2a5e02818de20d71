import type { Card } from '../host/host'
import { bodyOf, succeeded, type ApiClient } from './client'
import { completeDetails, completeRecord, completeTags, completeTranscription, completeWaveform } from './complete'
import type {
  AudioLink,
  CallRecord,
  TagDictionary,
  Transcription,
  TranscriptionDetails,
  TranscriptionEdit,
  Waveform,
} from './types'

/** Most records of one look-up and of one request. Source: the OpenAPI document. */
export const LOOKUP_LIMIT = 300
const REQUEST_LIMIT = 50

export type ExportFormat = 'txt' | 'srt' | 'docx'

/** A file of the API. */
export interface ExportedFile {
  name: string
  content: Blob
}

/** Result of a look-up; `null`: nothing has changed since `version`. */
export interface Lookup {
  version: string
  items: CallRecord[] | null
}

/** FlySense's operations on calls. Every method throws an `ApiProblem`. */
export class CallsApi {
  constructor(private readonly client: ApiClient) {}

  /** State of records of the feed. At most `LOOKUP_LIMIT` ids. */
  async lookUp(recordIds: string[], version?: string): Promise<Lookup> {
    const body = { record_ids: recordIds, ...(version ? { version } : {}) }
    const found = await bodyOf(this.client.POST('/v1/flysense/transcriptions/lookup', { body }))
    return { version: found.version, items: found.unchanged ? null : (found.items ?? []).map(completeRecord) }
  }

  async request(card: Card, recordIds: string[]): Promise<CallRecord[]> {
    const body = {
      entity_type: card.entityType,
      entity_id: card.entityId,
      record_ids: recordIds.slice(0, REQUEST_LIMIT),
    }
    const { items } = await bodyOf(this.client.POST('/v1/flysense/transcriptions/batch', { body }))
    return (items ?? []).map(completeRecord)
  }

  async details(id: string): Promise<TranscriptionDetails> {
    return completeDetails(await bodyOf(this.client.GET('/v1/flysense/transcriptions/{id}', { params: { path: { id } } })))
  }

  async edit(id: string, edit: TranscriptionEdit): Promise<TranscriptionDetails> {
    const params = { path: { id } }
    return completeDetails(await bodyOf(this.client.PATCH('/v1/flysense/transcriptions/{id}', { params, body: edit })))
  }

  async cancel(id: string): Promise<Transcription> {
    const params = { path: { id } }
    return completeTranscription(await bodyOf(this.client.POST('/v1/flysense/transcriptions/{id}/cancel', { params })))
  }

  async waveform(id: string): Promise<Waveform> {
    const params = { path: { id } }
    return completeWaveform(await bodyOf(this.client.GET('/v1/flysense/transcriptions/{id}/waveform', { params })))
  }

  audioLink(id: string): Promise<AudioLink> {
    return bodyOf(this.client.POST('/v1/flysense/transcriptions/{id}/audio-link', { params: { path: { id } } }))
  }

  async tags(): Promise<TagDictionary> {
    return completeTags(await bodyOf(this.client.GET('/v1/flysense/tags', {})))
  }

  async export(id: string, format: ExportFormat, withTimes: boolean): Promise<ExportedFile> {
    const params = { path: { id }, query: { format, times: withTimes } }
    const asked = this.client.GET('/v1/flysense/transcriptions/{id}/export', { params, parseAs: 'blob' })
    const { response, data } = await succeeded<unknown>(asked)
    const name = fileName(response.headers.get('Content-Disposition')) ?? `call.${format}`
    return { name, content: data as Blob }
  }
}

/** The name of `attachment; filename*=UTF-8''…`. */
export function fileName(disposition: string | null): string | null {
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition ?? '')?.[1]
  if (encoded) {
    try {
      return decodeURIComponent(encoded)
    } catch {
      return null
    }
  }
  return /filename="([^"]+)"/i.exec(disposition ?? '')?.[1] ?? null
}
