//! Times in requests and responses.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{Example, ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde_json::Value;

/// A time. In responses always RFC 3339 in UTC with milliseconds: `2026-11-30T10:00:00.123Z`. In requests any RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) DateTime<Utc>);

/// A time in the examples of the OpenAPI document: the 29 November 2026 at noon.
const EXAMPLE_UNIX_S: i64 = 1_795_953_600;

impl From<DateTime<Utc>> for Time {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time)
    }
}

impl Example for Time {
    fn example() -> Self {
        Self(DateTime::from_timestamp(EXAMPLE_UNIX_S, 0).unwrap_or_default())
    }
}

impl Type for Time {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "time".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            example: Self::example().to_json(),
            ..MetaSchema::new_with_format("string", "date-time")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for Time {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.to_rfc3339_opts(SecondsFormat::Millis, true).into())
    }
}

impl ParseFromJSON for Time {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let text = value.as_ref().and_then(Value::as_str).unwrap_or_default();
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(Self(time.to_utc())),
            Err(_) => Err(ParseError::custom(
                "a time must be like 2026-11-30T10:00:00Z, or with an offset like +03:00",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_one_format_in_responses_and_any_offset_in_requests() {
        let read = |text: &str| Time::parse_from_json(Some(text.into())).map(|time| time.to_json().unwrap());
        for (sent, shown) in [
            ("2026-11-30T10:00:00Z", "2026-11-30T10:00:00.000Z"),
            ("2026-11-30T13:00:00.1239+03:00", "2026-11-30T10:00:00.123Z"),
        ] {
            assert_eq!(read(sent).unwrap(), shown);
        }
        assert!(read("2026-11-30").is_err() && Time::parse_from_json(Some(1.into())).is_err());
        assert_eq!(Time::example().to_json().unwrap(), "2026-11-29T12:00:00.000Z");
    }
}
