//! Russian labels of stored codes about subscriptions, their payments and taxes, and what the bank tells of purchases.

use flysk_domain::platform::subscriptions::{SubscriptionAction, VatRate};

use super::labels::label_of;

/// Contradictions between a payment and the bank's answers, by code.
pub(crate) const CONTRADICTIONS: [(&str, &str); 6] = [
    ("contradiction", "статус противоречит прежнему"),
    ("not_paid", "деньги не списаны"),
    ("other_amount", "оплачена другая сумма"),
    ("other_payment", "другой платёж того же заказа"),
    ("refunded_before", "возвращено до зачисления"),
    ("removed_terminal", "возможно, оплачен на удалённом терминале"),
];

/// Differences between the bank's data and ours, by code.
pub(crate) const DISCREPANCIES: [(&str, &str); 11] = [
    ("amount", "суммы разные"),
    ("needs_review", "ждёт проверки"),
    ("not_paid_at_the_bank", "в банке не оплачено"),
    ("other_terminal", "другой терминал"),
    ("paid_at_the_bank", "оплачено только в банке"),
    ("paid_twice", "оплачено дважды"),
    ("refund", "возвраты разные"),
    ("stuck_refund", "возврат не завершён"),
    ("unanswered", "банк не ответил"),
    ("unknown_order", "заказ неизвестен"),
    ("unread_notification", "уведомление не обработано"),
];

/// T-Bank's codes of taxation.
pub(crate) const TAXATIONS: [(&str, &str); 5] = [
    ("osn", "общая (ОСН)"),
    ("usn_income", "упрощённая, доходы"),
    ("usn_income_outcome", "упрощённая, доходы минус расходы"),
    ("esn", "сельхозналог (ЕСХН)"),
    ("patent", "патент"),
];

pub(crate) const VAT_RATES: [(VatRate, &str); 7] = [
    (VatRate::None, "без НДС"),
    (VatRate::Vat0, "0 %"),
    (VatRate::Vat5, "5 %"),
    (VatRate::Vat7, "7 %"),
    (VatRate::Vat10, "10 %"),
    (VatRate::Vat20, "20 %"),
    (VatRate::Vat22, "22 %"),
];

/// The label of a VAT rate.
pub(crate) fn vat(rate: VatRate) -> &'static str {
    VAT_RATES.iter().find(|(known, _)| *known == rate).map_or("", |(_, label)| *label)
}

/// Names of the ways in which an invoice was paid, by code.
pub(crate) const MEANS: [(&str, &str); 4] = [
    ("card", "списание с карты"),
    ("form", "форма банка"),
    ("manual", "отметил оператор"),
    ("transfer", "перевод по счёту"),
];

/// Why an invoice is void, by code.
pub(crate) const VOID_REASONS: [(&str, &str); 11] = [
    ("bonus", "начислены бонусные дни"),
    ("cancelled", "подписка отменена"),
    ("discarded", "клиент отказался"),
    ("expired", "подписка закончилась без оплаты"),
    ("not_paid", "не оплачен в срок"),
    ("not_sold", "виджет не продавал подписок"),
    ("operator", "аннулировал оператор"),
    ("period_over", "период прошёл"),
    ("reinstated", "подписку восстановил оператор"),
    ("reopened", "подписка возобновлена другим платежом"),
    ("superseded", "заменён другим счётом"),
];

/// Why a transfer invoice ended unpaid, by code.
pub(crate) const TRANSFER_ENDS: [(&str, &str); 6] = [
    ("expired", "не оплачен в срок"),
    ("late", "деньги пришли, когда купить на них уже было нельзя"),
    ("paid_otherwise", "оплачено иначе"),
    ("replaced", "заменён счётом другой фирме"),
    ("superseded", "то, за что он выставлен, отменено или заменено"),
    ("withdrawn", "отозван"),
];

/// The label of a reason in [`TRANSFER_ENDS`].
pub(crate) fn transfer_end(code: &str) -> &str {
    label_of(&TRANSFER_ENDS, code)
}

/// What an action on a subscription did; the code of one that this release does not know.
pub(crate) fn subscription_action(code: &str) -> &str {
    code.parse::<SubscriptionAction>().map_or(code, |action| action.label())
}

/// Reasons of a subscription's access, by code.
pub(crate) const ACCESS_REASONS: [(&str, &str); 12] = [
    ("cancelled", "подписка отменена"),
    ("expired", "подписка закончилась без оплаты"),
    ("granted", "период подарен"),
    ("no_seat", "нет места у пользователя"),
    ("not_sold", "виджет не продаёт подписок"),
    ("not_subscribed", "ничего не куплено"),
    ("paid", "период оплачен"),
    ("payment_overdue", "следующий период не оплачен"),
    ("renewing", "продлевается"),
    ("trial", "пробный период"),
    ("trial_ended", "пробный период закончился"),
    ("under_review", "ждёт решения"),
];

/// Levels of a subscription's access, by code.
pub(crate) const ACCESS_LEVELS: [(&str, &str); 4] = [
    ("allowed", "есть"),
    ("grace", "есть, просит оплаты"),
    ("off", "нет"),
    ("restricted", "только просмотр"),
];

#[cfg(test)]
mod tests {
    use flysk_domain::TextEnum;
    use flysk_domain::platform::purchases::Discrepancy;
    use flysk_domain::platform::subscriptions::{AccessLevel, AccessReason, TAXATIONS as TAXATION_CODES};

    use super::*;

    fn all<T: TextEnum>() -> &'static [T] {
        T::VARIANTS
    }

    fn covers<T: TextEnum>(labels: &[(&str, &str)]) -> bool {
        all::<T>().iter().all(|code| labels.iter().any(|(known, _)| *known == code.as_str()))
    }

    #[test]
    fn every_code_has_a_label() {
        assert!(covers::<Discrepancy>(&CONTRADICTIONS));
        assert!(covers::<AccessLevel>(&ACCESS_LEVELS) && covers::<AccessReason>(&ACCESS_REASONS));
        assert!(TAXATION_CODES.iter().all(|code| TAXATIONS.iter().any(|(known, _)| known == code)));
        assert!(all::<VatRate>().iter().all(|rate| !vat(*rate).is_empty()));
    }
}
