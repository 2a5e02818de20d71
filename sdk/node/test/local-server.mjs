/** A server of a test, on a free port of this machine. */
import { once } from 'node:events'
import { createServer } from 'node:http'

/** The whole body of a request or an answer. */
export async function bodyOf(message) {
  const parts = []
  for await (const part of message) parts.push(part)
  return Buffer.concat(parts)
}

/** Starts a server that serves each request by `serve(request, body, answer)`. */
export async function startServer(serve) {
  const server = createServer(async (incoming, answer) => serve(incoming, await bodyOf(incoming), answer))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    /** Its address, without a slash at the end. */
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}
