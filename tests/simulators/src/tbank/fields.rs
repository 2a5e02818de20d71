//! Strict request validation: known names, types and documented lengths.

use serde_json::{Map, Value};

use super::refusal::ApiError;

/// Type of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A string of 1 to this many characters.
    Text(usize),
    /// A string of at most this many digits.
    Digits(usize),
    /// A positive whole number of at most 10 digits, kopecks.
    Amount,
    /// A boolean.
    Flag,
    /// An absolute http(s) address.
    Address,
    Object,
    List,
}

/// A field of a method: name, type, and whether it is required.
pub(super) type Field = (&'static str, Kind, bool);

/// Fields of every method.
const COMMON: [Field; 2] = [("TerminalKey", Kind::Text(20), true), ("Token", Kind::Text(64), true)];

/// Rejects a body that does not match a method's fields.
pub(super) fn check(body: &Map<String, Value>, fields: &[Field]) -> Result<(), ApiError> {
    let known = || COMMON.iter().chain(fields);
    if let Some(name) = body.keys().find(|name| known().all(|(field, ..)| field != name)) {
        return Err(ApiError::field(name, "неизвестно"));
    }
    for (name, kind, required) in known() {
        match body.get(*name) {
            None | Some(Value::Null) if *required => return Err(ApiError::field(name, "обязательно")),
            None | Some(Value::Null) => {}
            Some(value) => fits(value, *kind).map_err(|wanted| ApiError::field(name, wanted))?,
        }
    }
    Ok(())
}

fn fits(value: &Value, kind: Kind) -> Result<(), &'static str> {
    let fine = match (kind, value) {
        (Kind::Text(most), Value::String(text)) => (1..=most).contains(&text.chars().count()),
        (Kind::Digits(most), Value::String(text)) => {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        }
        (Kind::Amount, Value::Number(number)) => {
            number.as_i64().is_some_and(|amount| (1..=9_999_999_999).contains(&amount))
        }
        (Kind::Address, Value::String(text)) => {
            url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        }
        (Kind::Flag, Value::Bool(_)) | (Kind::Object, Value::Object(_)) | (Kind::List, Value::Array(_)) => {
            true
        }
        _ => false,
    };
    if fine { Ok(()) } else { Err("неверный тип или длина") }
}

/// Value of a string field, if sent.
pub(super) fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

/// Value of an amount field, if sent, in kopecks.
pub(super) fn amount(body: &Map<String, Value>, name: &str) -> Option<i64> {
    body.get(name).and_then(Value::as_i64)
}
