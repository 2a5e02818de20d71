//! Russian words for codes of the timeline. A code without a word is shown as it is.

use flysk_domain::platform::ledger::TransactionKind;
use flysk_domain::platform::subscriptions::{SubscriptionAction, SubscriptionState};

/// What an entry of a subscription's log says.
pub(super) fn subscription_action(code: &str) -> &str {
    code.parse::<SubscriptionAction>().map_or(code, |action| action.label())
}

pub(super) fn subscription_state(code: &str) -> &str {
    code.parse::<SubscriptionState>().map_or(code, |state| state.label_ru())
}

/// Who acted on a subscription.
pub(super) fn actor(code: &str) -> String {
    match code.split_once(':') {
        Some(("user", id)) => format!("пользователь {id}"),
        Some(("operator", name)) => format!("оператор {name}"),
        _ => match code {
            "letter" => "получатель письма",
            "bank" => "банк",
            "system" => "Flysk",
            other => other,
        }
        .to_owned(),
    }
}

/// A transaction in a wallet.
pub(super) fn transaction(code: &str) -> &str {
    code.parse::<TransactionKind>().map_or(code, |kind| kind.label())
}

/// Why the API refuses a request with this status.
pub(super) fn refusal(status: u16) -> &'static str {
    match status {
        400 | 422 => "в запросе ошибка: повтор не поможет",
        401 => "нет действующего токена",
        402 => "не хватает Flycoins, или аккаунт amoCRM не оплачен",
        403 => "действие не разрешено",
        404 => "такого объекта нет",
        405 => "у этого адреса нет такого метода",
        409 => "сейчас это невозможно: состояние другое",
        413 => "тело запроса слишком большое",
        415 => "тело запроса другого типа",
        429 => "слишком много запросов: повторите позже",
        406..=499 => "запрос отклонён",
        501 => "песочница этого не умеет: проверьте на настоящем аккаунте amoCRM",
        502..=504 => "сервис временно недоступен: повторите позже",
        _ => "внутренняя ошибка",
    }
}

/// What a job does.
pub(super) fn job(kind: &str) -> &'static str {
    match kind {
        "lifecycle.deliver_event" => "доставка события бэкенду",
        "oauth.exchange_code" | "oauth.exchange_vouched_code" => "подключение аккаунта",
        "oauth.confirm_disconnect" => "проверка отключения",
        "oauth.refresh_token" => "обновление токенов amoCRM",
        "billing.open_payment" | "billing.open_invoice_form" => "открытие формы банка",
        "billing.charge_invoice" => "списание с карты",
        "billing.refund_payment" | "billing.refund_invoice_payment" => "возврат денег",
        "billing.send_closing_receipt" => "закрывающий чек",
        _ => "задание Flysk",
    }
}

/// What amoCRM tells: its own names of webhooks stay as they are.
pub(super) fn webhook(event: &str) -> &str {
    match event {
        "install" => "установка",
        "uninstall" => "удаление",
        other => other,
    }
}

/// Why an act of the page was not done, by the code of the problem.
pub(super) fn problem(code: &str) -> &'static str {
    match code {
        "invalid_request" => "Значение не подходит",
        "not_found" => "Не найдено",
        "conflict" => "Сейчас это невозможно",
        "busy" => "Задания ещё выполняются, или время переводится",
        "starting" => "Песочница запускается",
        "stopping" => "Песочница останавливается",
        _ => "Не получилось",
    }
}

#[cfg(test)]
mod tests {
    use flysk_domain::TextEnum;

    use super::*;

    fn codes<T: TextEnum>() -> Vec<&'static str> {
        T::VARIANTS.iter().map(|known| known.as_str()).collect()
    }

    #[test]
    fn every_code_of_the_product_has_a_russian_word() {
        for code in codes::<SubscriptionState>() {
            assert_ne!(subscription_state(code), code);
        }
        for code in codes::<TransactionKind>() {
            assert_ne!(transaction(code), code);
        }
        for code in ["user:501", "operator:anna", "letter", "bank", "system"] {
            assert_ne!(actor(code), code);
        }
    }

    #[test]
    fn an_unknown_code_is_shown_as_it_is() {
        assert_eq!((subscription_action("x"), subscription_state("x"), transaction("x")), ("x", "x", "x"));
        assert_eq!((actor("x"), webhook("add_lead")), ("x".to_owned(), "add_lead"));
    }
}
