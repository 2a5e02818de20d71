/** Replaces `@vue/devtools-api`, which Vuex calls only for the browser extension. */
export function setupDevtoolsPlugin(): void {
  // A production build registers no plugin.
}
