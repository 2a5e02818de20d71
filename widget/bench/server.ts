import { existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { extname, join } from 'node:path'

const require = createRequire(import.meta.url)
const DIST = join(import.meta.dirname, '..', 'dist')

/** Address that the built widget calls; the bench's server answers in its place. */
const BUILT_API_URL = 'https://flysk.example.test'

const TYPES: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.html': 'text/html' }

/** Turns of the long call: four hours. */
export const LONG_CALL_TURNS = 6_000

const SAYINGS = [
  'Добрый день, компания «Ромашка», меня зовут Анна, чем могу помочь?',
  'Здравствуйте! Хочу узнать, когда приедет мой заказ, обещали ещё вчера.',
  'Сейчас посмотрю. Подскажите, пожалуйста, номер заказа или телефон.',
  'Номер сорок два двенадцать. Ещё раз: вы обещали доставку до обеда.',
]

/** The long call as the API answers it. */
export const LONG_CALL = Array.from({ length: LONG_CALL_TURNS }, (_, at) => ({
  speaker: at % 2 === 0 ? 'operator' : 'client',
  channel: String(at % 2),
  start_ms: at * 2_400,
  end_ms: at * 2_400 + 2_100,
  text: SAYINGS[at % SAYINGS.length]!,
}))

function transcription(id: string, state: string): object {
  return {
    id, note_id: 1, entity_type: 'leads', entity_id: 1, state, state_label: state, labels: [], tags: [], summary: 'Итог.', short: 'Итог.',
    sentiment: null, partial: false, version: 0, roles_swapped: false, called_at: '2026-11-30T10:00:00.000Z', duration_ms: LONG_CALL_TURNS * 2_400,
    link: 'https://demo.amocrm.ru/leads/detail/1#flysense=tr_1',
  }
}

/** A record is finished, pending or without a transcription by the first letter of its id. */
function record(id: string): object {
  const bare = { record_id: id, state: 'none', is_pending: false, is_requested: false, note_id: 1, problem: null, transcription: null }
  if (id.startsWith('n')) return bare
  const isPending = id.startsWith('p')
  return { ...bare, state: 'transcribed', is_pending: isPending, transcription: transcription(`tr_${id}`, isPending ? 'recognizing' : 'done') }
}

/** A minute of silence, so that playing takes as long as it says. */
function silence(seconds: number): Buffer {
  const bytes = Buffer.alloc(44 + seconds * 8_000, 0x80)
  bytes.write('RIFF', 0)
  bytes.writeUInt32LE(bytes.length - 8, 4)
  bytes.write('WAVEfmt ', 8)
  bytes.writeUInt32LE(16, 16)
  bytes.writeUInt16LE(1, 20)
  bytes.writeUInt16LE(1, 22)
  bytes.writeUInt32LE(8_000, 24)
  bytes.writeUInt32LE(8_000, 28)
  bytes.writeUInt16LE(1, 32)
  bytes.writeUInt16LE(8, 34)
  bytes.write('data', 36)
  bytes.writeUInt32LE(bytes.length - 44, 40)
  return bytes
}

/** Serves the page, the widget and the answers of the API. The bench measures the browser, so that answers cost nothing. */
export class BenchServer {
  private server: Server | undefined
  private readonly audio = silence(60)
  private readonly bundles = new Map<string, string>()
  url = ''
  /** Requests to FlySense's operations so far. */
  requests = 0

  /** Adds a script of the bench. */
  serve(name: string, code: string): void {
    this.bundles.set(`/${name}`, code)
  }

  async start(): Promise<void> {
    this.server = createServer((request, response) => void this.answer(request, response))
    await new Promise<void>((done) => this.server!.listen(0, '127.0.0.1', done))
    const address = this.server.address()
    this.url = `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
  }

  stop(): void {
    this.server?.closeAllConnections()
    this.server?.close()
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const path = new URL(request.url ?? '/', 'http://bench').pathname
    if (path.startsWith('/v1/')) this.api(path, body, request, response)
    else this.file(path, response)
  }

  private api(path: string, body: string, request: IncomingMessage, response: ServerResponse): void {
    if (path.startsWith('/v1/flysense/')) this.requests += 1
    const json = (value: unknown): void => {
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify(value))
    }
    if (path === '/v1/handshake') {
      const session = { token: 'bench', expires_at: new Date(Date.now() + 900_000).toISOString() }
      json({ status: 'active', reason: null, warning: null, is_admin: true, connect_url: null, session })
    } else if (path.endsWith('/lookup')) {
      json({ items: (JSON.parse(body) as { record_ids: string[] }).record_ids.map(record), version: '1', unchanged: false })
    } else if (path.endsWith('/waveform')) {
      json({ bins: 400, duration_ms: LONG_CALL_TURNS * 2_400, absence: null, peaks: new Array(400).fill(50), speakers: [] })
    } else if (path.endsWith('/audio-link')) {
      json({ state: 'ready', url: `${this.url}/v1/audio`, expires_at: null })
    } else if (path === '/v1/audio') {
      this.sound(request, response)
    } else if (path.endsWith('/tags')) {
      json({ labels: [], own: [] })
    } else {
      json({ ...transcription(path.split('/').pop() ?? '', 'done'), utterances: LONG_CALL, talk: [], silence_ms: 0, payment: null, roles_rule: null, stages: [] })
    }
  }

  private sound(request: IncomingMessage, response: ServerResponse): void {
    const [, from = '0', until = ''] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? []
    const last = until === '' ? this.audio.length - 1 : Number(until)
    response.writeHead(206, {
      'Content-Type': 'audio/wav', 'Accept-Ranges': 'bytes', 'Content-Range': `bytes ${from}-${last}/${this.audio.length}`,
    })
    response.end(this.audio.subarray(Number(from), last + 1))
  }

  private file(path: string, response: ServerResponse): void {
    const bundle = this.bundles.get(path)
    const disk = this.onDisk(path)
    if (bundle === undefined && disk === null) {
      response.writeHead(404)
      response.end()
      return
    }
    response.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'text/html' })
    response.end(bundle ?? readFileSync(disk!, 'utf8').replaceAll(BUILT_API_URL, this.url))
  }

  private onDisk(path: string): string | null {
    if (path === '/') return join(import.meta.dirname, 'page.html')
    if (path === '/require.js') return require.resolve('requirejs/require.js')
    if (path === '/jquery.js') return require.resolve('jquery')
    const file = join(DIST, path.replace(/^\/widget\//, ''))
    return path.startsWith('/widget/') && existsSync(file) ? file : null
  }
}
