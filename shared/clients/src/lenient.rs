//! Reading JSON of services that write numbers as strings, leave fields out, or send null.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A non-negative whole number, written as a number or as a string.
pub(crate) fn unsigned(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A text, or a number in its decimal form.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `deserialize_with`: a number that must be there.
pub(crate) fn required_u64<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    unsigned(&value).ok_or_else(|| serde::de::Error::custom("not a whole number"))
}

/// `deserialize_with`, beside `#[serde(default)]`: a number, or `None` for everything else.
pub(crate) fn optional_u64<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(unsigned(&Value::deserialize(from)?))
}

/// `deserialize_with`, beside `#[serde(default)]`: a number, or 0 for everything else.
pub(crate) fn u64_or_zero<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    Ok(optional_u64(from)?.unwrap_or_default())
}

/// `deserialize_with`, beside `#[serde(default)]`: a text that is not empty, or `None`.
pub(crate) fn optional_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(text(&Value::deserialize(from)?).filter(|text| !text.is_empty()))
}

/// `deserialize_with`, beside `#[serde(default)]`: true for true, 1 and "1"; false for everything else.
pub(crate) fn truth<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Bool(truth) => truth,
        Value::Number(number) => number.as_u64() == Some(1),
        Value::String(text) => matches!(text.as_str(), "1" | "true"),
        _ => false,
    })
}

/// `deserialize_with`, beside `#[serde(default)]`: null means the default.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
