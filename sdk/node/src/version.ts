// Version of the SDK: that of the API's document.
// Generated from api/openapi.json by sdk/generator: changes here are lost.

export const VERSION = '1.0.0'
