//! Tokens of amoCRM.

mod exchange_code;
mod refresh_due;
mod refresh_token;
