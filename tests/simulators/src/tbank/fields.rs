//! Reading a request strictly: known names, right types, documented lengths.

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A string of 1 to so many characters.
    Text(usize),
    /// A string of digits, at most so many.
    Digits(usize),
    /// A positive whole number of at most 10 digits, kopecks.
    Amount,
    /// A boolean.
    Flag,
    /// An absolute http(s) address.
    Address,
    /// An object.
    Object,
    /// A list.
    List,
}

/// A field of a method: its name, what it holds, whether it must be there.
pub(super) type Field = (&'static str, Kind, bool);

/// Fields every method has.
const COMMON: [Field; 2] = [("TerminalKey", Kind::Text(20), true), ("Token", Kind::Text(64), true)];

/// Refuses a body that does not fit a method's fields.
pub(super) fn check(body: &Map<String, Value>, fields: &[Field]) -> Result<(), Refusal> {
    let known = || COMMON.iter().chain(fields);
    if let Some(name) = body.keys().find(|name| known().all(|(field, ..)| field != name)) {
        return Err(Refusal::field(name, "неизвестно"));
    }
    for (name, kind, required) in known() {
        match body.get(*name) {
            None | Some(Value::Null) if *required => return Err(Refusal::field(name, "обязательно")),
            None | Some(Value::Null) => {}
            Some(value) => fits(value, *kind).map_err(|wanted| Refusal::field(name, wanted))?,
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

/// A text that was sent.
pub(super) fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

/// An amount that was sent, kopecks.
pub(super) fn amount(body: &Map<String, Value>, name: &str) -> Option<i64> {
    body.get(name).and_then(Value::as_i64)
}
