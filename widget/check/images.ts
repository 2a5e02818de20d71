import { error, jsonOf, member, warning, type Files, type Finding } from './finding'

/** Logos that moderation demands, in pixels. Source: amoCRM docs, integrations/structure. */
const LOGOS: Record<string, [number, number]> = {
  'images/logo.png': [130, 100],
  'images/logo_main.png': [400, 272],
  'images/logo_small.png': [108, 108],
  'images/logo_medium.png': [240, 84],
  'images/logo_min.png': [84, 84],
}
const PIPELINE_LOGO: [number, number] = [174, 109]
const TOUR_SIZE: [number, number] = [1188, 616]
const MAX_BYTES = 300 * 1024

/** Checks that the logos and pictures of the tour exist, with their sizes, and that no image is too large or animated. */
export function checkImages(files: Files): Finding[] {
  const manifest = jsonOf(files, 'manifest.json')
  const wanted = new Map(Object.entries(LOGOS))
  const locations = member(manifest, 'locations')
  if (Array.isArray(locations) && locations.includes('digital_pipeline')) wanted.set('images/logo_dp.png', PIPELINE_LOGO)
  for (const path of tourImages(manifest)) wanted.set(path, TOUR_SIZE)
  const findings = [...wanted].flatMap(([path, size]) => checkSize(files, path, size))
  if (tourImages(manifest).length === 0) findings.push(error('tour-images', 'manifest.json', '`tour.tour_images` names no picture'))
  for (const [path, bytes] of files) if (/\.(png|jpe?g|gif)$/i.test(path)) findings.push(...checkFile(path, bytes))
  return findings
}

function tourImages(manifest: unknown): string[] {
  const byLanguage = member(manifest, 'tour.tour_images')
  const lists = byLanguage !== null && typeof byLanguage === 'object' ? Object.values(byLanguage) : []
  return lists.flat().map((path) => String(path).replace(/^\//, ''))
}

function checkSize(files: Files, path: string, [width, height]: [number, number]): Finding[] {
  const bytes = files.get(path)
  if (!bytes) return [error('image-missing', path, `the picture of ${width}x${height} pixels is missing`)]
  const size = pixels(bytes)
  if (!size) return [error('image-format', path, 'the file is no PNG, JPEG or GIF')]
  return size[0] === width && size[1] === height ? [] : [error('image-size', path, `the picture has ${size.join('x')} pixels instead of ${width}x${height}`)]
}

function checkFile(path: string, bytes: Uint8Array): Finding[] {
  const findings: Finding[] = []
  if (bytes.length > MAX_BYTES) findings.push(error('image-bytes', path, `the picture has ${Math.ceil(bytes.length / 1024)} KB; at most 300 are allowed`))
  if (isAnimated(bytes)) findings.push(error('image-animated', path, 'the picture is animated'))
  const kind = kindOf(bytes)
  if (kind && !new RegExp(`\\.${kind === 'jpeg' ? 'jpe?g' : kind}$`, 'i').test(path)) findings.push(warning('image-name', path, `the file is a ${kind.toUpperCase()}`))
  return findings
}

type Kind = 'png' | 'jpeg' | 'gif'

function kindOf(bytes: Uint8Array): Kind | null {
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return 'png'
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return 'jpeg'
  return bytes[0] === 0x47 && bytes[1] === 0x49 && bytes[2] === 0x46 ? 'gif' : null
}

/** Width and height from the header. */
function pixels(bytes: Uint8Array): [number, number] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const kind = kindOf(bytes)
  if (kind === 'png' && bytes.length >= 24) return [view.getUint32(16), view.getUint32(20)]
  if (kind === 'gif' && bytes.length >= 10) return [view.getUint16(6, true), view.getUint16(8, true)]
  return kind === 'jpeg' ? jpegPixels(view) : null
}

/** Size from the start-of-frame segment. */
function jpegPixels(view: DataView): [number, number] | null {
  let at = 2
  while (at + 9 < view.byteLength) {
    const marker = view.getUint8(at + 1)
    if (view.getUint8(at) !== 0xff) return null
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (isFrame) return [view.getUint16(at + 7), view.getUint16(at + 5)]
    at += 2 + view.getUint16(at + 2)
  }
  return null
}

/** An animated PNG has an `acTL` chunk; an animated GIF more than one graphic control block. */
function isAnimated(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('latin1')
  if (kindOf(bytes) === 'png') return text.includes('acTL')
  return kindOf(bytes) === 'gif' && text.split('\x21\xf9\x04').length > 2
}
