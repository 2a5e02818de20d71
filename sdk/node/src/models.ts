// Types of request bodies and answers.
// Generated from api/openapi.json by sdk/generator: changes here are lost.

export type * from './models/backend.js'
export type * from './models/errors.js'
export type * from './models/events.js'
export type * from './models/flycoins.js'
export type * from './models/shared.js'
export type * from './models/subscriptions.js'
