//! Payment statuses, their order, and the outcome of a payment.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $rank:literal;)+) => {
        /// Status of a payment at T-Bank. Unknown names are kept unchanged, because the bank adds new ones.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum PaymentStatus {
            $($(#[$doc])* $variant,)+
            /// A name that is not in the list.
            Other(String),
        }

        impl PaymentStatus {
            /// All statuses in the list.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant,)+];

            /// Name of the status in T-Bank's API.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(name) => name,
                }
            }

            /// Progress of a payment; a notification of a lower rank never overwrites a higher one.
            const fn rank(&self) -> Option<u8> {
                match self {
                    $(Self::$variant => Some($rank),)+
                    Self::Other(_) => None,
                }
            }
        }
    };
}

statuses! {
    /// Created by `Init`.
    New = "NEW", 0;
    /// The payer opened the form; in recurring SBP: accepted.
    FormShowed = "FORM_SHOWED", 1;
    /// The card data is being checked.
    Preauthorizing = "PREAUTHORIZING", 2;
    /// In progress.
    Authorizing = "AUTHORIZING", 2;
    /// The payer is at the 3-D Secure page; closed after 36 h.
    ThreeDsChecking = "3DS_CHECKING", 2;
    /// 3-D Secure passed.
    ThreeDsChecked = "3DS_CHECKED", 2;
    /// Timed out inside the bank; decided within 60 min.
    PayChecking = "PAY_CHECKING", 2;
    /// Failed, or 3-D Secure not passed. One of the bank's tables calls it intermediate, so success may still follow.
    AuthFail = "AUTH_FAIL", 3;
    /// Declined. Success may still follow if the form allows another attempt.
    Rejected = "REJECTED", 3;
    /// The form was opened too often.
    AttemptsExpired = "ATTEMPTS_EXPIRED", 3;
    /// The link expired, or 3-D Secure was not completed.
    DeadlineExpired = "DEADLINE_EXPIRED", 3;
    /// Cancelled before payment.
    Canceled = "CANCELED", 3;
    /// The money is held; a transitional status in one-stage payments.
    Authorized = "AUTHORIZED", 4;
    /// The held money is being captured.
    Confirming = "CONFIRMING", 5;
    /// Capturing timed out inside the bank; decided within 60 min.
    ConfirmChecking = "CONFIRM_CHECKING", 5;
    /// The hold is being released.
    Reversing = "REVERSING", 5;
    /// Part of the hold was released; the rest waits for `Confirm`.
    PartialReversed = "PARTIAL_REVERSED", 5;
    /// The hold was released.
    Reversed = "REVERSED", 6;
    /// The money was captured: the only status that means paid.
    Confirmed = "CONFIRMED", 6;
    /// Being checked during a cancellation.
    CancelChecking = "CANCEL_CHECKING", 7;
    /// A refund is in progress.
    Refunding = "REFUNDING", 7;
    /// A refund through SBP is in progress.
    AsyncRefunding = "ASYNC_REFUNDING", 7;
    /// Partly refunded; further refunds are possible.
    PartialRefunded = "PARTIAL_REFUNDED", 8;
    /// Fully refunded.
    Refunded = "REFUNDED", 9;
}

impl From<String> for PaymentStatus {
    fn from(name: String) -> Self {
        match name.as_str() {
            "FORM SHOWED" | "FORMSHOWED" => return Self::FormShowed,
            "THREE_DS_CHECKING" => return Self::ThreeDsChecking,
            "CANCELLED" => return Self::Canceled,
            _ => {}
        }
        Self::KNOWN.iter().find(|known| known.name() == name).cloned().unwrap_or(Self::Other(name))
    }
}

impl From<PaymentStatus> for String {
    fn from(status: PaymentStatus) -> Self {
        match status {
            PaymentStatus::Other(name) => name,
            known => known.name().to_owned(),
        }
    }
}

impl fmt::Display for PaymentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Relation of a new status to the known one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusOrder {
    /// Follows the known status.
    Forward,
    /// Equal to the known status.
    Repeated,
    /// Older than the known status, which is kept.
    Late,
    /// The statuses contradict each other, or one of them is not in the list: query the bank.
    Contradiction,
}

/// Outcome of a payment for the purchase that waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// The money was captured, and possibly refunded since.
    Paid,
    /// Not paid; a late success must still be accepted.
    Failed,
    /// Nothing happened after `Init`.
    NotStarted,
    /// The bank itself does not know the outcome yet, for at most 60 min.
    InDoubt,
    /// In progress: query again later.
    Pending,
}

impl PaymentStatus {
    /// Compares this status with the `known` one.
    ///
    /// Notifications of one-stage payments are sent simultaneously and arrive in any order, duplicated, and up to a
    /// month late. A success after a failure is accepted; a failure after a success is a contradiction.
    pub fn compare_to(&self, known: &Self) -> StatusOrder {
        if self == known {
            return StatusOrder::Repeated;
        }
        let (Some(new), Some(old)) = (self.rank(), known.rank()) else { return StatusOrder::Contradiction };
        let taken = |status: &Self| status.outcome() == PaymentOutcome::Paid;
        let is_reversed = |status: &Self| *status == Self::Reversed;
        if (is_reversed(self) && taken(known)) || (taken(self) && is_reversed(known)) {
            return StatusOrder::Contradiction;
        }
        let held_or_taken = known.rank() >= Self::Authorized.rank();
        if self.outcome() == PaymentOutcome::Failed && !is_reversed(self) && held_or_taken {
            return StatusOrder::Contradiction;
        }
        match new.cmp(&old) {
            std::cmp::Ordering::Less => StatusOrder::Late,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => StatusOrder::Forward,
        }
    }

    /// The outcome that this status means.
    pub fn outcome(&self) -> PaymentOutcome {
        match self {
            Self::Confirmed
            | Self::CancelChecking
            | Self::Refunding
            | Self::AsyncRefunding
            | Self::PartialRefunded
            | Self::Refunded => PaymentOutcome::Paid,
            Self::AuthFail
            | Self::Rejected
            | Self::AttemptsExpired
            | Self::DeadlineExpired
            | Self::Canceled
            | Self::Reversed => PaymentOutcome::Failed,
            Self::New => PaymentOutcome::NotStarted,
            Self::PayChecking | Self::ConfirmChecking => PaymentOutcome::InDoubt,
            Self::FormShowed
            | Self::Preauthorizing
            | Self::Authorizing
            | Self::ThreeDsChecking
            | Self::ThreeDsChecked
            | Self::Authorized
            | Self::Confirming
            | Self::Reversing
            | Self::PartialReversed
            | Self::Other(_) => PaymentOutcome::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str) -> PaymentStatus {
        PaymentStatus::from(name.to_owned())
    }

    #[test]
    fn names_are_read_in_every_spelling_and_unknown_ones_are_kept() {
        for known in PaymentStatus::KNOWN {
            assert_eq!(&status(known.name()), known);
        }
        assert_eq!(status("FORM SHOWED"), PaymentStatus::FormShowed);
        assert_eq!(status("THREE_DS_CHECKING"), PaymentStatus::ThreeDsChecking);
        assert_eq!(status("COMPLETED").name(), "COMPLETED");
        assert_eq!(serde_json::to_string(&status("3DS_CHECKING")).unwrap(), "\"3DS_CHECKING\"");
    }

    #[test]
    fn notifications_in_any_order_end_at_the_furthest_stage() {
        for (new, known, order) in [
            ("CONFIRMED", "AUTHORIZED", StatusOrder::Forward),
            ("AUTHORIZED", "CONFIRMED", StatusOrder::Late),
            ("CONFIRMED", "CONFIRMED", StatusOrder::Repeated),
            ("CONFIRMED", "REJECTED", StatusOrder::Forward),
            ("CONFIRMED", "DEADLINE_EXPIRED", StatusOrder::Forward),
            ("CONFIRMED", "REFUNDED", StatusOrder::Late),
            ("PARTIAL_REFUNDED", "REFUNDED", StatusOrder::Late),
            ("REJECTED", "AUTHORIZED", StatusOrder::Contradiction),
            ("REJECTED", "CONFIRMED", StatusOrder::Contradiction),
            ("REVERSED", "CONFIRMED", StatusOrder::Contradiction),
            ("CONFIRMED", "REVERSED", StatusOrder::Contradiction),
            ("REVERSED", "AUTHORIZED", StatusOrder::Forward),
            ("CONFIRMED", "PARTIAL_REVERSED", StatusOrder::Forward),
            ("REJECTED", "AUTH_FAIL", StatusOrder::Forward),
            ("SOMETHING_NEW", "AUTHORIZED", StatusOrder::Contradiction),
        ] {
            assert_eq!(status(new).compare_to(&status(known)), order, "{new} after {known}");
        }
    }

    #[test]
    fn only_confirmed_and_what_follows_it_is_paid() {
        for known in PaymentStatus::KNOWN {
            let paid = known.rank() >= Some(6) && *known != PaymentStatus::Reversed;
            assert_eq!(known.outcome() == PaymentOutcome::Paid, paid, "{known}");
        }
        assert_eq!(status("NEW").outcome(), PaymentOutcome::NotStarted);
        assert_eq!(status("PAY_CHECKING").outcome(), PaymentOutcome::InDoubt);
        assert_eq!(status("SOMETHING_NEW").outcome(), PaymentOutcome::Pending);
    }
}
