//! `Init`: opens a payment session.

use chrono::{DateTime, Duration, Utc};
use flysk_domain::Clock;
use serde_json::{Map, Value, json};

use super::fields::{Field, Kind, amount, text};
use super::model::{BankState, Payment, Terminal};
use super::refusal::{ApiError, ApiResult};
use super::{TBank, answer, receipt};
use crate::lock::locked;

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

/// Minimum amount of a card payment, kopecks.
const MIN_AMOUNT_KOPECKS: i64 = 100;

pub(super) fn init(bank: &TBank, terminal: &Terminal, body: &Map<String, Value>) -> ApiResult {
    let now = bank.control().clock().now();
    let sum = amount(body, "Amount").unwrap_or_default();
    if sum < MIN_AMOUNT_KOPECKS {
        return Err(ApiError::new(251, format!("Минимальная сумма {MIN_AMOUNT_KOPECKS} коп.")));
    }
    choices(body)?;
    let initiator = initiator(body)?;
    if terminal.blocked {
        return Err(ApiError::new(202, "Терминал заблокирован"));
    }
    receipt::check_income(terminal, body, sum)?;
    let due = due(body, now)?;
    let order_id = text(body, "OrderId").unwrap_or_default();
    let mut bank_state = locked(&bank.inner.bank_state);
    if bank.behaviour().unique_orders {
        unused(&bank_state, terminal, order_id)?;
    }
    let own = |name: &str| text(body, name).map(str::to_owned);
    let payment = Payment {
        id: bank_state.next_number().to_string(),
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
        customer_key: own("CustomerKey"),
        receipt: body.get("Receipt").cloned(),
        closing_receipts: Vec::new(),
        initiator,
        notification_url: own("NotificationURL").or_else(|| terminal.notification_url.clone()),
        success_url: own("SuccessURL"),
        fail_url: own("FailURL"),
        due,
        openings: 0,
        card: None,
        card_id: None,
        rebill_id: None,
        refunds: Vec::new(),
        history: vec!["NEW".to_owned()],
    };
    let mut told = answer::told(&payment);
    told["PaymentURL"] = json!(format!("{}/pay/{}", bank.form_url(), payment.slug));
    // The bank registers the payer of a parent payment itself.
    if let Some(key) = payment.customer_key.clone() {
        bank_state.customers.entry((terminal.key.clone(), key)).or_default();
    }
    bank_state.add(payment);
    Ok(told)
}

fn unused(bank_state: &BankState, terminal: &Terminal, order_id: &str) -> Result<(), ApiError> {
    let earlier = bank_state.payments_of_order(&terminal.key, order_id);
    if earlier.is_empty() {
        return Ok(());
    }
    let code = if earlier.into_iter().any(Payment::is_paid) { 623 } else { 20 };
    Err(ApiError::new(code, "Заказ с таким номером уже существует"))
}

fn choices(body: &Map<String, Value>) -> Result<(), ApiError> {
    for (name, known) in [("Recurrent", &["Y"][..]), ("PayType", &["O", "T"]), ("Language", &["ru", "en"])] {
        if text(body, name).is_some_and(|value| !known.contains(&value)) {
            return Err(ApiError::field(name, "неизвестное значение"));
        }
    }
    if text(body, "Recurrent").is_some() && text(body, "CustomerKey").is_none() {
        return Err(ApiError::field("CustomerKey", "обязательно при Recurrent=Y"));
    }
    Ok(())
}

/// `DATA`: at most 20 pairs of short strings. The operation's initiator must be consistent with `Recurrent`.
fn initiator(body: &Map<String, Value>) -> Result<Option<String>, ApiError> {
    let none = Map::new();
    let data = body.get("DATA").and_then(Value::as_object).unwrap_or(&none);
    let short = |(key, value): (&String, &Value)| {
        // The bank's own key exceeds the length limit.
        let fits = key.chars().count() <= 20 || key == "OperationInitiatorType";
        fits && value.as_str().is_some_and(|value| value.chars().count() <= 100)
    };
    if data.len() > 20 || !data.iter().all(short) {
        return Err(ApiError::field("DATA", "не больше 20 пар, ключ до 20, значение до 100 символов"));
    }
    let recurrent = text(body, "Recurrent").is_some();
    let kind = text(data, "OperationInitiatorType");
    match kind {
        Some("1") if recurrent => {}
        // Mandatory on a parent card payment (eacq/autopay).
        Some("1") => return Err(ApiError::new(1126, "Тип инициатора 1 требует Recurrent=Y")),
        _ if recurrent => return Err(ApiError::new(1126, "Recurrent=Y требует типа инициатора 1")),
        None | Some("0" | "2" | "R") => {}
        Some("I") => return Err(ApiError::new(1126, "Тип инициатора I запрещён на терминале ECOM")),
        Some(_) => return Err(ApiError::new(1125, "Неизвестный тип инициатора")),
    }
    Ok(kind.map(str::to_owned))
}

/// `RedirectDueDate`: whole seconds with a numeric offset, 1 min to 90 days ahead; by default one day.
fn due(body: &Map<String, Value>, now: DateTime<Utc>) -> Result<DateTime<Utc>, ApiError> {
    let Some(text) = text(body, "RedirectDueDate") else { return Ok(now + Duration::hours(24)) };
    let due = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%:z")
        .map_err(|_| ApiError::field("RedirectDueDate", "ожидается YYYY-MM-DDTHH:MM:SS+HH:MM"))?
        .to_utc();
    if text.ends_with('Z') {
        return Err(ApiError::field("RedirectDueDate", "ожидается числовое смещение"));
    }
    let ahead = due - now;
    if ahead < Duration::minutes(1) || ahead > Duration::days(90) {
        return Err(ApiError::new(12, "От одной минуты до 90 дней"));
    }
    Ok(due)
}
