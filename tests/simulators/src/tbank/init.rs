//! `Init`: opens a payment session.

use chrono::{DateTime, Duration, Utc};
use flysk_domain::Clock;
use serde_json::{Map, Value, json};

use super::fields::{Field, Kind, amount, text};
use super::model::{Payment, Terminal, World};
use super::refusal::{Answer, Refusal};
use super::{TBank, api, receipt};
use crate::control::locked;

pub(super) const FIELDS: &[Field] = &[
    ("Amount", Kind::Amount, true),
    ("OrderId", Kind::Text(36), true),
    ("Description", Kind::Text(140), false),
    ("CustomerKey", Kind::Text(36), false),
    ("Recurrent", Kind::Text(1), false),
    ("PayType", Kind::Text(1), false),
    ("Language", Kind::Text(2), false),
    ("NotificationURL", Kind::Address, false),
    ("SuccessURL", Kind::Address, false),
    ("FailURL", Kind::Address, false),
    ("RedirectDueDate", Kind::Text(40), false),
    ("IP", Kind::Text(45), false),
    ("DATA", Kind::Object, false),
    ("Receipt", Kind::Object, false),
    ("Shops", Kind::List, false),
    ("Descriptor", Kind::Text(50), false),
];

/// The least a card payment may be, kopecks.
const LEAST: i64 = 100;

pub(super) fn init(bank: &TBank, terminal: &Terminal, body: &Map<String, Value>) -> Answer {
    let now = bank.control().clock().now();
    let sum = amount(body, "Amount").unwrap_or_default();
    if sum < LEAST {
        return Err(Refusal::new(251, format!("Минимальная сумма {LEAST} коп.")));
    }
    choices(body)?;
    let initiator = initiator(body)?;
    receipt::check_income(terminal, body, sum)?;
    let due = due(body, now)?;
    let order_id = text(body, "OrderId").unwrap_or_default();
    let mut world = locked(&bank.inner.world);
    if bank.behaviour().unique_orders {
        unused(&world, terminal, order_id)?;
    }
    let own = |name: &str| text(body, name).map(str::to_owned);
    let payment = Payment {
        id: world.next_number().to_string(),
        slug: ulid::Ulid::from_parts(0, rand::random()).to_string().split_off(14),
        terminal: terminal.key.clone(),
        order_id: order_id.to_owned(),
        amount: sum,
        left: sum,
        status: "NEW".to_owned(),
        error_code: 0,
        description: own("Description").unwrap_or_default(),
        two_stage: text(body, "PayType") == Some("T"),
        recurrent: text(body, "Recurrent") == Some("Y"),
        initiator,
        notification_url: own("NotificationURL").or_else(|| terminal.notification_url.clone()),
        success_url: own("SuccessURL"),
        fail_url: own("FailURL"),
        due,
        openings: 0,
        card: None,
        rebill_id: None,
        refunds: Vec::new(),
        history: vec!["NEW".to_owned()],
    };
    let mut told = api::told(&payment);
    told["PaymentURL"] = json!(format!("{}/pay/{}", bank.inner.url, payment.slug));
    world.payments.push(payment);
    Ok(told)
}

fn unused(world: &World, terminal: &Terminal, order_id: &str) -> Result<(), Refusal> {
    let mut earlier = world
        .payments
        .iter()
        .filter(|payment| payment.terminal == terminal.key && payment.order_id == order_id)
        .peekable();
    if earlier.peek().is_none() {
        return Ok(());
    }
    let code = if earlier.any(Payment::is_paid) { 623 } else { 20 };
    Err(Refusal::new(code, "Заказ с таким номером уже существует"))
}

fn choices(body: &Map<String, Value>) -> Result<(), Refusal> {
    for (name, known) in [("Recurrent", &["Y"][..]), ("PayType", &["O", "T"]), ("Language", &["ru", "en"])] {
        if text(body, name).is_some_and(|value| !known.contains(&value)) {
            return Err(Refusal::field(name, "неизвестное значение"));
        }
    }
    if text(body, "Recurrent").is_some() && text(body, "CustomerKey").is_none() {
        return Err(Refusal::field("CustomerKey", "обязательно при Recurrent=Y"));
    }
    Ok(())
}

/// `DATA`: at most 20 pairs of short texts; who started the operation must fit `Recurrent`.
fn initiator(body: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    let none = Map::new();
    let data = body.get("DATA").and_then(Value::as_object).unwrap_or(&none);
    let short = |(key, value): (&String, &Value)| {
        // The bank's own key is longer than it allows others to be.
        let fits = key.chars().count() <= 20 || key == "OperationInitiatorType";
        fits && value.as_str().is_some_and(|value| value.chars().count() <= 100)
    };
    if data.len() > 20 || !data.iter().all(short) {
        return Err(Refusal::field("DATA", "не больше 20 пар, ключ до 20, значение до 100 символов"));
    }
    let recurrent = text(body, "Recurrent").is_some();
    let kind = text(data, "OperationInitiatorType");
    match kind {
        Some("1") if recurrent => {}
        // Mandatory on a parent card payment (eacq/autopay).
        Some("1") => return Err(Refusal::new(1126, "Тип инициатора 1 требует Recurrent=Y")),
        _ if recurrent => return Err(Refusal::new(1126, "Recurrent=Y требует типа инициатора 1")),
        None | Some("0" | "2" | "R") => {}
        Some("I") => return Err(Refusal::new(1126, "Тип инициатора I запрещён на терминале ECOM")),
        Some(_) => return Err(Refusal::new(1125, "Неизвестный тип инициатора")),
    }
    Ok(kind.map(str::to_owned))
}

/// Whole seconds and a numeric offset; 1 minute to 90 days ahead; a day by default.
fn due(body: &Map<String, Value>, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    let Some(text) = text(body, "RedirectDueDate") else { return Ok(now + Duration::hours(24)) };
    let due = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%:z")
        .map_err(|_| Refusal::field("RedirectDueDate", "ожидается YYYY-MM-DDTHH:MM:SS+HH:MM"))?
        .to_utc();
    if text.ends_with('Z') {
        return Err(Refusal::field("RedirectDueDate", "ожидается числовое смещение"));
    }
    let ahead = due - now;
    if ahead < Duration::minutes(1) || ahead > Duration::days(90) {
        return Err(Refusal::new(12, "От одной минуты до 90 дней"));
    }
    Ok(due)
}
