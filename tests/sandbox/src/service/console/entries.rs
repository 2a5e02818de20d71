//! Entries of the timeline as people read them, in Russian.

use flysk_domain::money::MicroCoins;
use serde_json::Value;

use super::super::bank_words::CardOutcome;
use super::super::occurrence::{BankPayment, CoinEntry, Entry, Occurrence, SentEvent, SubscriptionEntry};
use super::{moscow_time, roubles, words};

/// An entry on the page.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) seq: u64,
    pub(super) at: String,
    /// The account that it is about, if there is one.
    pub(super) account: Option<u64>,
    pub(super) label: &'static str,
    pub(super) summary: String,
    pub(super) class: &'static str,
    /// What opens the parts.
    pub(super) opens: &'static str,
    pub(super) parts: Vec<Part>,
}

/// A longer text of an entry.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) title: &'static str,
    pub(super) text: String,
}

/// Word, summary, class, what opens the parts, and the parts.
type Words = (&'static str, String, &'static str, &'static str, Vec<Part>);

/// The entry for the page.
pub(super) fn shown(entry: &Entry) -> Shown {
    let (label, summary, class, opens, parts) = told(&entry.what);
    let (at, account) = (moscow_time(entry.at), entry.what.account_id());
    Shown { seq: entry.seq, at, account, label, summary, class, opens, parts }
}

fn told(what: &Occurrence) -> Words {
    match what {
        Occurrence::Event(sent) => event(sent),
        Occurrence::Charge(paid) => payment("Списание с карты", paid),
        Occurrence::Payment(paid) => payment("Оплата", paid),
        Occurrence::Refund(paid) => payment("Возврат", paid),
        Occurrence::Subscription(entry) => subscription(entry),
        Occurrence::Invoice(invoice) => {
            let summary = format!(
                "{}: {} ₽, {}",
                invoice.title,
                roubles(invoice.total_kopecks),
                invoice_state(&invoice.state)
            );
            ("Счёт", summary, "busy", "", Vec::new())
        }
        Occurrence::Flycoins(entry) => ("Flycoins", coins(entry), "busy", "", Vec::new()),
        Occurrence::Refusal(refusal) => {
            let summary =
                format!("{} {} → {} {}", refusal.method, refusal.path, refusal.status, refusal.code);
            let mut parts = vec![
                Part { title: "Причина", text: words::refusal(refusal.status).to_owned() },
                Part { title: "Ответ API", text: refusal.detail.clone() },
            ];
            if !refusal.validation_errors.is_null() {
                let text = pretty(&refusal.validation_errors);
                parts.push(Part { title: "Ошибки полей от amoCRM", text });
            }
            ("Отказ API", summary, "bad", "Почему", parts)
        }
        Occurrence::Letter(letter) => {
            let summary = format!("{}: {}", letter.to.join(", "), letter.subject);
            ("Письмо", summary, "busy", "Текст", vec![Part { title: "Письмо", text: letter.text.clone() }])
        }
        Occurrence::Webhook(webhook) => {
            let answer = match (webhook.lost, webhook.status) {
                (true, _) => "потерян".to_owned(),
                (false, Some(status)) => status.to_string(),
                (false, None) => "нет ответа".to_owned(),
            };
            let to = webhook.destination.as_deref().unwrap_or_default();
            let class = if webhook.lost { "bad" } else { "busy" };
            let event = words::webhook(&webhook.event);
            ("Вебхук amoCRM", format!("{event} {to} → {answer}"), class, "", Vec::new())
        }
        Occurrence::FailedJob(job) => {
            let summary = format!("{} ({})", words::job(&job.kind), job.kind);
            let parts =
                vec![Part { title: "Ошибка в журнале Flysk", text: job.reason.clone() }];
            ("Задание не выполнено", summary, "bad", "Почему", parts)
        }
    }
}

fn event(sent: &SentEvent) -> Words {
    let answer = match (sent.lost, sent.status) {
        (true, _) => "потеряно".to_owned(),
        (false, Some(status)) => format!("{status} за {} мс", sent.took_ms),
        (false, None) => "нет ответа".to_owned(),
    };
    let is_good = !sent.lost && sent.status.is_some_and(|status| (200..300).contains(&status));
    let to = sent.url.as_deref().unwrap_or("принято песочницей");
    let parts = vec![
        Part { title: "Тело", text: pretty(&sent.body) },
        Part {
            title: "Ответ",
            text: if sent.answer.is_empty() { "без тела".to_owned() } else { sent.answer.clone() },
        },
    ];
    let class = if is_good { "good" } else { "bad" };
    ("Событие", format!("{} → {answer} ({to})", sent.event_type), class, "Тело и ответ", parts)
}

fn payment(label: &'static str, paid: &BankPayment) -> Words {
    let code = if paid.error_code == 0 { String::new() } else { format!(" ({})", paid.error_code) };
    let summary = format!("{} ₽: {}{code}", roubles(paid.amount_kopecks), outcome_label(&paid.outcome));
    let class = if paid.error_code == 0 { "good" } else { "bad" };
    (label, summary, class, "", Vec::new())
}

fn subscription(entry: &SubscriptionEntry) -> Words {
    let state = entry.state.as_deref().map(words::subscription_state);
    let state = state.map(|state| format!(" → {state}")).unwrap_or_default();
    let action = words::subscription_action(&entry.action);
    let summary = format!("{action} ({}){state}", words::actor(&entry.actor));
    let parts = vec![Part { title: "Подробности", text: pretty(&entry.details) }];
    ("Подписка", summary, "busy", "Подробности", parts)
}

/// What a transaction changes: the balance, and what is held of it.
fn coins(entry: &CoinEntry) -> String {
    let changes = [("баланс", entry.available_micro), ("резерв", entry.held_micro)];
    let changes: Vec<String> = changes
        .into_iter()
        .filter(|(_, micro)| *micro != 0)
        .map(|(what, micro)| format!("{what} {} FC", change(micro)))
        .collect();
    let reference = entry.reference.as_deref().map(|reference| format!(", {reference}")).unwrap_or_default();
    format!("{}: {}{reference}", words::transaction(&entry.kind), changes.join(", "))
}

/// A change of coins with its sign, such as `+2,5`.
fn change(micro: i64) -> String {
    let amount = MicroCoins(micro).to_string();
    let amount = amount.trim_end_matches('0').trim_end_matches('.');
    let sign = if micro > 0 { "+" } else { "" };
    format!("{sign}{}", amount.replace('.', ","))
}

fn invoice_state(state: &str) -> &str {
    match state {
        "open" => "ждёт оплаты",
        "paid" => "оплачен",
        "void" => "аннулирован",
        other => other,
    }
}

/// What became of a payment.
pub(super) fn outcome_label(outcome: &str) -> &str {
    match outcome {
        "paid" => "оплачено",
        "pending" => "ждёт плательщика",
        "refunded" => "возвращено",
        "reversed" => "отменено",
        "cancelled" => "отменён",
        other => {
            let known = CardOutcome::ALL.into_iter().find(|known| known.word() == other);
            known.map_or(other, |known| known.title())
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::occurrence::{FailedJob, Refusal};
    use super::*;

    #[test]
    fn an_event_is_shown_with_its_body_and_answer() {
        let sent = SentEvent {
            account_id: Some(1),
            event_id: "evt_1".to_owned(),
            event_type: "install".to_owned(),
            url: None,
            body: json!({ "id": "evt_1" }),
            status: Some(500),
            answer: "boom".to_owned(),
            took_ms: 3,
            lost: false,
        };
        let at = "2027-01-31T09:00:00Z".parse().unwrap();
        let shown = shown(&Entry { seq: 7, at, what: Occurrence::Event(sent) });
        assert_eq!((shown.seq, shown.class, shown.at.as_str()), (7, "bad", "31.01.2027 12:00:00 МСК"));
        assert_eq!(shown.account, Some(1));
        assert_eq!(shown.summary, "install → 500 за 3 мс (принято песочницей)");
        assert_eq!(shown.parts.iter().map(|part| part.title).collect::<Vec<_>>(), ["Тело", "Ответ"]);
        assert_eq!(shown.parts[1].text, "boom");
    }

    #[test]
    fn what_happened_is_told_in_russian() {
        let coins = |kind: &str, available_micro, held_micro| {
            let reference = Some("order-1".to_owned());
            let (kind, transaction_id) = (kind.to_owned(), "ltx_1".to_owned());
            let entry =
                CoinEntry { account_id: 1, transaction_id, kind, available_micro, held_micro, reference };
            told(&Occurrence::Flycoins(entry)).1
        };
        assert_eq!(coins("credit", 500_000_000, 0), "Пополнение: баланс +500 FC, order-1");
        assert_eq!(coins("hold", -2_500_000, 2_500_000), "Резерв: баланс -2,5 FC, резерв +2,5 FC, order-1");
        assert_eq!(coins("capture", 0, -10_000_000), "Списание: резерв -10 FC, order-1");

        let refusal = Refusal {
            account_id: None,
            method: "POST".to_owned(),
            path: "/v1/pauth".to_owned(),
            status: 403,
            code: "reconnect_required".to_owned(),
            detail: "an administrator must grant access".to_owned(),
            validation_errors: Value::Null,
        };
        let (_, summary, _, _, parts) = told(&Occurrence::Refusal(refusal.clone()));
        assert_eq!(summary, "POST /v1/pauth → 403 reconnect_required");
        assert_eq!((parts.len(), parts[0].text.as_str()), (2, "действие не разрешено"));
        let complaints = json!([{ "errors": [{ "path": "name" }] }]);
        let of_amocrm = Refusal { validation_errors: complaints, ..refusal };
        let (_, _, _, _, parts) = told(&Occurrence::Refusal(of_amocrm));
        assert!(parts[2].text.contains(r#""path": "name""#));

        let entry = SubscriptionEntry {
            account_id: 1,
            subscription_id: "sub_1".to_owned(),
            action: "payment_failed".to_owned(),
            actor: "bank".to_owned(),
            state: Some("past_due".to_owned()),
            invoice_id: None,
            reason: None,
            details: json!({}),
        };
        let summary = told(&Occurrence::Subscription(entry)).1;
        assert_eq!(summary, "оплата не прошла (банк) → Подписка не оплачена");

        let (kind, reason) = ("lifecycle.deliver_event".to_owned(), "refused".to_owned());
        let (_, summary, _, _, parts) = told(&Occurrence::FailedJob(FailedJob { kind, reason }));
        assert_eq!(summary, "доставка события бэкенду (lifecycle.deliver_event)");
        assert_eq!(parts[0].text, "refused");
    }

    #[test]
    fn outcomes_have_russian_words() {
        assert_eq!(outcome_label("paid"), "оплачено");
        assert_eq!(outcome_label("insufficient_funds"), "недостаточно средств");
        assert_eq!(outcome_label("new_word"), "new_word");
    }
}
