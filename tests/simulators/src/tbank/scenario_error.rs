//! Why a step of a scenario is impossible.

use poem::error::ResponseError;
use poem::http::StatusCode;

/// A scenario step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// No payment with this id.
    #[error("unknown payment")]
    UnknownPayment,
    /// No card with this number.
    #[error("unknown test card")]
    UnknownCard,
    /// No saved card with this `RebillId`.
    #[error("unknown RebillId")]
    UnknownRebill,
    /// No terminal with this key.
    #[error("unknown terminal")]
    UnknownTerminal,
    /// The form is closed: paid, declined, cancelled or expired.
    #[error("the payment can no longer be paid")]
    Closed,
    /// The payment has no pending refund.
    #[error("the payment has no pending refund")]
    NoRefund,
    /// Less than 10 roubles by SBP.
    #[error("SBP takes at least 10 roubles")]
    BelowMinimum,
    /// Neither the payment nor its terminal has a notification URL.
    #[error("the payment has no notification address")]
    NoAddress,
}

impl ResponseError for ScenarioError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Closed | Self::NoRefund | Self::NoAddress | Self::BelowMinimum => StatusCode::CONFLICT,
            _ => StatusCode::NOT_FOUND,
        }
    }
}
