/** Addresses that users see, by their placeholders in `manifest.json` and `i18n/`. */
export type Addresses = ReadonlyMap<string, string>

const SUPPORT_EMAIL = { placeholder: '__SUPPORT_EMAIL__', variable: 'FLYSENSE_SUPPORT_EMAIL', usual: 'support@flysk.example' }
const SITE_URL = { placeholder: '__SITE_URL__', variable: 'FLYSENSE_SITE_URL', usual: 'https://flysk.example' }

/** Addresses of the variables that `cargo xtask widget build` sets; without them those of no real host, which no release may have. */
export function addressesOf(environment: NodeJS.ProcessEnv): Addresses {
  const email = environment[SUPPORT_EMAIL.variable] ?? SUPPORT_EMAIL.usual
  if (!/^[\w.+-]+@[\w-]+(\.[\w-]+)+$/.test(email)) throw new Error(`--support-email (${SUPPORT_EMAIL.variable}) is no e-mail address: ${email}`)
  const site = environment[SITE_URL.variable] ?? SITE_URL.usual
  if (!/^https:\/\/[^\s"\\?#]+$/.test(site) || !URL.canParse(site)) throw new Error(`--site-url (${SITE_URL.variable}) is no https:// address: ${site}`)
  return new Map([
    [SUPPORT_EMAIL.placeholder, email],
    [SITE_URL.placeholder, site.replace(/\/+$/, '')],
  ])
}

/** A file with the addresses in place of their placeholders. They need no escapes in JSON. */
export function withAddresses(content: Buffer, addresses: Addresses): Buffer<ArrayBuffer> {
  let text = content.toString('utf8')
  for (const [placeholder, address] of addresses) text = text.replaceAll(placeholder, () => address)
  const unknown = /__[A-Z]+(_[A-Z]+)*__/.exec(text)
  if (unknown) throw new Error(`there is no address for the placeholder ${unknown[0]}`)
  return Buffer.from(text)
}
