import { gatewayHeaders, gatewayPath, gatewayResult, nextPath } from './gateway.js'
import { Operations } from './operations.js'
import type { CallOptions } from './transport.js'

/** Options of a request to amoCRM through the gateway. */
export interface AmocrmOptions extends CallOptions {
  /** Parameters of amoCRM's query: `{ 'filter[id][]': [1, 2], limit: 250 }`. */
  query?: Readonly<Record<string, unknown>> | undefined
  /** Body, sent as JSON. */
  body?: unknown
  /** The request has the rights of this user. */
  userId?: number | undefined
}

/** A page of a list of Flysk. */
export interface Page<Item> {
  items: Item[]
  next: string | null
}

/** A client of Flysk: a method for each operation that a project token may call, and the gateway to amoCRM. */
export class Flysk extends Operations {
  /**
   * Calls amoCRM's API in an account through the gateway: `flysk.amocrm(31234567, 'GET', 'leads/1')`.
   *
   * Returns the parsed body; undefined for 204, which is amoCRM's answer to an empty list and an unknown id. A write is
   * repeated only if it was not executed. Throws an `AmocrmError` if amoCRM answered an error, an `ApiError` if Flysk did.
   */
  async amocrm<T = unknown>(accountId: number, method: string, path: string, options: AmocrmOptions = {}): Promise<T> {
    const { userId, ...rest } = options
    const headers = gatewayHeaders(accountId, userId)
    return gatewayResult(await this.request(method, gatewayPath(path), { ...rest, headers })) as T
  }

  /** The pages of a list of amoCRM, one request each: follows `_links.next` until there is none. */
  async *amocrmPages<T = unknown>(accountId: number, path: string, options: AmocrmOptions = {}): AsyncGenerator<T, void> {
    let following: string | undefined = path
    let query = options.query
    while (following !== undefined) {
      const page: T | undefined = await this.amocrm<T | undefined>(accountId, 'GET', following, { ...options, query })
      if (page === undefined) return
      yield page
      following = nextPath(page)
      query = undefined
    }
  }
}

/** All items of a list, page by page: `for await (const event of items((cursor) => flysk.listEvents({ cursor })))`. */
export async function* items<Item>(list: (cursor: string | undefined) => Promise<Page<Item>>): AsyncGenerator<Item, void> {
  let cursor: string | undefined
  do {
    const page: Page<Item> = await list(cursor)
    yield* page.items
    cursor = page.next ?? undefined
  } while (cursor !== undefined)
}
