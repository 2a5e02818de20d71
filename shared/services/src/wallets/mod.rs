//! Wallets of Flycoins.

mod compensate;
mod expire;
mod open;
mod publish;

pub use compensate::{
    Compensation, CompensationError, CompensationOutcome, MAX_COMPENSATION_KEY_LEN,
    MAX_COMPENSATION_REASON_LEN, compensate,
};
pub use expire::expire_due;
pub use open::{grant_welcome_bonus, open_late_wallet, open_wallet};
pub use publish::publish_event;
