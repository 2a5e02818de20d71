//! Readers of proto3 JSON as gateways really print it: 64-bit integers and doubles as numbers or as strings,
//! `null` where a default is meant, enum names that are newer than we are.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// `null` is read as the type's default.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A count or a time in milliseconds. Negative values, which no field we read may have, are read as 0.
pub(super) fn unsigned<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    from.deserialize_any(Scalar::<u64>(PhantomData))
}

/// A signed number, for status codes.
pub(super) fn signed<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    from.deserialize_any(Scalar::<i64>(PhantomData))
}

/// A double; `NaN` and the infinities (proto3 JSON spells them as strings) are read as 0, since JSON cannot keep them.
pub(super) fn double<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    from.deserialize_any(Scalar::<f64>(PhantomData))
}

/// A string that may come as a number (channel and speaker tags).
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    from.deserialize_any(Scalar::<String>(PhantomData))
}

/// An enum by its name; anything the type does not know is its default.
pub(super) fn name<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

/// What a JSON scalar may be turned into.
trait FromScalar: Default {
    const WANTED: &'static str;
    fn from_i64(number: i64) -> Option<Self>;
    fn from_u64(number: u64) -> Option<Self>;
    fn from_f64(number: f64) -> Option<Self>;
    fn from_text(text: &str) -> Option<Self>;
}

/// Doubles below this bound are exact integers.
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
