//! Tokens of amoCRM.

mod confirm_disconnect;
mod exchange_code;
mod refresh_due;
mod refresh_token;

pub use confirm_disconnect::ConfirmDisconnect;
pub use exchange_code::ExchangeCode;
pub use refresh_due::RefreshDue;
pub use refresh_token::RefreshToken;
