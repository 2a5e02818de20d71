import { minify, type MinifyOptions } from 'terser'
import type { Plugin } from 'vite'

/** Libraries. Nobody reads them. */
const LIBRARIES: MinifyOptions = { compress: { passes: 3, ecma: 2020, unsafe_arrows: true, pure_getters: true }, ecma: 2020 }

/** The widget's own code, which amoCRM's moderators read: names, statements and lines stay, and the few comments that esbuild left go. */
const OWN: MinifyOptions = { compress: false, mangle: false, format: { beautify: true, comments: false, indent_level: 1 } }

/** Prints the scripts: libraries minified, the widget's own code readable. */
export function printScripts(): Plugin {
  return {
    name: 'flysense:print-scripts',
    apply: 'build',
    // After Vite's own pass over the chunks, which would print the code anew.
    async generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== 'chunk') continue
        const { code } = await minify(chunk.code, chunk.name === 'vendor' ? LIBRARIES : OWN)
        if (code === undefined) throw new Error(`terser returned no code for ${chunk.fileName}`)
        chunk.code = code
      }
    },
  }
}
