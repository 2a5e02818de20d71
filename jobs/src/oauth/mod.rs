//! Tokens of amoCRM.

mod confirm_disconnect;
mod exchange_code;
mod exchange_vouched_code;
mod refresh_due;
mod refresh_token;

pub use confirm_disconnect::ConfirmDisconnect;
pub use exchange_code::ExchangeCode;
pub use exchange_vouched_code::ExchangeVouchedCode;
pub use refresh_due::RefreshDue;
pub use refresh_token::RefreshToken;
