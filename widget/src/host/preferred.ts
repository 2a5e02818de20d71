/** What the widget remembers for a user in this browser. Works without storage, too. */
export class Preferred {
  constructor(
    private readonly storage: Storage | undefined,
    private readonly userId: string,
  ) {}

  read(name: string): string | null {
    try {
      return this.storage?.getItem(this.key(name)) ?? null
    } catch {
      // The browser forbids storage on this page.
      return null
    }
  }

  write(name: string, value: string): void {
    try {
      this.storage?.setItem(this.key(name), value)
    } catch {
      // Full or forbidden: the value is not remembered.
    }
  }

  private key(name: string): string {
    return `flysense.${this.userId}.${name}`
  }
}

/** The page's storage; even reading the property throws if the browser forbids it. */
export function pageStorage(window: Window): Storage | undefined {
  try {
    return window.localStorage
  } catch {
    return undefined
  }
}
