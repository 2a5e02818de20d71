import { AmocrmError, InvalidPathError } from './errors.js'
import { checkPath, errorOf, type Answer } from './transport.js'

const API = '/api/v4/'

/**
 * Path of the gateway for one of amoCRM: `leads/1`, `/api/v4/leads/1`, or an address of `_links`. Throws `InvalidPathError` for
 * an address outside of amoCRM's API, and for a segment `.` or `..`.
 */
export function gatewayPath(path: string): string {
  checkPath(path)
  const isAddress = /^https?:\/\//.test(path)
  const { pathname, search } = isAddress ? new URL(path) : splitPath(path)
  if (pathname.startsWith(API)) return `/v1/amocrm${pathname}${search}`
  if (isAddress) throw new InvalidPathError("an address of amoCRM's API has a path that begins with /api/v4/")
  return `/v1/amocrm${API}${pathname.replace(/^\/+/, '')}${search}`
}

/** The headers that name the account, and the user whose rights the request has. */
export function gatewayHeaders(accountId: number, userId: number | undefined): Record<string, string> {
  return { 'X-Account-Id': String(accountId), ...(userId === undefined ? {} : { 'X-Context-User-ID': String(userId) }) }
}

/** The parsed body, undefined for 204; throws an `AmocrmError` or an `ApiError`, depending on whose error it is. */
export function gatewayResult(answer: Answer): unknown {
  if (answer.headers.get('X-Flysk-Answer') !== 'amocrm') throw errorOf(answer)
  let body: unknown
  try {
    body = answer.json()
  } catch {
    // A page instead of JSON: a redirect to a login, or a block.
    throw new AmocrmError(answer.status, answer.text())
  }
  if (!answer.isSuccess) throw new AmocrmError(answer.status, body)
  return body
}

/** Address of the page after this one; undefined after the last. */
export function nextPath(page: unknown): string | undefined {
  return (page as { _links?: { next?: { href?: string } } } | undefined)?._links?.next?.href
}

function splitPath(path: string): { pathname: string; search: string } {
  const at = path.indexOf('?')
  return at < 0 ? { pathname: path, search: '' } : { pathname: path.slice(0, at), search: path.slice(at) }
}
