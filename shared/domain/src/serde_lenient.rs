//! Deserialization of JSON from services that write numbers as strings, omit fields, or send `null`.
//!
//! Two groups: the functions for proto3 JSON fail on values of a wrong type ([`unsigned`], [`signed`], [`double`],
//! [`text`], [`name`]); the others treat a value of a wrong type as missing.
//! `serde_with` has no equivalent of either: it does not trim texts or turn a negative count into 0.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A non-negative integer, written as a number or as a string.
pub fn value_to_u64(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A text, or a number in decimal form.
pub fn value_to_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A required number.
pub fn required_u64<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    value_to_u64(&value).ok_or_else(|| D::Error::custom("not a whole number"))
}

/// For use with `#[serde(default)]`: a number, or `None` for any other value.
pub fn optional_u64<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(value_to_u64(&Value::deserialize(from)?))
}

/// For use with `#[serde(default)]`: a number, or 0 for any other value.
pub fn u64_or_zero<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    Ok(optional_u64(from)?.unwrap_or_default())
}

/// For use with `#[serde(default)]`: a non-empty text or a number, or `None`.
pub fn optional_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(value_to_text(&Value::deserialize(from)?).filter(|text| !text.is_empty()))
}

/// For use with `#[serde(default)]`: `true` for `true`, 1, `"1"` and `"true"`; `false` for any other value.
pub fn truth<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Bool(truth) => truth,
        Value::Number(number) => number.as_u64() == Some(1),
        Value::String(text) => matches!(text.as_str(), "1" | "true"),
        _ => false,
    })
}

/// Reads `null` as the type's default.
pub fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A count or a time in milliseconds. Negative values, which are invalid for every field in use, are read as 0.
pub fn unsigned<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    from.deserialize_any(Scalar::<u64>(PhantomData))
}

/// A signed number, for status codes.
pub fn signed<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    from.deserialize_any(Scalar::<i64>(PhantomData))
}

/// A double. `NaN` and the infinities, which proto3 JSON writes as strings, are read as 0, since JSON cannot represent them.
pub fn double<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    from.deserialize_any(Scalar::<f64>(PhantomData))
}

/// A string that may be sent as a number (channel and speaker tags).
pub fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    from.deserialize_any(Scalar::<String>(PhantomData))
}

/// An enum by name; an unknown name is read as the default.
pub fn name<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

/// Conversion from a JSON scalar.
trait FromScalar: Default {
    const WANTED: &'static str;
    fn from_i64(number: i64) -> Option<Self>;
    fn from_u64(number: u64) -> Option<Self>;
    fn from_f64(number: f64) -> Option<Self>;
    fn from_text(text: &str) -> Option<Self>;
}

/// Doubles below this bound represent integers exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl FromScalar for i64 {
    const WANTED: &'static str = "an integer, as a number or a string";

    fn from_i64(number: i64) -> Option<Self> {
        Some(number)
    }

    fn from_u64(number: u64) -> Option<Self> {
        Self::try_from(number).ok()
    }

    #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2^53, checked just before")]
    fn from_f64(number: f64) -> Option<Self> {
        (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as Self)
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().or_else(|| text.parse().ok().and_then(Self::from_f64))
    }
}

impl FromScalar for u64 {
    const WANTED: &'static str = i64::WANTED;

    fn from_i64(number: i64) -> Option<Self> {
        Some(Self::try_from(number).unwrap_or_default())
    }

    fn from_u64(number: u64) -> Option<Self> {
        i64::from_u64(number).and_then(Self::from_i64)
    }

    fn from_f64(number: f64) -> Option<Self> {
        i64::from_f64(number).and_then(Self::from_i64)
    }

    fn from_text(text: &str) -> Option<Self> {
        i64::from_text(text).and_then(Self::from_i64)
    }
}

impl FromScalar for f64 {
    const WANTED: &'static str = "a number, or a number in a string";

    #[expect(clippy::cast_precision_loss, reason = "shares and seconds are far below 2^53")]
    fn from_i64(number: i64) -> Option<Self> {
        Some(number as Self)
    }

    #[expect(clippy::cast_precision_loss, reason = "shares and seconds are far below 2^53")]
    fn from_u64(number: u64) -> Option<Self> {
        Some(number as Self)
    }

    fn from_f64(number: f64) -> Option<Self> {
        Some(if number.is_finite() { number } else { 0.0 })
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::from_f64)
    }
}

impl FromScalar for String {
    const WANTED: &'static str = "a string or a number";

    fn from_i64(number: i64) -> Option<Self> {
        Some(number.to_string())
    }

    fn from_u64(number: u64) -> Option<Self> {
        Some(number.to_string())
    }

    fn from_f64(number: f64) -> Option<Self> {
        Some(number.to_string())
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

struct Scalar<T>(PhantomData<T>);

impl<T: FromScalar> Visitor<'_> for Scalar<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WANTED)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::from_i64(number).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::from_u64(number).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        T::from_f64(number).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).ok_or_else(|| E::invalid_value(Unexpected::Other("other text"), &self))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }
}
