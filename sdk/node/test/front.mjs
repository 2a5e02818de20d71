/** A server before Flysk that fails as it is told, and passes everything else on. */
import { request } from 'node:http'

import { bodyOf, startServer } from './local-server.mjs'

/**
 * Starts the server. Each fault of `faults` meets one request, in this order: `{ status, code, headers }` answers a problem,
 * `{ page }` a page with this status, `{ cut: 'before' | 'after' }` closes the connection before the request is passed on, or
 * after it, so that only the answer is lost.
 */
export async function startFront(target) {
  const faults = []
  const seen = []
  const { url, close } = await startServer(async (incoming, body, answer) => {
    seen.push({ method: incoming.method, path: incoming.url, headers: incoming.headers })
    const fault = faults.shift()
    if (fault?.cut === 'before') return answer.socket.destroy()
    if (fault?.page) return answer.writeHead(fault.page, { 'Content-Type': 'text/html' }).end('<html>busy</html>')
    if (fault?.status) {
      const { status, code, headers } = fault
      const problem = { type: 'about:blank', title: code, status, code, detail: 'as told' }
      return answer.writeHead(status, { 'Content-Type': 'application/problem+json', ...headers }).end(JSON.stringify(problem))
    }
    const passed = await passOn(target, incoming, body)
    if (fault?.cut === 'after') return answer.socket.destroy()
    answer.writeHead(passed.status, passed.headers).end(passed.body)
  })
  return { url, faults, seen, keys: () => seen.map(({ headers }) => headers['idempotency-key']), close }
}

function passOn(target, incoming, body) {
  const { host, connection, ...headers } = incoming.headers
  return new Promise((resolve, reject) => {
    const options = { method: incoming.method, headers, agent: false }
    const outgoing = request(new URL(incoming.url, target), options, async (answer) => {
      const { 'transfer-encoding': _, connection: __, ...kept } = answer.headers
      resolve({ status: answer.statusCode, headers: kept, body: await bodyOf(answer) })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
