//! Statuses of a payment, their order, and what a charge came to.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $rank:literal;)+) => {
        /// Where a payment stands at T-Bank. New names will appear; they are kept as they are.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum PaymentStatus {
            $($(#[$doc])* $variant,)+
            /// A name we do not know.
            Other(String),
        }

        impl PaymentStatus {
            /// Every status with a name of its own.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant,)+];

            /// The bank's name.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(name) => name,
                }
            }

            /// How far a payment has come; a notice of a lower rank never overwrites a higher one.
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
    /// `Init` made it.
    New = "NEW", 0;
    /// The payer opened the form; in recurring SBP: accepted.
    FormShowed = "FORM_SHOWED", 1;
    /// The card's data are looked at.
    Preauthorizing = "PREAUTHORIZING", 2;
    /// In progress.
    Authorizing = "AUTHORIZING", 2;
    /// The payer is at the 3-D Secure page; closed after 36 h.
    ThreeDsChecking = "3DS_CHECKING", 2;
    /// 3-D Secure passed.
    ThreeDsChecked = "3DS_CHECKED", 2;
    /// Timed out inside the bank; known within 60 min.
    PayChecking = "PAY_CHECKING", 2;
    /// Failed or 3-D Secure not passed. One table calls it intermediate, so success may still follow.
    AuthFail = "AUTH_FAIL", 3;
    /// Declined. A success may still follow if the form lets the payer try again.
    Rejected = "REJECTED", 3;
    /// The form was opened too often.
    AttemptsExpired = "ATTEMPTS_EXPIRED", 3;
    /// The link's time is over, or 3-D Secure was not finished.
    DeadlineExpired = "DEADLINE_EXPIRED", 3;
    /// Cancelled before it was paid.
    Canceled = "CANCELED", 3;
    /// The money is held; in one-stage payments a passing step.
    Authorized = "AUTHORIZED", 4;
    /// The held money is being taken.
    Confirming = "CONFIRMING", 5;
    /// Taking it timed out inside the bank; known within 60 min.
    ConfirmChecking = "CONFIRM_CHECKING", 5;
    /// The hold is being given back.
    Reversing = "REVERSING", 5;
    /// A part of the hold was given back; the rest waits for `Confirm`.
    PartialReversed = "PARTIAL_REVERSED", 5;
    /// The hold was given back.
    Reversed = "REVERSED", 6;
    /// The money is taken: the only status that means paid.
    Confirmed = "CONFIRMED", 6;
    /// Being checked while it is cancelled.
    CancelChecking = "CANCEL_CHECKING", 7;
    /// A refund is in progress.
    Refunding = "REFUNDING", 7;
    /// A refund through SBP is in progress.
    AsyncRefunding = "ASYNC_REFUNDING", 7;
    /// A part was refunded; may be repeated.
    PartialRefunded = "PARTIAL_REFUNDED", 8;
    /// All was refunded.
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

/// What news about a payment is, measured against what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It goes on from what is known.
    Forward,
    /// Known already.
    Repeated,
    /// Older than what is known: keep what is known.
    Late,
    /// Both cannot be true, or the name is new to us: ask the bank.
    Contradiction,
}

/// What a payment came to, for the work that waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// The money was taken (and perhaps given back since).
    Paid,
    /// It will not be paid, though a late success must still be accepted.
    Failed,
    /// `Init` was the last thing that happened.
    NotStarted,
    /// The bank itself does not know yet; at most 60 min.
    InDoubt,
    /// Somebody is still at it: look again later.
    Pending,
}

impl PaymentStatus {
    /// What this status is, coming after `known`.
    ///
    /// Notices of one-stage payments leave at the same time and arrive in any order, duplicated, and up to a
    /// month late. A success after a failure is believed; a failure after a success is asked about.
    pub fn after(&self, known: &Self) -> Progress {
        if self == known {
            return Progress::Repeated;
        }
        let (Some(new), Some(old)) = (self.rank(), known.rank()) else { return Progress::Contradiction };
        let taken = |status: &Self| status.charged() == Charged::Paid;
        let given_back = |status: &Self| *status == Self::Reversed;
        if (given_back(self) && taken(known)) || (taken(self) && given_back(known)) {
            return Progress::Contradiction;
        }
        let held_or_taken = known.rank() >= Self::Authorized.rank();
        if self.charged() == Charged::Failed && !given_back(self) && held_or_taken {
            return Progress::Contradiction;
        }
        match new.cmp(&old) {
            std::cmp::Ordering::Less => Progress::Late,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => Progress::Forward,
        }
    }

    /// What it means for work that waits for the money.
    pub fn charged(&self) -> Charged {
        match self {
            Self::Confirmed
            | Self::CancelChecking
            | Self::Refunding
            | Self::AsyncRefunding
            | Self::PartialRefunded
            | Self::Refunded => Charged::Paid,
            Self::AuthFail
            | Self::Rejected
            | Self::AttemptsExpired
            | Self::DeadlineExpired
            | Self::Canceled
            | Self::Reversed => Charged::Failed,
            Self::New => Charged::NotStarted,
            Self::PayChecking | Self::ConfirmChecking => Charged::InDoubt,
            Self::FormShowed
            | Self::Preauthorizing
            | Self::Authorizing
            | Self::ThreeDsChecking
            | Self::ThreeDsChecked
            | Self::Authorized
            | Self::Confirming
            | Self::Reversing
            | Self::PartialReversed
            | Self::Other(_) => Charged::Pending,
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
    fn notices_in_any_order_end_at_the_furthest_stage() {
        for (new, known, progress) in [
            ("CONFIRMED", "AUTHORIZED", Progress::Forward),
            ("AUTHORIZED", "CONFIRMED", Progress::Late),
            ("CONFIRMED", "CONFIRMED", Progress::Repeated),
            ("CONFIRMED", "REJECTED", Progress::Forward),
            ("CONFIRMED", "DEADLINE_EXPIRED", Progress::Forward),
            ("CONFIRMED", "REFUNDED", Progress::Late),
            ("PARTIAL_REFUNDED", "REFUNDED", Progress::Late),
            ("REJECTED", "AUTHORIZED", Progress::Contradiction),
            ("REJECTED", "CONFIRMED", Progress::Contradiction),
            ("REVERSED", "CONFIRMED", Progress::Contradiction),
            ("CONFIRMED", "REVERSED", Progress::Contradiction),
            ("REVERSED", "AUTHORIZED", Progress::Forward),
            ("CONFIRMED", "PARTIAL_REVERSED", Progress::Forward),
            ("REJECTED", "AUTH_FAIL", Progress::Forward),
            ("SOMETHING_NEW", "AUTHORIZED", Progress::Contradiction),
        ] {
            assert_eq!(status(new).after(&status(known)), progress, "{new} after {known}");
        }
    }

    #[test]
    fn only_confirmed_and_what_follows_it_is_paid() {
        for known in PaymentStatus::KNOWN {
            let paid = known.rank() >= Some(6) && *known != PaymentStatus::Reversed;
            assert_eq!(known.charged() == Charged::Paid, paid, "{known}");
        }
        assert_eq!(status("NEW").charged(), Charged::NotStarted);
        assert_eq!(status("PAY_CHECKING").charged(), Charged::InDoubt);
        assert_eq!(status("SOMETHING_NEW").charged(), Charged::Pending);
    }
}
