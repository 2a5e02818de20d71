//! Where a purchase stands, and how people read it.

use crate::money::Kopecks;
use crate::platform::tbank::{Charged, ErrorClass, PaymentStatus, class_of};

/// Where a purchase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PurchaseState {
    /// Asked for; the bank has not been called.
    Created,
    /// The bank is being called, or was and did not answer: whoever goes on asks it first.
    Opening,
    /// The bank's form waits for the payer.
    Awaiting,
    /// The money was taken and the coins are in the wallet.
    Paid,
    /// Not paid. A late success is still believed.
    Failed,
    /// What the bank says does not agree with what we know: a person has to look.
    Review,
}

impl PurchaseState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Opening, Self::Awaiting, Self::Paid, Self::Failed, Self::Review];

    /// The stable code, as in SQL and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Opening => "opening",
            Self::Awaiting => "awaiting",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Review => "review",
        }
    }

    /// Reads the code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// Where it stands once a person has looked at what did not fit: what has its coins is paid, what has none is
    /// not. Anything but a review stays as it is.
    #[must_use]
    pub const fn looked_at(self, credited: bool) -> Self {
        match self {
            Self::Review if credited => Self::Paid,
            Self::Review => Self::Failed,
            settled => settled,
        }
    }

    /// Nobody waits for it any more.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Paid | Self::Failed | Self::Review)
    }
}

/// What the buyer reads of a purchase.
pub fn label_ru(
    state: PurchaseState,
    status: Option<&PaymentStatus>,
    price: Kopecks,
    refunded: Kopecks,
) -> &'static str {
    match state {
        PurchaseState::Created | PurchaseState::Opening => "Готовим оплату",
        PurchaseState::Awaiting => match status {
            Some(PaymentStatus::Authorized | PaymentStatus::Confirming) => "Банк подтверждает оплату",
            Some(status) if status.charged() == Charged::InDoubt => "Банк проверяет оплату",
            _ => "Ожидает оплаты",
        },
        PurchaseState::Paid if refunded.is_positive() && refunded >= price => "Деньги возвращены",
        PurchaseState::Paid if refunded.is_positive() => "Оплачено, часть денег возвращена",
        PurchaseState::Paid => "Оплачено",
        PurchaseState::Failed => "Не оплачено",
        PurchaseState::Review => "Проверяем платёж",
    }
}

/// Why a purchase was not paid, for the buyer. `code` is the bank's, or one of ours.
pub fn failure_ru(code: Option<&str>) -> &'static str {
    match code {
        Some("bank_silent") => "Банк не ответил. Деньги не списаны, попробуйте ещё раз.",
        Some("form_lost") => {
            "Банк ответил слишком поздно, и форма оплаты закрыта. Деньги не списаны, попробуйте ещё раз."
        }
        Some("too_late") => "Оплату не успели открыть вовремя. Деньги не списаны, попробуйте ещё раз.",
        Some("link_expired") => "Время на оплату вышло. Деньги не списаны, попробуйте ещё раз.",
        Some("cancelled") => "Платёж отменён, деньги не списаны.",
        Some("closed") => "Мы проверили платёж и закрыли покупку. Если деньги списывались, они возвращены.",
        Some(code) => match class_of(code) {
            Some(ErrorClass::Funds) => "На карте недостаточно средств или превышен лимит. Деньги не списаны.",
            Some(ErrorClass::Hard) => "Эта карта не подходит. Деньги не списаны, попробуйте другую.",
            Some(ErrorClass::Stop) => {
                "Банк отклонил платёж. Деньги не списаны, обратитесь в банк или попробуйте другую карту."
            }
            Some(ErrorClass::Config) => "Оплата сейчас не принимается. Мы уже разбираемся, попробуйте позже.",
            _ => "Банк отклонил платёж. Деньги не списаны, попробуйте ещё раз.",
        },
        None => "Платёж не прошёл. Деньги не списаны, попробуйте ещё раз.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_back() {
        for state in PurchaseState::ALL {
            assert_eq!(PurchaseState::from_code(state.code()), Some(state));
        }
        assert_eq!(PurchaseState::from_code("done"), None);
    }

    #[test]
    fn a_review_ends_where_the_coins_are() {
        for (state, credited, wanted) in [
            (PurchaseState::Review, true, PurchaseState::Paid),
            (PurchaseState::Review, false, PurchaseState::Failed),
            (PurchaseState::Paid, true, PurchaseState::Paid),
            (PurchaseState::Awaiting, false, PurchaseState::Awaiting),
        ] {
            assert_eq!(state.looked_at(credited), wanted, "{state:?}");
        }
    }

    #[test]
    fn a_buyer_reads_what_happened() {
        let label = |state, status: Option<PaymentStatus>, refunded| {
            label_ru(state, status.as_ref(), Kopecks(100), Kopecks(refunded))
        };
        assert_eq!(
            label(PurchaseState::Awaiting, Some(PaymentStatus::PayChecking), 0),
            "Банк проверяет оплату"
        );
        assert_eq!(label(PurchaseState::Awaiting, None, 0), "Ожидает оплаты");
        assert_eq!(label(PurchaseState::Paid, None, 0), "Оплачено");
        assert_eq!(label(PurchaseState::Paid, None, 99), "Оплачено, часть денег возвращена");
        assert_eq!(label(PurchaseState::Paid, None, 100), "Деньги возвращены");
        assert!(failure_ru(Some("1051")).contains("недостаточно"));
        assert!(failure_ru(Some("204")).contains("не принимается"));
        assert!(failure_ru(Some("bank_silent")).contains("не ответил"));
        assert!(failure_ru(Some("closed")).contains("возвращены"));
    }
}
