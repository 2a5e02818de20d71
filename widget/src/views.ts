/** What `views-<version>.js` exports: everything that is shown when somebody opens it. */
export { mountPage } from './pages'
export { mountTranscript } from './transcript'
