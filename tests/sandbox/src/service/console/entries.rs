//! Entries of the timeline as people read them, in Russian.

use flysk_domain::money::MicroCoins;
use serde_json::Value;

use super::super::bank_words::CardOutcome;
use super::super::occurrence::{BankPayment, Entry, Occurrence, SentEvent, SubscriptionEntry};
use super::{moscow_time, roubles};

/// An entry on the page.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) seq: u64,
    pub(super) at: String,
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
    let (label, summary, class, opens, parts) = words(&entry.what);
    Shown { seq: entry.seq, at: moscow_time(entry.at), label, summary, class, opens, parts }
}

fn words(what: &Occurrence) -> Words {
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
        Occurrence::Flycoins(entry) => {
            let reference = entry.reference.as_deref().unwrap_or_default();
            let summary = format!(
                "{} {} FC (в резерве {}) {reference}",
                entry.kind,
                MicroCoins(entry.available_micro),
                MicroCoins(entry.held_micro)
            );
            ("Flycoins", summary, "busy", "", Vec::new())
        }
        Occurrence::Refusal(refusal) => {
            let summary =
                format!("{} {} → {} {}", refusal.method, refusal.path, refusal.status, refusal.code);
            let parts = vec![Part { title: "Причина", text: refusal.detail.clone() }];
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
            ("Вебхук amoCRM", format!("{} {to} → {answer}", webhook.event), class, "", Vec::new())
        }
        Occurrence::FailedJob(job) => {
            ("Задание не выполнено", format!("{}: {}", job.kind, job.reason), "bad", "", Vec::new())
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
    let state = entry.state.as_deref().map(|state| format!(" → {state}")).unwrap_or_default();
    let summary = format!("{} ({}){state}", entry.action, entry.actor);
    let parts = vec![Part { title: "Подробности", text: pretty(&entry.details) }];
    ("Подписка", summary, "busy", "Подробности", parts)
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
        assert_eq!(shown.summary, "install → 500 за 3 мс (принято песочницей)");
        assert_eq!(shown.parts.iter().map(|part| part.title).collect::<Vec<_>>(), ["Тело", "Ответ"]);
        assert_eq!(shown.parts[1].text, "boom");
    }

    #[test]
    fn outcomes_have_russian_words() {
        assert_eq!(outcome_label("paid"), "оплачено");
        assert_eq!(outcome_label("insufficient_funds"), "недостаточно средств");
        assert_eq!(outcome_label("new_word"), "new_word");
    }
}
