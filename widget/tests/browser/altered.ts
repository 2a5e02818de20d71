import type { Page, Route } from 'playwright-core'
import { environment } from './environment'

/** Passes a request of a page on to the real API, and returns its answer. */
async function answerOf(route: Route): Promise<{ status: number; text: string }> {
  const request = route.request()
  const { pathname, search } = new URL(request.url())
  const { authorization = '', 'content-type': type = 'application/json' } = request.headers()
  const answer = await fetch(`${environment.api_url}${pathname}${search}`, {
    method: request.method(),
    headers: { Authorization: authorization, 'Content-Type': type },
    body: request.postData(),
  })
  return { status: answer.status, text: await answer.text() }
}

/** Sends an answer to a page of another origin. */
export function fulfill(route: Route, status: number, body: string, contentType = 'application/json'): Promise<void> {
  return route.fulfill({ status, body, contentType, headers: { 'Access-Control-Allow-Origin': '*' } })
}

/** From now on, successful answers of the real API to these requests reach the page changed. */
export async function alter<Body>(page: Page, path: RegExp, change: (body: Body) => void): Promise<void> {
  await page.route(path, async (route) => {
    const { status, text } = await answerOf(route)
    if (status !== 200) return fulfill(route, status, text, 'application/problem+json')
    const body = JSON.parse(text) as Body
    change(body)
    return fulfill(route, status, JSON.stringify(body))
  })
}

/** From now on, successful answers of the real API to these requests reach the page only in part. */
export async function cut(page: Page, path: RegExp): Promise<void> {
  await page.route(path, async (route) => {
    const { status, text } = await answerOf(route)
    await fulfill(route, status, text.slice(0, text.length / 2))
  })
}

/** From now on, these requests are answered as by a server in trouble. */
export async function fail(page: Page, path: RegExp, status: number, code: string | null): Promise<void> {
  const [body, type] = code === null ? ['<html>Bad gateway</html>', 'text/html'] : [JSON.stringify({ status, code }), 'application/problem+json']
  await page.route(path, (route) => fulfill(route, status, body, type))
}

export const LOOKUP = /\/v1\/flysense\/transcriptions\/lookup$/
export const BATCH = /\/v1\/flysense\/transcriptions\/batch$/
export const DETAILS = /\/v1\/flysense\/transcriptions\/tr_\w+$/
