//! Attempts to pay an invoice of a subscription at T-Bank.
//!
//! T-Bank has no idempotency keys, so an attempt is one order with at most one payment, and another attempt begins only
//! when the former one can take no money any more.

mod query;
mod step;

pub use query::{ALARM_AFTER, UNSTARTED_AFTER, link_ends_at, may_be_cleared, next_query};
pub use step::{PaymentSnapshot, PaymentStep};

use crate::UnknownText;

/// Way in which an attempt takes the money.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptKind {
    /// The payer pays on the bank's form.
    Form,
    /// A saved card is charged.
    Charge,
}

/// Progress of one attempt to pay an invoice.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptState {
    /// `Init` is about to be sent, or its answer was lost.
    Opening,
    /// The form waits for the payer.
    Open,
    /// `Charge` is about to be sent, or its answer was lost.
    Charging,
    /// The payment is being cancelled at the bank; nothing else happens until the bank says `CANCELED`.
    Cancelling,
    /// The bank took the money, and the invoice is paid.
    Paid,
    /// Not paid.
    Failed,
    /// Contradicts the bank's answer: a person must review it, and no other attempt begins.
    Review,
}

impl AttemptState {
    /// Whether the attempt may still take money, so that no other one may begin.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Paid | Self::Failed)
    }

    /// State after an operator's review: an attempt that took no money we know of has failed. States other than review do
    /// not change. Money that the bank confirms later still counts.
    #[must_use]
    pub const fn after_review(self) -> Self {
        match self {
            Self::Review => Self::Failed,
            settled => settled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AttemptState;

    #[test]
    fn a_review_ends_as_failed_and_changes_no_settled_attempt() {
        assert_eq!(AttemptState::Review.after_review(), AttemptState::Failed);
        for settled in [AttemptState::Paid, AttemptState::Failed, AttemptState::Charging] {
            assert_eq!(settled.after_review(), settled);
        }
        assert!(!AttemptState::Review.after_review().is_open(), "another attempt may begin");
    }
}
