//! Validation of receipts (54-FZ), with the bank's error codes.

use serde_json::{Map, Value};

use super::fields::text;
use super::model::Terminal;
use super::refusal::ApiError;

const TAXATIONS: [&str; 5] = ["osn", "usn_income", "usn_income_outcome", "esn", "patent"];
const RATES: [&str; 10] =
    ["none", "vat0", "vat5", "vat7", "vat10", "vat22", "vat105", "vat107", "vat110", "vat122"];
/// VAT rates allowed only in refunds of sales made before 1 January 2026.
const OLD_RATES: [&str; 2] = ["vat20", "vat120"];
const METHODS: [&str; 7] = [
    "full_prepayment",
    "prepayment",
    "advance",
    "full_payment",
    "partial_payment",
    "credit",
    "credit_payment",
];

/// Validates the receipt of `Init` or `Confirm`.
pub(super) fn check_income(
    terminal: &Terminal,
    body: &Map<String, Value>,
    amount: i64,
) -> Result<(), ApiError> {
    match body.get("Receipt").and_then(Value::as_object) {
        Some(receipt) => check(receipt, amount, 308, &RATES),
        None if terminal.cash_register => {
            Err(ApiError::new(309, "Неверные параметры: поле Receipt не найдено"))
        }
        None => Ok(()),
    }
}

/// Validates the receipt of a partial refund, which lists the refunded items.
pub(super) fn check_refund(
    terminal: &Terminal,
    body: &Map<String, Value>,
    amount: i64,
    partial: bool,
) -> Result<(), ApiError> {
    let rates: Vec<&str> = RATES.into_iter().chain(OLD_RATES).collect();
    match body.get("Receipt").and_then(Value::as_object) {
        Some(receipt) => check(receipt, amount, 334, &rates),
        None if partial && terminal.cash_register => {
            Err(ApiError::new(309, "Частичный возврат требует позиций чека"))
        }
        None => Ok(()),
    }
}

/// Validates a closing receipt of `amount` kopecks.
pub(super) fn check_closing(receipt: &Value, amount: i64) -> Result<(), ApiError> {
    let fields = receipt.as_object().ok_or_else(|| ApiError::field("Receipt", "ожидается объект"))?;
    check(fields, amount, 308, &RATES)
}

fn check(receipt: &Map<String, Value>, amount: i64, sum_code: u32, rates: &[&str]) -> Result<(), ApiError> {
    let contact = |name| text(receipt, name).is_some_and(|text| (1..=64).contains(&text.chars().count()));
    if !contact("Email") && !contact("Phone") {
        return Err(ApiError::new(329, "Укажите Email или Phone"));
    }
    if !text(receipt, "Taxation").is_some_and(|name| TAXATIONS.contains(&name)) {
        return Err(ApiError::field("Receipt.Taxation", "неизвестное значение"));
    }
    let format = text(receipt, "FfdVersion").unwrap_or("1.05");
    if !matches!(format, "1.05" | "1.2") {
        return Err(ApiError::field("Receipt.FfdVersion", "1.05 или 1.2"));
    }
    let lines =
        receipt.get("Items").and_then(Value::as_array).filter(|lines| (1..=100).contains(&lines.len()));
    let lines = lines.ok_or_else(|| ApiError::field("Receipt.Items", "от 1 до 100 позиций"))?;
    let mut sum = 0_i64;
    for line in lines {
        let line = line.as_object().ok_or_else(|| ApiError::field("Receipt.Items", "ожидается объект"))?;
        sum = sum.saturating_add(check_line(line, format, rates)?);
    }
    if sum == amount {
        Ok(())
    } else {
        Err(ApiError::new(sum_code, "Сумма позиций чека не равна сумме операции"))
    }
}

/// Amount of an item, kopecks.
fn check_line(line: &Map<String, Value>, format: &str, rates: &[&str]) -> Result<i64, ApiError> {
    let wrong = |name: &str| ApiError::field(&format!("Receipt.Items.{name}"), "неверное значение");
    if !text(line, "Name").is_some_and(|name| (1..=128).contains(&name.chars().count())) {
        return Err(wrong("Name"));
    }
    if !text(line, "Tax").is_some_and(|rate| rates.contains(&rate)) {
        return Err(wrong("Tax"));
    }
    if text(line, "PaymentMethod").is_some_and(|method| !METHODS.contains(&method)) {
        return Err(wrong("PaymentMethod"));
    }
    let complete =
        ["MeasurementUnit", "PaymentMethod", "PaymentObject"].iter().all(|name| line.contains_key(*name));
    if format == "1.2" && !complete {
        return Err(wrong("MeasurementUnit"));
    }
    let price = line.get("Price").and_then(Value::as_i64).ok_or_else(|| wrong("Price"))?;
    let amount = line.get("Amount").and_then(Value::as_i64).ok_or_else(|| wrong("Amount"))?;
    let quantity = line.get("Quantity").and_then(Value::as_f64).ok_or_else(|| wrong("Quantity"))?;
    #[expect(clippy::cast_precision_loss, reason = "kopecks of a receipt stay far below 2^52")]
    let off = (price as f64 * quantity - amount as f64).abs();
    if quantity <= 0.0 || off >= 1.0 {
        return Err(ApiError::new(308, "Amount позиции не равен Price × Quantity"));
    }
    Ok(amount)
}
