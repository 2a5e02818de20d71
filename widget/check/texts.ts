import { error, textOf, warning, type Files, type Finding } from './finding'

const TEXT_FILE = /\.(js|mjs|css|json|twig|html|txt|svg)$/i

/** Files that a developer's machine leaves behind. */
const LEFTOVERS = /(^|\/)(\.DS_Store|Thumbs\.db|\.git|\.idea|\.vscode|node_modules|__MACOSX|package(-lock)?\.json|\.env)(\/|$)|\.(map|ts|vue|scss|less|log|bak|orig)$/i

const MAX_ARCHIVE_BYTES = 2 * 1024 * 1024

/** Patterns of credentials. The widget's code is public: everyone who installs it can read it. */
const SECRETS: [RegExp, string][] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----/, 'a private key'],
  [/["']?(client_secret|secret_key|api_?secret|private_token|access_token|refresh_token)["']?\s*[:=]\s*["'][^"'\s]{16,}["']/i, 'a secret'],
  [/\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/, 'a JSON web token'],
  [/\b(AKIA|ASIA)[0-9A-Z]{16}\b/, 'a cloud access key'],
  [/\bAQVN[\w-]{30,}/, 'an API key of Yandex Cloud'],
  [/\b(ghp|gho|github_pat)_\w{30,}/, 'a token of GitHub'],
  [/\bfpt_[\w-]{20,}/, 'a project token of Flysk'],
  [/Authorization["']?\s*[:=,]\s*["'](Bearer|Basic) [\w.~+/=-]{16,}["']/i, 'credentials of a request'],
]

const TEST_ADDRESS = /https?:\/\/(localhost|127\.0\.0\.1|0\.0\.0\.0|[\w.-]+\.(ngrok\.io|ngrok-free\.app|loca\.lt))\b/

/** URLs and e-mail addresses below domains that nobody can own (RFC 2606). A method call, as in `a@b.test(`, is none. */
const PLACEHOLDER_ADDRESS = /(?:\b(?:https?|wss?):(?:\\?\/){2}|[\w.+-]+@)(?:[\w-]+\.)+(?:example|test|invalid)(?![\w-]|\.\w|\()/gi

/** Checks encodings, line ends, left-over files, credentials, addresses and the size of the archive. */
export function checkTexts(files: Files, isRelease: boolean): Finding[] {
  const findings: Finding[] = []
  let sum = 0
  for (const [path, bytes] of files) {
    sum += bytes.length
    if (LEFTOVERS.test(path)) findings.push(error('leftover-file', path, 'the file does not belong in the archive'))
    if (TEXT_FILE.test(path)) findings.push(...checkText(path, bytes, isRelease))
  }
  if (sum > MAX_ARCHIVE_BYTES) findings.push(warning('archive-size', 'widget.zip', `the files have ${(sum / 1024 / 1024).toFixed(1)} MB together: every page of every user loads the scripts`))
  return findings
}

function checkText(path: string, bytes: Uint8Array, isRelease: boolean): Finding[] {
  const findings: Finding[] = []
  const text = textOf(bytes)
  if (text.startsWith('\ufeff')) findings.push(error('text-bom', path, 'the file begins with a byte order mark'))
  if (text.includes('\r')) findings.push(error('text-crlf', path, 'the file has CR line ends; amoCRM wants LF'))
  if (text.includes('\ufffd')) findings.push(error('text-utf8', path, 'the file is not UTF-8'))
  for (const [pattern, what] of SECRETS) {
    const match = pattern.exec(text)
    if (match) findings.push(error('secret', `${path}:${lineAt(text, match.index)}`, `the file seems to contain ${what}; everybody can read it`))
  }
  const test = TEST_ADDRESS.exec(text)
  if (test) findings.push(error('test-address', `${path}:${lineAt(text, test.index)}`, `the file names the test address ${test[0]}`))
  return [...findings, ...checkPlaceholders(path, text, isRelease)]
}

/** Users would write to nobody. Before a release such addresses are usual. */
function checkPlaceholders(path: string, text: string, isRelease: boolean): Finding[] {
  const found = isRelease ? error : warning
  const first = new Map<string, number>()
  for (const { 0: address, index } of text.matchAll(PLACEHOLDER_ADDRESS)) if (!first.has(address)) first.set(address, index)
  return [...first].map(([address, index]) => found('placeholder-address', `${path}:${lineAt(text, index)}`, `the file names ${address}, which no real host can have`))
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}
