/** A server before Flysk that fails as it is told, and passes everything else on. */
import { createServer, request } from 'node:http'

/**
 * Starts the server. Each fault of `faults` meets one request, in this order: `{ status, code, headers }` answers a problem,
 * `{ page }` a page with this status, `{ cut: 'before' | 'after' }` closes the connection before the request is passed on, or
 * after it, so that only the answer is lost.
 */
export async function startFront(target) {
  const faults = []
  const seen = []
  const server = createServer(async (incoming, answer) => {
    const parts = []
    for await (const part of incoming) parts.push(part)
    const body = Buffer.concat(parts)
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
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    faults,
    seen,
    keys: () => seen.map(({ headers }) => headers['idempotency-key']),
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

function passOn(target, incoming, body) {
  const { host, connection, ...headers } = incoming.headers
  return new Promise((resolve, reject) => {
    const options = { method: incoming.method, headers, agent: false }
    const outgoing = request(new URL(incoming.url, target), options, async (answer) => {
      const parts = []
      for await (const part of answer) parts.push(part)
      const { 'transfer-encoding': _, connection: __, ...kept } = answer.headers
      resolve({ status: answer.statusCode, headers: kept, body: Buffer.concat(parts) })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
