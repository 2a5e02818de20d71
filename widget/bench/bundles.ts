import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import vue from '@vitejs/plugin-vue'
import { build } from 'esbuild'
import { build as buildWithVite } from 'vite'

const PEER = '@bbc/react-transcript-editor'
const PEER_VERSION = '1.4.4'
const DEFINES = { 'process.env.NODE_ENV': '"production"', __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false', global: 'window' }

const DEVTOOLS = join(import.meta.dirname, '..', 'build', 'devtools-api.ts')

async function bundle(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [entry], bundle: true, minify: true, write: false, format: 'iife', define: DEFINES, legalComments: 'none', logLevel: 'error',
    loader: { '.css': 'empty' },
  })
  return result.outputFiles[0]!.text
}

/** The naive variant as a script. It needs Vite for the widget's single-file components. */
export async function bundleNaive(): Promise<string> {
  const result = await buildWithVite({
    configFile: false, logLevel: 'error', plugins: [vue()], define: DEFINES,
    resolve: { alias: { '@vue/devtools-api': DEVTOOLS } },
    build: { write: false, minify: 'esbuild', rollupOptions: { input: join(import.meta.dirname, 'naive.ts'), output: { format: 'iife' } } },
  })
  const outputs = [result].flat().flatMap((built) => ('output' in built ? built.output : []))
  const chunk = outputs.find((output) => output.type === 'chunk')
  if (chunk?.type !== 'chunk') throw new Error('the naive variant was not built')
  return chunk.code
}

/** The peer as a script. It is installed below `folder`, because the widget's own packages must not contain it. */
export async function bundlePeer(folder: string): Promise<{ name: string; code: string }> {
  mkdirSync(folder, { recursive: true })
  const installed = join(folder, 'node_modules', PEER, 'package.json')
  if (!existsSync(installed) || !readFileSync(installed, 'utf8').includes(`"${PEER_VERSION}"`)) {
    const packages = [`${PEER}@${PEER_VERSION}`, 'react@16.14.0', 'react-dom@16.14.0']
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--legacy-peer-deps', '--prefix', folder, ...packages], { stdio: 'ignore' })
  }
  const entry = join(folder, 'peer.js')
  copyFileSync(join(import.meta.dirname, 'peer.js'), entry)
  return { name: `${PEER} ${PEER_VERSION}`, code: await bundle(entry) }
}
