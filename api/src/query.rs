//! Query parameters that poem-openapi would parse in an unexpected way: empty ones, and times.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use poem::http::Uri;
use poem::http::uri::PathAndQuery;
use poem::{Request, Result};
use poem_openapi::registry::MetaSchemaRef;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};

/// Removes empty parameters (`?cursor=`, `?cursor`) of any type: forms and clients send them for absent values.
pub(crate) async fn drop_empty_parameters(mut request: Request) -> Result<Request> {
    if let Some(uri) = without_empty_parameters(request.uri()) {
        *request.uri_mut() = uri;
    }
    std::future::ready(Ok(request)).await
}

/// The URI without empty parameters; `None` if it has no empty ones.
fn without_empty_parameters(uri: &Uri) -> Option<Uri> {
    let query = uri.query()?;
    let has_value = |pair: &&str| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty());
    if query.split('&').all(|pair| has_value(&pair)) {
        return None;
    }
    let kept = query.split('&').filter(has_value).collect::<Vec<_>>().join("&");
    let mark = if kept.is_empty() { "" } else { "?" };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{}{mark}{kept}", uri.path())).ok()?);
    Uri::from_parts(parts).ok()
}

/// A time in RFC 3339. In a query, `+` means a space, so the `+` of an offset must be encoded as `%2B`. The error for an
/// unencoded `+` explains this.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryTime(pub(crate) DateTime<Utc>);

impl Type for QueryTime {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        <DateTime<Utc> as Type>::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        <DateTime<Utc> as Type>::schema_ref()
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

/// The years that the database stores without loss in any time zone. MySQL's DATETIME ends with the year 9999, and sqlx panics if
/// some other years are bound.
pub(crate) const YEARS: RangeInclusive<i32> = 1970..=9998;

fn out_of_range<T: Type>() -> ParseResult<T> {
    Err(ParseError::custom(format!("the year must be {} to {}", YEARS.start(), YEARS.end())))
}

impl ParseFromParameter for QueryTime {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        match DateTime::parse_from_rfc3339(value) {
            Ok(moment) if !YEARS.contains(&moment.to_utc().year()) => out_of_range(),
            Ok(moment) => Ok(Self(moment.to_utc())),
            Err(_) if DateTime::parse_from_rfc3339(&value.replacen(' ', "+", 1)).is_ok() => {
                Err(ParseError::custom("a `+` in a query means a space: encode the `+` of the offset as %2B"))
            }
            Err(_) => Err(ParseError::custom(
                "a time must be like 2026-11-29T10:00:00Z, or with an offset like +03:00 (encode its `+` as %2B)",
            )),
        }
    }
}

/// A day, as `2026-11-30`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryDate(pub(crate) NaiveDate);

impl Type for QueryDate {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        <NaiveDate as Type>::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        <NaiveDate as Type>::schema_ref()
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromParameter for QueryDate {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        match value.parse::<NaiveDate>() {
            Ok(day) if !YEARS.contains(&day.year()) => out_of_range(),
            Ok(day) => Ok(Self(day)),
            Err(_) => Err(ParseError::custom("a day must be like 2026-11-30")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_parameter_is_absent_and_all_others_stay_as_they_are() {
        for (sent, read) in [
            ("/a?cursor=", "/a"),
            ("/a?cursor", "/a"),
            ("/a?", "/a"),
            ("/a?x=1&cursor=&y=%20&&z", "/a?x=1&y=%20"),
            ("http://flysk.example/a?cursor=&x=1", "http://flysk.example/a?x=1"),
        ] {
            assert_eq!(without_empty_parameters(&sent.parse().unwrap()).unwrap().to_string(), read, "{sent}");
        }
        for sent in ["/a", "/a?x=1&y=a=b", "/a?x=="] {
            assert!(without_empty_parameters(&sent.parse().unwrap()).is_none(), "{sent}");
        }
    }

    #[test]
    fn a_moment_is_rfc_3339_and_a_lost_plus_is_told() {
        let read = |text: &str| QueryTime::parse_from_parameter(text).map(|time| time.0.to_rfc3339());
        assert_eq!(read("2026-11-29T10:00:00Z").unwrap(), "2026-11-29T10:00:00+00:00");
        assert_eq!(read("2026-11-29T10:00:00.5+03:00").unwrap(), "2026-11-29T07:00:00.500+00:00");
        let told = |text: &str| read(text).unwrap_err().into_message();
        assert!(told("2026-11-29T10:00:00 03:00").contains("%2B"));
        for other in ["", "2026-11-29", "yesterday", "2026-11-29T10:00:00"] {
            assert!(told(other).contains("2026-11-29T10:00:00Z"), "{other}");
        }
    }

    #[test]
    fn a_year_that_the_database_does_not_store_is_refused() {
        for time in [
            "0000-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "9999-01-01T00:00:00Z",
        ] {
            let refused = QueryTime::parse_from_parameter(time).unwrap_err();
            assert!(refused.into_message().contains("1970 to 9998"), "{time}");
        }
        assert!(QueryTime::parse_from_parameter("9998-12-31T23:59:59Z").is_ok());
        let day = |text: &str| QueryDate::parse_from_parameter(text).map(|day| day.0.to_string());
        assert_eq!(day("2026-11-30").unwrap(), "2026-11-30");
        for text in ["0000-01-01", "1969-12-31", "9999-01-01", "+262142-12-31"] {
            assert!(day(text).unwrap_err().into_message().contains("1970 to 9998"), "{text}");
        }
        assert!(day("2026-13-01").unwrap_err().into_message().contains("2026-11-30"));
    }
}
