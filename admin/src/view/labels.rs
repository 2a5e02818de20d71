//! Russian labels: of states, with their meanings, and of codes in stored rows.

use flysk_domain::admin::{BulkState, OperatorRight, OperatorRights};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::platform::events::EventKind;
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::ledger::HoldState;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::mail::MailState;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_domain::platform::subscriptions::{InvoiceState, SubscriptionState};
use flysk_domain::platform::transfers::TransferInvoiceState;
use flysk_store::admin::bulk_acts::BulkOutcome;
use flysk_store::admin::exports::ExportState;
use flysk_store::admin::operators::OperatorState;
use flysk_store::jobs::{AttemptOutcome, JobState};
use flysk_store::platform::events::EventState;
use flysk_store::platform::invoice_payments::ReceiptState;
use flysk_store::platform::purchases::{NotificationState, RefundState};
use flysk_store::platform::tokens::PairState;

use super::{Cell, Tone};

/// A state with its label and meaning.
pub(crate) trait Labeled: Copy {
    /// Label in Russian.
    fn label(self) -> &'static str;
    /// Meaning.
    fn tone(self) -> Tone;

    /// The state as a cell.
    fn cell(self) -> Cell {
        Cell::state(self.label(), self.tone())
    }
}

macro_rules! labels {
    ($name:ident { $($variant:ident = $label:literal, $tone:ident;)+ }) => {
        impl Labeled for $name {
            fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            fn tone(self) -> Tone {
                match self { $(Self::$variant => Tone::$tone,)+ }
            }
        }
    };
}

labels!(InstallStatus {
    Installing = "подключается", Busy;
    Active = "активна", Good;
    Inactive = "выключена", Quiet;
    Reconnect = "ждёт переподключения", Bad;
    Uninstalled = "удалена", Quiet;
});
labels!(JobState {
    Queued = "в очереди", Busy;
    Running = "выполняется", Busy;
    Done = "выполнено", Good;
    Dead = "остановлено", Bad;
    Cancelled = "отменено", Quiet;
});
labels!(AttemptOutcome {
    Failed = "не удалась", Bad;
    Dead = "не удалась, последняя", Bad;
    Abandoned = "воркер пропал", Bad;
    Released = "воркер остановлен", Quiet;
});
labels!(EventState {
    Waiting = "ждёт доставки", Busy;
    Delivered = "доставлено", Good;
    Refused = "отклонено бэкендом", Quiet;
    Failed = "не доставлено", Bad;
    Unaddressed = "нет адреса", Quiet;
});
labels!(BulkState {
    Running = "выполняется", Busy;
    Paused = "приостановлено", Bad;
    Stopped = "закончено раньше", Quiet;
    Done = "выполнено", Good;
});
labels!(BulkOutcome {
    Done = "изменена", Good;
    Refused = "отказано", Bad;
});
labels!(OperatorState {
    Working = "работает", Good;
    Enrolling = "ждёт второго фактора", Busy;
    Disabled = "отключён", Quiet;
});
labels!(ExportState {
    Writing = "пишется", Busy;
    Ready = "готова", Good;
    Failed = "не удалась", Bad;
    Deleted = "файл удалён", Quiet;
});
labels!(PurchaseState {
    Created = "создана", Busy;
    Opening = "открывается", Busy;
    Awaiting = "ждёт оплаты", Busy;
    Paid = "оплачена", Good;
    Failed = "не оплачена", Quiet;
    Review = "проверка", Bad;
});
labels!(NotificationState {
    New = "новое", Busy;
    Applied = "применено", Good;
    Ignored = "пропущено", Quiet;
});
labels!(RefundState {
    Pending = "ждёт отправки", Busy;
    Sent = "отправлен", Busy;
    Done = "выполнен", Good;
    Refused = "отклонён банком", Bad;
});
labels!(PairState {
    Good = "действуют", Good;
    Refreshing = "обновляются", Busy;
    InDoubt = "исход обновления неизвестен", Bad;
    Refused = "отозваны", Bad;
});
labels!(MailState {
    Waiting = "ждёт отправки", Busy;
    Sending = "отправляется", Busy;
    Sent = "отправлено", Good;
    Unknown = "исход неизвестен", Bad;
    BadAddress = "адреса нет", Bad;
    Refused = "отклонено почтой", Bad;
    Unwanted = "отключено получателем", Quiet;
    Outdated = "устарело", Quiet;
    Unconfigured = "почта не настроена", Quiet;
});
labels!(HoldState {
    Open = "открыт", Busy;
    Captured = "списан", Good;
    Released = "возвращён", Quiet;
    Expired = "истёк", Quiet;
});

labels!(InvoiceState {
    Open = "ждёт оплаты", Busy;
    Paid = "оплачен", Good;
    Void = "аннулирован", Quiet;
});

labels!(TransferInvoiceState {
    Sending = "отправляется в банк", Busy;
    Issued = "ждёт денег", Busy;
    Paid = "оплачен", Good;
    Expired = "просрочен", Quiet;
    Void = "отозван", Quiet;
});

labels!(AttemptState {
    Opening = "открывается", Busy;
    Open = "ждёт плательщика", Busy;
    Charging = "списывается", Busy;
    Cancelling = "отменяется", Busy;
    Paid = "оплачен", Good;
    Failed = "не оплачен", Quiet;
    Review = "проверка", Bad;
});
labels!(ReceiptState {
    Waiting = "ждёт конца периода", Busy;
    Sending = "отправляется", Busy;
    Sent = "отправлен", Good;
    Unclear = "без ответа банка", Bad;
    Cancelled = "не нужен", Quiet;
});

impl Labeled for TranscriptionState {
    fn label(self) -> &'static str {
        TranscriptionState::label(self)
    }

    fn tone(self) -> Tone {
        match self {
            Self::Done => Tone::Good,
            Self::Failed | Self::NoBalance => Tone::Bad,
            Self::NoSpeech | Self::Cancelled => Tone::Quiet,
            _ => Tone::Busy,
        }
    }
}

impl Labeled for SubscriptionState {
    fn label(self) -> &'static str {
        self.label_ru()
    }

    fn tone(self) -> Tone {
        match self {
            Self::Active => Tone::Good,
            Self::Trialing | Self::Renewing => Tone::Busy,
            Self::PastDue => Tone::Bad,
            Self::TrialEnded | Self::Expired | Self::Cancelled => Tone::Quiet,
        }
    }
}

/// Acts of operators in the audit log, by code.
pub(crate) const ACTIONS: [(&str, &str); 106] = [
    ("account.erase", "стирание данных аккаунта"),
    ("account.erased", "данные аккаунта стёрты"),
    ("approval.decline", "отклонение заявки"),
    ("approval.request", "заявка второму оператору"),
    ("bulk.pause", "пауза массового действия"),
    ("bulk.resume", "продолжение массового действия"),
    ("bulk.start", "массовое действие"),
    ("bulk.stop", "конец массового действия"),
    ("bulk.undo", "отмена массового действия"),
    ("call.listen", "прослушивание звонка"),
    ("call.replay", "новый прогон звонка"),
    ("card.unlink", "отвязка карты"),
    ("event.replay", "повторная доставка события"),
    ("export.download", "скачивание выгрузки"),
    ("export.stop", "конец выгрузки"),
    ("install.act_as", "просмотр от имени аккаунта"),
    ("install.act_as_end", "конец просмотра от имени аккаунта"),
    ("install.change_settings", "изменение настроек"),
    ("install.reconnect_link", "ссылка для переподключения"),
    ("install.restore_settings", "возврат прежних настроек"),
    ("install.return_balance", "возврат денег с баланса фирмы"),
    ("install.switch_off", "выключение виджета"),
    ("install.switch_on", "включение виджета"),
    ("invoice.clear_lock", "снятие блокировки платежа"),
    ("invoice.decide_receipt", "решение о закрывающем чеке"),
    ("invoice.mark_paid", "отметка счёта оплаченным"),
    ("invoice.refund", "возврат по счёту"),
    ("invoice.void", "аннулирование счёта"),
    ("campaign.start", "новая цена объявлена"),
    ("campaign.stop", "новая цена остановлена"),
    ("job.cancel", "отмена задания"),
    ("job.reschedule", "перенос задания"),
    ("job.replay", "повтор задания"),
    ("keys.rotate", "перешифрование секретов"),
    ("list.export", "выгрузка списка"),
    ("operator.add_passkey", "добавление ключа доступа"),
    ("operator.change_access", "изменение доступа оператора"),
    ("operator.change_password", "смена пароля"),
    ("operator.create", "добавление оператора"),
    ("operator.end_session", "завершение сеанса"),
    ("operator.enrol", "подключение второго фактора"),
    ("operator.refuse_passkey", "отказ ключу доступа"),
    ("operator.remove_passkey", "удаление ключа доступа"),
    ("operator.renew_recovery_codes", "новые коды восстановления"),
    ("operator.reset", "сброс доступа оператора"),
    ("operator.sign_in", "вход в панель"),
    ("operator.step_up", "подтверждение второго фактора"),
    ("operator.unlock", "снятие блокировки входа"),
    ("package.offer", "пакет выставлен на продажу"),
    ("package.retire", "пакет снят с продажи"),
    ("payment.refresh", "запрос к банку о платеже"),
    ("payment.resolve_review", "конец проверки платежа"),
    ("plan.offer", "тариф выставлен на продажу"),
    ("plan.retire", "тариф снят с продажи"),
    ("price.set", "изменение цены"),
    ("purchase.refresh", "запрос к банку о покупке"),
    ("purchase.refund", "возврат денег"),
    ("purchase.resolve_review", "конец проверки покупки"),
    ("subscription.bonus", "бонусные дни подписки"),
    ("subscription.cancel", "отмена подписки"),
    ("subscription.change", "изменение подписки"),
    ("subscription.end_refunded", "конец подписки с возвращёнными деньгами"),
    ("subscription.end_review", "конец разбора подписки"),
    ("subscription.free_seat", "освобождение места"),
    ("subscription.quote", "расчёт цены изменения"),
    ("subscription.reinstate", "восстановление подписки"),
    ("subscription.renew", "продление подписки"),
    ("subscription.restore", "отзыв отмены подписки"),
    ("subscription.start", "создание подписки"),
    ("subscription.withdraw_change", "отзыв изменения подписки"),
    ("token.refresh_all", "обновление всех токенов"),
    ("transfer.dismiss", "перевод не от клиента"),
    ("transfer.leave", "перевод оставлен в очереди"),
    ("transfer.match", "перевод отдан счёту"),
    ("transfer.returned", "перевод возвращён плательщику"),
    ("transfer.to_balance", "перевод на баланс фирмы"),
    ("transfer_invoice.withdraw", "отзыв счёта для перевода"),
    ("vendor.assign_widget", "передача виджета продавцу"),
    ("vendor.create", "добавление продавца"),
    ("vendor.put_taxes", "изменение налогов продавца"),
    ("vendor.remove_t_api", "удаление доступа к T-API"),
    ("vendor.remove_terminal", "удаление терминала продавца"),
    ("vendor.set_t_api", "доступ продавца к T-API"),
    ("vendor.set_terminal", "терминал продавца"),
    ("vendor.set_transfer_terms", "срок оплаты счетов продавца"),
    ("vendor.update", "изменение данных продавца"),
    ("vendor_user.accept", "приглашение в портал принято"),
    ("vendor_user.change_access", "доступ пользователя портала"),
    ("vendor_user.change_password", "смена пароля в портале"),
    ("vendor_user.end_session", "завершение сеанса портала"),
    ("vendor_user.enrol", "второй фактор в портале"),
    ("vendor_user.invite", "приглашение в портал"),
    ("vendor_user.renew_recovery_codes", "новые коды восстановления портала"),
    ("vendor_user.revoke_invitation", "отзыв приглашения в портал"),
    ("vendor_user.sign_in", "вход в портал"),
    ("vendor_user.step_up", "подтверждение второго фактора в портале"),
    ("wallet.credit", "начисление компенсации"),
    ("widget.change_client_secret", "замена ключа интеграции"),
    ("widget.change_schema", "изменение схемы настроек"),
    ("widget.register", "регистрация виджета"),
    ("widget.revoke_former", "отзыв прежних токенов или секретов"),
    ("widget.rotate_event_secret", "новый секрет событий"),
    ("widget.rotate_project_token", "новый проектный токен"),
    ("widget.test_event", "проверочное событие"),
    ("widget.update", "изменение параметров виджета"),
    ("widget.update_events", "настройка событий"),
];

/// Kinds of objects in the audit log, by code.
pub(crate) const SUBJECTS: [(&str, &str); 26] = [
    ("account", "аккаунт"),
    ("approval", "заявка"),
    ("bulk", "массовое действие"),
    ("call", "звонок"),
    ("campaign", "новая цена"),
    ("event", "событие"),
    ("export", "выгрузка"),
    ("install", "установка"),
    ("invoice", "счёт"),
    ("job", "задание"),
    ("key", "ключ"),
    ("list", "список"),
    ("operator", "оператор"),
    ("package", "пакет"),
    ("payment", "платёж"),
    ("plan", "тариф"),
    ("price", "цена"),
    ("purchase", "покупка"),
    ("refresh_run", "прогон обновления токенов"),
    ("subscription", "подписка"),
    ("transfer", "перевод"),
    ("transfer_invoice", "счёт для перевода"),
    ("vendor", "продавец"),
    ("vendor_user", "пользователь продавца"),
    ("wallet", "кошелёк"),
    ("widget", "виджет"),
];

/// The label of a code; the code itself if it has none.
pub(crate) fn label_of<'a>(labels: &[(&'static str, &'static str)], code: &'a str) -> &'a str {
    labels.iter().find(|(known, _)| *known == code).map_or(code, |(_, label)| *label)
}

/// Names of rights.
pub(crate) fn rights(rights: &OperatorRights) -> String {
    rights.granted().map(OperatorRight::label).collect::<Vec<_>>().join(", ")
}

/// The label of an act in the audit log.
pub(crate) fn action(code: &str) -> &str {
    label_of(&ACTIONS, code)
}

/// The label of an event's kind.
pub(crate) const fn event(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Install => "виджет установлен",
        EventKind::Activate => "виджет включён",
        EventKind::Deactivate => "виджет выключен",
        EventKind::SettingsChanged => "настройки изменены",
        EventKind::FlycoinsPurchased => "куплены Flycoins",
        EventKind::FlycoinsBalanceLow => "Flycoins заканчиваются",
        EventKind::FlycoinsHoldExpired => "резерв истёк",
        EventKind::SubscriptionTrialEnding => "пробный период заканчивается",
        EventKind::SubscriptionTrialEnded => "пробный период закончился",
        EventKind::SubscriptionActivated => "подписка началась",
        EventKind::SubscriptionRenewalUpcoming => "скоро продление подписки",
        EventKind::SubscriptionPriceChanging => "объявлена новая цена подписки",
        EventKind::SubscriptionRenewed => "подписка продлена",
        EventKind::SubscriptionPaymentFailed => "списание за подписку не прошло",
        EventKind::SubscriptionPastDue => "подписка просрочена",
        EventKind::SubscriptionChanged => "подписка изменена",
        EventKind::SubscriptionCancelled => "подписка отменена",
        EventKind::SubscriptionExpired => "подписка закончилась без оплаты",
        EventKind::Test => "проверочное событие",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_without_a_label_is_shown_itself() {
        assert_eq!(action("wallet.credit"), "начисление компенсации");
        assert_eq!(label_of(&SUBJECTS, "job"), "задание");
        assert_eq!((action("wallet.new"), label_of(&SUBJECTS, "")), ("wallet.new", ""));
    }
}
