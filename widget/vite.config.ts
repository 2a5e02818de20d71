import { fileURLToPath } from 'node:url'
import tailwind from '@tailwindcss/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'
import { archive } from './build/archive'
import { plainBindings, plainComponents } from './build/plain-components'
import { printScripts } from './build/print-scripts'
import { scopeStyles } from './build/scope-styles'
import { trimLibraries } from './build/trim-libraries'
import { weigh } from './build/weigh'
import manifest from './manifest.json' with { type: 'json' }

const { version } = manifest.widget

/** Modules that amoCRM's loader provides. `require` is the loader's own pseudo-module. */
const HOST_MODULES = ['require', 'jquery', 'lib/components/base/modal']

/** Address of the API in builds without `FLYSENSE_API_URL`: the one that the simulated amoCRM routes to a local API. */
const SIMULATED_API_URL = 'https://flysk.example.test'

function at(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}

/** File that a module goes to. */
function partOf(id: string): string | undefined {
  if (id.includes('node_modules') || id.includes('\0') || id.includes('devtools-api')) return 'vendor'
  if (id === at('./src/main.ts')) return undefined
  if (/\/src\/(modal\/|balance\/|settings\/|(transcript|pages|views)\.ts)/.test(id)) return 'views'
  return id.includes('/src/') ? 'app' : undefined
}

export default defineConfig({
  plugins: [
    trimLibraries(),
    // A constant for every static attribute costs more bytes than creating the attributes costs time.
    vue({ template: { compilerOptions: { hoistStatic: false, nodeTransforms: [plainBindings] } } }),
    plainComponents(),
    tailwind(),
    printScripts(),
    scopeStyles(),
    weigh(),
    archive(version, process.env),
  ],
  define: {
    'process.env.NODE_ENV': '"production"',
    __VUE_OPTIONS_API__: 'false',
    __VUE_PROD_DEVTOOLS__: 'false',
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
    __WIDGET_VERSION__: JSON.stringify(version),
    __API_URL__: JSON.stringify(process.env.FLYSENSE_API_URL ?? SIMULATED_API_URL),
  },
  resolve: {
    // Vuex imports the browser extension's API, which a production build does not use.
    alias: { '@vue/devtools-api': at('./build/devtools-api.ts') },
  },
  build: {
    target: 'es2021',
    outDir: 'dist',
    minify: false,
    cssCodeSplit: false,
    modulePreload: false,
    assetsInlineLimit: 1_000_000,
    copyPublicDir: false,
    rollupOptions: {
      // `script.js` loads `app`, which loads `views` when something is opened: a card starts with two thirds of the code.
      input: { script: at('./src/main.ts'), app: at('./src/app.ts'), views: at('./src/views.ts') },
      // Parts share modules, which the app then exports besides `start`.
      preserveEntrySignatures: 'allow-extension',
      external: HOST_MODULES,
      output: {
        format: 'amd',
        exports: 'auto',
        interop: 'default',
        esModule: false,
        generatedCode: { symbols: false },
        amd: { forceJsExtensionForImports: true },
        entryFileNames: (chunk) => (chunk.name === 'script' ? 'script.js' : `[name]-${version}.js`),
        chunkFileNames: `[name]-${version}.js`,
        assetFileNames: '[name][extname]',
        manualChunks: partOf,
      },
    },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.spec.ts', 'check/**/*.spec.ts', 'build/**/*.spec.ts', 'tests/*.spec.ts'],
    css: false,
    // Machines that build and test at once are slow.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    alias: { 'lib/components/base/modal': at('./tests/modal-stand-in.ts'), require: at('./tests/require-stand-in.ts') },
  },
})
