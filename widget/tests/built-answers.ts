/** Answers of the API for the test of the built widget, by the path. */

/** State of a record's transcription by the first letter of its id; none for others. */
const STATES: Record<string, string> = { p: 'recognizing', d: 'done' }

function transcription(id: string, state: string): object {
  return {
    id, note_id: 1, entity_type: 'leads', entity_id: 1, state, state_label: state, labels: [], tags: [], summary: 'Клиент ждёт курьера.',
    short: 'Клиент ждёт курьера.', sentiment: null, partial: false, version: 0, roles_swapped: false, called_at: '2026-11-30T10:00:00.000Z',
    duration_ms: 60_000, link: 'https://demo.amocrm.ru/leads/detail/1#flysense=tr_1',
  }
}

function record(id: string, state = STATES[id[0]!]): object {
  const isPending = state !== undefined && state !== 'done'
  return {
    record_id: id, state: state ? 'transcribed' : 'none', is_pending: isPending, is_requested: false, note_id: 1, problem: null,
    transcription: state ? transcription(`tr_${id}`, state) : null,
  }
}

const UTTERANCES = [
  { speaker: 'operator', channel: '0', start_ms: 0, end_ms: 900, text: 'Добрый день!' },
  { speaker: 'client', channel: '1', start_ms: 1_000, end_ms: 2_000, text: 'Здравствуйте, где заказ?' },
]

/** Answers by the end of the path. */
const ANSWERS: Record<string, object> = {
  waveform: { bins: 2, duration_ms: 60_000, absence: null, peaks: [1, 50], speakers: [] },
  tags: { labels: [{ code: 'payment', label: 'Оплата' }], own: [] },
  wallet: { available_micro: 963_000_000, held_micro: 0, forecast: null, expiring: [] },
  transactions: { items: [{ id: 't1', time: '2026-11-30T10:00:00Z', kind: 'capture', label: 'Списание', reference: null, amount_micro: -5_000_000 }], next: null },
  packages: { items: [] },
  'top-up': { min_kopecks: 100, max_kopecks: 1_000_000_000, step_kopecks: 100, coin_price_kopecks: 100 },
  statistics: { items: [], totals: { calls: 0, seconds_billed: 0, charged_micro: 0 } },
  preferences: { auto: true, left_channel: 'operator', hooks_state: 'active' },
  activation: { install_status: 'active', messengers: [], link: null, bindings: [] },
}

/** The answer to a request of the widget. */
export async function answerTo(request: Request): Promise<Response> {
  const operation = new URL(request.url).pathname.split('/').pop() ?? ''
  const text = await request.text()
  const body = (text === '' ? {} : JSON.parse(text)) as { record_ids?: string[]; added_labels?: string[] }
  return new Response(JSON.stringify(answer(operation, body)), { headers: { 'Content-Type': 'application/json' } })
}

function answer(operation: string, body: { record_ids?: string[]; added_labels?: string[] }): object {
  const ids = body.record_ids ?? []
  if (operation === 'lookup') return { items: ids.map((id) => record(id)), version: '1', unchanged: false }
  if (operation === 'batch') return { items: ids.map((id) => record(id, 'queued')) }
  const added = (body.added_labels ?? []).map((code) => ({ code, label: 'Оплата', source: 'added', removed: false, notable: true, speakers: [], hits: 0 }))
  return ANSWERS[operation] ?? { ...transcription(operation, 'done'), labels: added, utterances: UTTERANCES, talk: [], silence_ms: 0, payment: null, roles_rule: null, stages: [] }
}
