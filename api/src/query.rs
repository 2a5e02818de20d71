//! Parameters of the query: what poem-openapi reads otherwise than people mean it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use poem::http::Uri;
use poem::http::uri::PathAndQuery;
use poem::{Request, Result};
use poem_openapi::registry::MetaSchemaRef;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};

/// An empty parameter (`?cursor=`, `?cursor`) counts as absent, of whatever type it is: that is how forms and clients
/// spell "not given".
pub(crate) async fn drop_empty_parameters(mut request: Request) -> Result<Request> {
    if let Some(uri) = without_empty_parameters(request.uri()) {
        *request.uri_mut() = uri;
    }
    std::future::ready(Ok(request)).await
}

/// The address without empty parameters; `None` if it has none.
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

/// A moment, RFC 3339. In a query `+` means a space, so an offset has to be written with `%2B`; whoever forgets it is told.
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

impl ParseFromParameter for QueryTime {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        match DateTime::parse_from_rfc3339(value) {
            Ok(moment) => Ok(Self(moment.to_utc())),
            Err(_) if DateTime::parse_from_rfc3339(&value.replacen(' ', "+", 1)).is_ok() => {
                Err(ParseError::custom("a `+` in a query means a space: write the `+` of the offset as %2B"))
            }
            Err(_) => Err(ParseError::custom(
                "a moment is written as 2026-11-29T10:00:00Z, or with an offset as +03:00 (its `+` as %2B)",
            )),
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
}
