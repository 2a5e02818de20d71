//! Request validation as strict as amoCRM's: known fields of the right type only.

use poem::http::StatusCode;
use serde_json::{Map, Value};

use super::problem::{FieldError, Problem};

/// Type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole number.
    Int,
    Text,
    /// `true` or `false`.
    Bool,
    /// An object, validated elsewhere.
    Object,
    /// Text or `null`.
    OptText,
    /// Whole number, or a string that contains one (`params.duration`).
    Numeric,
    /// Whole number or text (`call_responsible`: a user's id or a name).
    IntOrText,
    /// A list of texts.
    Texts,
    /// A list, validated elsewhere.
    Array,
    /// A list or `null`.
    OptArray,
    /// Whole number or `null`.
    OptInt,
    /// An object or `null`.
    OptObject,
    /// Anything, validated elsewhere.
    Any,
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        let int = value.is_i64() || value.is_u64();
        match self {
            Self::Int => int,
            Self::Text => value.is_string(),
            Self::Bool => value.is_boolean(),
            Self::Object => value.is_object(),
            Self::OptText => value.is_string() || value.is_null(),
            Self::Numeric => int || value.as_str().is_some_and(|text| text.parse::<i64>().is_ok()),
            Self::IntOrText => int || value.is_string(),
            Self::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            Self::Array => value.is_array(),
            Self::OptArray => value.is_array() || value.is_null(),
            Self::OptInt => int || value.is_null(),
            Self::OptObject => value.is_object() || value.is_null(),
            Self::Any => true,
        }
    }
}

/// Declaration of a field in a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

pub(crate) const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

pub(crate) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

/// All validation errors of an object: unknown and missing fields, and wrong types.
pub(crate) fn check(object: &Map<String, Value>, known: &[Field], prefix: &str) -> Vec<FieldError> {
    let mut complaints = Vec::new();
    for (name, value) in object {
        let path = format!("{prefix}{name}");
        match known.iter().find(|field| field.name == name) {
            None => {
                complaints.push(FieldError::new("NotSupportedChoice", path, "This field is not supported."));
            }
            Some(field) if !field.kind.holds(value) => complaints.push(FieldError::new(
                "InvalidType",
                path,
                format!("This value should be of type {:?}.", field.kind).to_lowercase(),
            )),
            Some(_) => {}
        }
    }
    for field in known.iter().filter(|field| field.required && !object.contains_key(field.name)) {
        complaints.push(FieldError::new(
            "FieldMissing",
            format!("{prefix}{}", field.name),
            "This field is missing.",
        ));
    }
    complaints
}

/// Parses a JSON body: 415 for another Content-Type, 400 for invalid JSON.
fn json_body(content_type: Option<&str>, body: &[u8]) -> Result<Value, Problem> {
    if !is_json(content_type) {
        return Err(Problem::api(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Invalid content-type specified"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::api(StatusCode::BAD_REQUEST, &format!("JSON decoding error: {error}")))
}

/// Parses a JSON object.
pub(crate) fn json_object(content_type: Option<&str>, body: &[u8]) -> Result<Map<String, Value>, Problem> {
    match json_body(content_type, body)? {
        Value::Object(object) => Ok(object),
        _ => Err(Problem::invalid("InvalidType", "", "This value should be of type object.")),
    }
}

/// Parses a JSON list of objects, as batch methods take it.
pub(crate) fn json_list(content_type: Option<&str>, body: &[u8]) -> Result<Vec<Map<String, Value>>, Problem> {
    let Value::Array(items) = json_body(content_type, body)? else {
        return Err(Problem::invalid("InvalidType", "", "This value should be of type array."));
    };
    if items.is_empty() || items.len() > 250 {
        return Err(Problem::invalid("InvalidCount", "", "From 1 to 250 items are expected."));
    }
    items
        .into_iter()
        .map(|item| match item {
            Value::Object(object) => Ok(object),
            _ => Err(Problem::invalid("InvalidType", "", "Each item should be of type object.")),
        })
        .collect()
}

/// Whether a Content-Type is JSON, ignoring parameters.
pub(crate) fn is_json(content_type: Option<&str>) -> bool {
    content_type
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Name of a batch item in validation errors: its `request_id`, or its index.
pub(crate) fn request_id(item: &Map<String, Value>, index: usize) -> String {
    match item.get("request_id") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => index.to_string(),
    }
}
