//! Words for what cards do, and the bank's codes for them.

use flysk_simulators::tbank::{Card, Ending, TEST_CARDS};
use serde::{Deserialize, Serialize};

/// What happens to a payment with a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CardOutcome {
    Paid,
    /// The issuer declines; a later attempt may succeed.
    Declined,
    /// There is not enough money.
    InsufficientFunds,
    /// The payer does not pass 3-D Secure. On the form only.
    ThreeDSecure,
    Expired,
    Lost,
    /// The issuer suspects fraud.
    Fraud,
    /// The bank does not know yet.
    Unknown,
    /// Declined, and paid a minute later nevertheless.
    LateSuccess,
}

impl CardOutcome {
    pub(super) const ALL: [Self; 9] = [
        Self::Paid,
        Self::Declined,
        Self::InsufficientFunds,
        Self::ThreeDSecure,
        Self::Expired,
        Self::Lost,
        Self::Fraud,
        Self::Unknown,
        Self::LateSuccess,
    ];

    /// The word in requests and answers.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Declined => "declined",
            Self::InsufficientFunds => "insufficient_funds",
            Self::ThreeDSecure => "three_d_secure",
            Self::Expired => "expired",
            Self::Lost => "lost",
            Self::Fraud => "fraud",
            Self::Unknown => "unknown",
            Self::LateSuccess => "late_success",
        }
    }

    /// Description on the bank's form and in the console, in Russian.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Paid => "успешная оплата",
            Self::Declined => "отказ банка, можно повторить",
            Self::InsufficientFunds => "недостаточно средств",
            Self::ThreeDSecure => "3-D Secure не пройден",
            Self::Expired => "срок карты истёк",
            Self::Lost => "карта утеряна",
            Self::Fraud => "подозрение на мошенничество",
            Self::Unknown => "результат неизвестен",
            Self::LateSuccess => "отказ, затем успех через минуту",
        }
    }

    /// What the bank does, with its codes.
    pub(super) fn ending(self) -> Ending {
        match self {
            Self::Paid => Ending::Paid,
            Self::Declined => Ending::Declined(1005),
            Self::InsufficientFunds => Ending::Declined(1051),
            Self::ThreeDSecure => Ending::Declined(101),
            Self::Expired => Ending::Declined(1033),
            Self::Lost => Ending::Declined(1041),
            Self::Fraud => Ending::Declined(1059),
            Self::Unknown => Ending::Hangs,
            Self::LateSuccess => Ending::LateSuccess,
        }
    }

    /// The outcome that the bank's ending stands for.
    pub(super) fn of(ending: Ending) -> Self {
        Self::ALL.into_iter().find(|outcome| outcome.ending() == ending).unwrap_or(Self::Declined)
    }
}

/// The test card whose payment on the form ends like this; charges of it end in the same way.
pub(super) fn test_card(outcome: CardOutcome) -> Option<&'static Card> {
    TEST_CARDS.iter().find(|card| card.form == outcome.ending() && card.charge == outcome.ending())
}

/// Word for the status of a payment at the bank.
pub(super) fn outcome_of(status: &str, error_code: u32) -> &'static str {
    match (status, error_code) {
        ("CONFIRMED", _) => "paid",
        ("REFUNDED" | "PARTIAL_REFUNDED", _) => "refunded",
        ("REVERSED" | "PARTIAL_REVERSED", _) => "reversed",
        ("CANCELED", _) => "cancelled",
        (_, 0) => "pending",
        (_, code) => CardOutcome::of(Ending::Declined(code)).word(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_word_that_is_read_back() {
        for outcome in CardOutcome::ALL {
            let word = serde_json::to_value(outcome).unwrap();
            assert_eq!(word, outcome.word());
            assert_eq!(serde_json::from_value::<CardOutcome>(word).unwrap(), outcome);
            assert_eq!(CardOutcome::of(outcome.ending()), outcome);
        }
    }

    #[test]
    fn a_refusal_has_the_word_of_its_reason() {
        assert_eq!(outcome_of("REJECTED", 1051), "insufficient_funds");
        assert_eq!(outcome_of("REJECTED", 1033), "expired");
        assert_eq!(outcome_of("REJECTED", 99), "declined", "a code without a word of its own");
        assert_eq!(outcome_of("PARTIAL_REFUNDED", 0), "refunded");
        assert!(test_card(CardOutcome::Expired).is_none(), "the test cards have none");
        assert_eq!(test_card(CardOutcome::Paid).unwrap().number, "2200000000000004");
    }
}
