/** Modules and globals of amoCRM's page, as far as its documentation names them. */

declare module 'require' {
  /** RequireJS's loader, local to the module. Calls back with the values of the modules. */
  const load: (ids: string[], done: (...values: unknown[]) => void, failed?: (error: unknown) => void) => void
  export default load
}

declare module 'jquery' {
  const jquery: JQueryStatic
  export default jquery
}

declare module 'lib/components/base/modal' {
  const Modal: import('./types').ModalConstructor
  export default Modal
}

declare module '*.vue' {
  const component: import('vue').DefineComponent<object, object, unknown>
  export default component
}

/** Version of the widget, from the manifest. */
declare const __WIDGET_VERSION__: string
/** Public address of Flysk's API. */
declare const __API_URL__: string
