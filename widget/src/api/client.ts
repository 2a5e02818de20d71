import createClient, { type Client } from 'openapi-fetch'
import type { paths } from './schema'
import { ApiProblem, asProblem, problemOf } from './problem'
import type { Session } from './session'

/** Time after which a request without its whole answer counts as unanswered, in milliseconds. */
const REQUEST_TIMEOUT_MS = 20_000

export type ApiClient = Client<paths>

/** Answer of an operation of the generated client. */
interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

/** The generated client with the session's token; a refused token is renewed once. */
export function createApiClient(apiUrl: string, session: Session, send: typeof fetch): ApiClient {
  const authorized = async (request: Request): Promise<Response> => {
    const first = await sendOnce(request.clone(), await session.bearer(), send)
    if (first.status !== 401) return first
    const outcome = await session.renew()
    if ('problem' in outcome) throw outcome.problem
    return sendOnce(request, await session.bearer(), send)
  }
  return createClient<paths>({
    baseUrl: apiUrl,
    fetch: authorized,
    pathSerializer: (path, values) => path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(values[name]))),
    querySerializer: (query) => new URLSearchParams(query as Record<string, string>).toString(),
    bodySerializer: (body) => JSON.stringify(body),
  })
}

async function sendOnce(request: Request, token: string, send: typeof fetch): Promise<Response> {
  const headers = new Headers(request.headers)
  headers.set('Authorization', `Bearer ${token}`)
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), REQUEST_TIMEOUT_MS)
  try {
    const answer = await send(new Request(request, { headers, signal: abort.signal, credentials: 'omit' }))
    // With its body: an answer that stops halfway is unanswered, too.
    const body = await answer.arrayBuffer()
    return new Response(body.byteLength > 0 ? body : null, answer)
  } finally {
    clearTimeout(timer)
  }
}

/** The body of a successful answer; throws an `ApiProblem` otherwise. */
export async function bodyOf<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data } = await succeeded(asked)
  if (data === undefined) throw new ApiProblem(0, 'bad_answer')
  return data
}

/** A successful answer, with or without a body; throws an `ApiProblem` otherwise. */
export async function succeeded<T>(asked: Promise<Answer<T>>): Promise<Answer<T>> {
  let answer: Answer<T>
  try {
    answer = await asked
  } catch (error) {
    throw asProblem(error)
  }
  if (answer.response.ok) return answer
  throw problemOf(answer.response.status, answer.error, answer.response.headers)
}
