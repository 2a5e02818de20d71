//! State of a purchase and its labels for buyers.

use crate::UnknownText;
use crate::money::Kopecks;
use crate::platform::tbank::{ErrorClass, PaymentOutcome, PaymentStatus, class_of};

/// Progress of a purchase; stored as text.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PurchaseState {
    /// Created; the bank has not been called.
    Created,
    /// The bank is being called, or was called and did not answer: a retry queries the order first.
    Opening,
    /// The payment form waits for the payer.
    Awaiting,
    /// The money was taken and the coins are in the wallet.
    Paid,
    /// Not paid. A late success is still accepted.
    Failed,
    /// The bank's data contradicts ours: an operator must check.
    Review,
}

impl PurchaseState {
    /// State after an operator's review: paid if the coins were credited, failed otherwise. States other than review do
    /// not change.
    #[must_use]
    pub const fn after_review(self, credited: bool) -> Self {
        match self {
            Self::Review if credited => Self::Paid,
            Self::Review => Self::Failed,
            other => other,
        }
    }

    /// Whether the purchase needs no further processing.
    pub const fn is_processed(self) -> bool {
        matches!(self, Self::Paid | Self::Failed | Self::Review)
    }
}

/// Text in Russian that the buyer sees.
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
            Some(status) if status.outcome() == PaymentOutcome::InDoubt => "Банк проверяет оплату",
            _ => "Ожидает оплаты",
        },
        PurchaseState::Paid if refunded.is_positive() && refunded >= price => "Деньги возвращены",
        PurchaseState::Paid if refunded.is_positive() => "Оплачено, часть денег возвращена",
        PurchaseState::Paid => "Оплачено",
        PurchaseState::Failed => "Не оплачено",
        PurchaseState::Review => "Проверяем платёж",
    }
}

/// Reason in Russian why a purchase was not paid. `code` is the bank's error code or one of ours.
pub fn failure_ru(code: Option<&str>) -> &'static str {
    match code {
        Some("bank_silent") => "Банк не ответил. Деньги не списаны, попробуйте ещё раз.",
        Some("form_lost") => {
            "Банк ответил слишком поздно, и форма оплаты закрыта. Деньги не списаны, попробуйте ещё раз."
        }
        Some("too_late") => "Оплату не успели открыть вовремя. Деньги не списаны, попробуйте ещё раз.",
        Some("link_expired") => "Время на оплату вышло. Деньги не списаны, попробуйте ещё раз.",
        Some("cancelled") => "Платёж отменён, деньги не списаны.",
        Some("refunded") => "Деньги за этот платёж вернули. Если он нужен, оплатите ещё раз.",
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
    fn a_review_ends_where_the_coins_are() {
        for (state, credited, wanted) in [
            (PurchaseState::Review, true, PurchaseState::Paid),
            (PurchaseState::Review, false, PurchaseState::Failed),
            (PurchaseState::Paid, true, PurchaseState::Paid),
            (PurchaseState::Awaiting, false, PurchaseState::Awaiting),
        ] {
            assert_eq!(state.after_review(credited), wanted, "{state:?}");
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
