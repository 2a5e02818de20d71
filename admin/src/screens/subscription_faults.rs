//! Why an act of an operator on a subscription is not possible, in Russian.

use flysk_domain::platform::subscriptions::{RefundReason, ReinstateRefusal};
use flysk_services::subscriptions::OperatorError;

use crate::http::Fault;

/// Why an act is not possible, in Russian.
pub(super) fn to_fault(error: OperatorError) -> Fault {
    match error {
        OperatorError::Reinstate(ReinstateRefusal::TooLate(day)) => Fault::conflict(format!(
            "Следующий период закончился {}: восстановить подписку нельзя.",
            day.format("%d.%m.%Y")
        )),
        OperatorError::Reinstate(ReinstateRefusal::Refunded(day)) => Fault::conflict(format!(
            "Деньги за период до {} возвращены: восстановить подписку нельзя. Оформите новую или начислите дни.",
            day.format("%d.%m.%Y")
        )),
        OperatorError::Refused(_) | OperatorError::Reinstate(_) => {
            Fault::conflict("Состояние подписки этого не позволяет. Обновите страницу.")
        }
        OperatorError::Bonus(_) => Fault::refused("Столько дней начислить нельзя: от 1 до 366."),
        OperatorError::Cancels => Fault::conflict("Подписка закончится с периодом: сначала отзовите отмену."),
        OperatorError::NextPeriodPaid => Fault::conflict("Следующий период уже оплачен."),
        OperatorError::InvoiceNotOpen(_) => Fault::conflict("Счёт уже не ждёт оплаты."),
        OperatorError::UnderReview => Fault::conflict("Подписка ждёт решения: сначала завершите проверку."),
        OperatorError::NotUnderReview => Fault::conflict("Подписка не ждёт решения."),
        OperatorError::NotLocked => Fault::conflict("У счёта нет незавершённого платежа."),
        OperatorError::StillDeciding => Fault::conflict("Банк ещё может решить судьбу платежа. Подождите."),
        OperatorError::NoReceipt => Fault::conflict("У счёта нет закрывающего чека."),
        OperatorError::ReceiptDecided(_) => {
            Fault::conflict("О закрывающем чеке сейчас решать нечего. Обновите страницу.")
        }
        OperatorError::NotRefunded => {
            Fault::conflict("Деньги за текущий период возвращены не все: закончить его сразу нельзя.")
        }
        OperatorError::CannotSettle(reason) => {
            Fault::conflict(format!("Эту оплату принять нельзя: {}.", why_returned(reason)))
        }
        OperatorError::Store(error) => error.into(),
    }
}

/// Why money for an invoice would be returned, in Russian.
const fn why_returned(reason: RefundReason) -> &'static str {
    match reason {
        RefundReason::PaidTwice => "счёт уже оплачен другим платежом",
        RefundReason::Cancelled => "клиент тем временем отменил подписку",
        RefundReason::TooLate => "оплаченный период уже прошёл или его занял другой",
        RefundReason::Superseded => "то, за что выставлен счёт, тем временем изменили",
    }
}
