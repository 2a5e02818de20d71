//! Tokens of amoCRM.

mod exchange_code;
mod refresh_due;
mod refresh_token;

pub use exchange_code::ExchangeCode;
pub use refresh_due::RefreshDue;
pub use refresh_token::RefreshToken;
