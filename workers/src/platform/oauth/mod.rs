//! Handlers for OAuth tokens of amoCRM.

mod confirm_disconnect;
mod exchange_code;
mod exchange_failure;
mod exchange_vouched_code;
mod grant;
mod refresh_due;
mod refresh_token;
