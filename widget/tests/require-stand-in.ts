/** RequireJS's loader as a test drives it: it keeps what was asked for. */
export interface Asked {
  ids: string[]
  done(...values: unknown[]): void
  failed(error: unknown): void
}

export const asked: Asked[] = []

export default function load(ids: string[], done: Asked['done'], failed: Asked['failed']): void {
  asked.push({ ids, done, failed })
}
