//! Free JSON in requests and responses, without loss of digits in numbers.
//!
//! poem-openapi converts everything to [`Value`], which stores numbers as doubles: 12345678901234567890.123 would become
//! 12345678901234567000. So the JSON text is kept: in requests as a string where the schema is free (see [`super::schema`]), in
//! responses as an object with a marker key that [`ExactJson`] replaces by the text.

use std::borrow::Cow;

use flysk_store::JsonText;
use poem::http::StatusCode;
use poem::{IntoResponse, Response};
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::problem::{Problem, ProblemCode};

/// Marker key: an object with only this key represents exact JSON inside a [`Value`]. Outside of exact JSON, no response has
/// objects with keys from callers, so the marker is unambiguous.
pub(crate) const EXACT_JSON: &str = "$flysk::exact_json";

/// Any JSON, in requests that [`super::StrictJson`] parses and in responses that [`ExactJson`] serializes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FreeJson(pub(crate) JsonText);

impl Type for FreeJson {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "any".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::ANY))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for FreeJson {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            Some(Value::String(text)) => JsonText::parse(&text).map(Self).map_err(ParseError::custom),
            _ => Err(ParseError::expected_input()),
        }
    }
}

impl ToJSON for FreeJson {
    fn to_json(&self) -> Option<Value> {
        Some(serde_json::json!({ EXACT_JSON: self.0.as_str() }))
    }
}

/// A response body that may contain [`FreeJson`].
#[derive(Debug)]
pub(crate) struct ExactJson<T>(pub(crate) T);

impl<T: ToJSON> Payload for ExactJson<T> {
    const CONTENT_TYPE: &'static str = Json::<T>::CONTENT_TYPE;

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: ToJSON> IntoResponse for ExactJson<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&Unmarked(&self.0.to_json().unwrap_or_default())) {
            Ok(body) => {
                Response::builder().status(StatusCode::OK).content_type(Self::CONTENT_TYPE).body(body)
            }
            Err(error) => {
                tracing::error!(error = %error, "cannot serialize a response");
                Problem::new(ProblemCode::Internal, "quote X-Request-Id to support").response()
            }
        }
    }
}

/// Serializes a value with exact JSON in place of its markers.
struct Unmarked<'a>(&'a Value);

impl Serialize for Unmarked<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => match fields.get(EXACT_JSON) {
                Some(Value::String(text)) if fields.len() == 1 => {
                    RawValue::from_string(text.clone()).map_err(S::Error::custom)?.serialize(to)
                }
                _ => to.collect_map(fields.iter().map(|(name, value)| (name, Unmarked(value)))),
            },
            Value::Array(items) => to.collect_seq(items.iter().map(Unmarked)),
            leaf => leaf.serialize(to),
        }
    }
}
