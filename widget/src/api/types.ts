import type { components } from './schema'

type Schemas = components['schemas']

export type Handshake = Schemas['Handshake']
export type CallRecord = Schemas['CallRecord']
export type Transcription = Schemas['Transcription']
export type TranscriptionDetails = Schemas['TranscriptionDetails']
export type TranscriptionEdit = Schemas['TranscriptionEdit']
export type TranscriptionLabel = Schemas['TranscriptionLabel']
export type Utterance = Schemas['Utterance']
export type ReceiptLine = Schemas['ReceiptLine']
export type SpeakerStatistics = Schemas['SpeakerStatistics']
export type TagDictionary = Schemas['TagSuggestions']
export type AudioLink = Schemas['AudioLink']
export type Waveform = Schemas['Waveform']
export type CallStatistics = Schemas['CallStatistics']
export type Wallet = Schemas['Wallet']
export type Transaction = Schemas['Transaction']
export type Package = Schemas['FlycoinPackage']
export type Purchase = Schemas['Purchase']
export type TopUpLimits = Schemas['TopUpLimits']
export type OccupiedSeat = Schemas['OccupiedSeat']
export type Preferences = Schemas['Preferences']
export type Activation = Schemas['Activation']
/** A new link, with the addresses of the bots. */
export type ActivationLink = Schemas['CreatedActivationLink']

/** Who speaks in an utterance. The server may name others; they are shown as `unknown`. */
export type Speaker = 'operator' | 'client' | 'unknown'
