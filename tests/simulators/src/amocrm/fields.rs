//! Reads request bodies as strictly as amoCRM validates them: known fields of the right type only.

use poem::http::StatusCode;
use serde_json::{Map, Value};

use super::problem::{Complaint, Problem};

/// What a field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole number.
    Int,
    /// Text.
    Text,
    /// `true` or `false`.
    Bool,
    /// An object, checked elsewhere.
    Object,
    /// Text or `null`.
    OptText,
    /// Whole number, or text that is one (`params.duration`).
    Numeric,
    /// Whole number or text (`call_responsible`: a user's id or a name).
    IntOrText,
    /// A list of texts.
    Texts,
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
        }
    }
}

/// One field of a request object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// A field that must be there.
pub(crate) const fn must(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

/// A field that may be there.
pub(crate) const fn may(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

/// Everything wrong with an object: fields unknown, missing, or of another type.
pub(crate) fn check(object: &Map<String, Value>, known: &[Field], prefix: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (name, value) in object {
        let path = format!("{prefix}{name}");
        match known.iter().find(|field| field.name == name) {
            None => {
                complaints.push(Complaint::new("NotSupportedChoice", path, "This field is not supported."));
            }
            Some(field) if !field.kind.holds(value) => complaints.push(Complaint::new(
                "InvalidType",
                path,
                format!("This value should be of type {:?}.", field.kind).to_lowercase(),
            )),
            Some(_) => {}
        }
    }
    for field in known.iter().filter(|field| field.required && !object.contains_key(field.name)) {
        complaints.push(Complaint::new(
            "FieldMissing",
            format!("{prefix}{}", field.name),
            "This field is missing.",
        ));
    }
    complaints
}

/// The body as JSON; another Content-Type is 415, what is not JSON is 400.
pub(crate) fn json_body(content_type: Option<&str>, body: &[u8]) -> Result<Value, Problem> {
    if !is_json(content_type) {
        return Err(Problem::api(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Invalid content-type specified"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::api(StatusCode::BAD_REQUEST, &format!("JSON decoding error: {error}")))
}

/// The body as a list of objects, as batch methods take it.
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

/// Whether a Content-Type says JSON, parameters aside.
pub(crate) fn is_json(content_type: Option<&str>) -> bool {
    content_type
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// What an item of a batch is called in validation errors: its `request_id`, or its index.
pub(crate) fn request_id(item: &Map<String, Value>, index: usize) -> String {
    match item.get("request_id") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => index.to_string(),
    }
}
