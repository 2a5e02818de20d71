//! Tokens of amoCRM.

mod confirm_disconnect;
mod exchange_code;
mod refresh_due;
mod refresh_token;
