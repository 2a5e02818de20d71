//! Validation of notes (amoCRM docs, crm_platform/events-and-notes).

use serde_json::{Map, Value};

use super::fields::{Field, Kind, check, optional, required};
use super::problem::FieldError;

/// Maximum length of a note's text, characters.
const MAX_TEXT_LEN: usize = 20_000;

const CALL: [Field; 8] = [
    optional("uniq", Kind::Text),
    required("duration", Kind::Numeric),
    required("source", Kind::Text),
    optional("link", Kind::OptText),
    required("phone", Kind::Text),
    optional("call_responsible", Kind::IntOrText),
    optional("call_status", Kind::Int),
    optional("call_result", Kind::Text),
];
const COMMON: [Field; 1] = [required("text", Kind::Text)];
const SERVICE: [Field; 2] = [required("service", Kind::Text), required("text", Kind::Text)];
const SMS: [Field; 2] = [required("text", Kind::Text), required("phone", Kind::Text)];
const ATTACHMENT: [Field; 3] = [
    required("file_uuid", Kind::Text),
    optional("version_uuid", Kind::Text),
    optional("file_name", Kind::Text),
];

/// Fields of `params` for a note type; `None` for an unknown type.
fn params_of(note_type: &str) -> Option<&'static [Field]> {
    match note_type {
        "common" => Some(&COMMON),
        "call_in" | "call_out" => Some(&CALL),
        "service_message" | "extended_service_message" => Some(&SERVICE),
        "sms_in" | "sms_out" => Some(&SMS),
        "attachment" => Some(&ATTACHMENT),
        _ => None,
    }
}

/// Number of a note type in hooks (amoCRM docs, digital pipeline, Salesbot).
pub(crate) fn type_number(note_type: &str) -> u8 {
    match note_type {
        "attachment" => 5,
        "call_in" => 10,
        "call_out" => 11,
        "service_message" | "extended_service_message" => 25,
        "sms_in" => 102,
        "sms_out" => 103,
        _ => 4,
    }
}

/// Validation errors in the type and parameters of a note.
pub(crate) fn check_note(item: &Map<String, Value>) -> Vec<FieldError> {
    let note_type = item.get("note_type").and_then(Value::as_str).unwrap_or_default();
    let Some(known) = params_of(note_type) else {
        return vec![FieldError::new(
            "NotSupportedChoice",
            "note_type",
            "The value you selected is not a valid choice.",
        )];
    };
    let Some(params) = item.get("params").and_then(Value::as_object) else { return Vec::new() };
    let mut complaints = check(params, known, "params.");
    if params.get("text").and_then(Value::as_str).is_some_and(|text| text.chars().count() > MAX_TEXT_LEN) {
        let detail = format!("This value is too long. It should have {MAX_TEXT_LEN} characters or less.");
        complaints.push(FieldError::new("TooLong", "params.text", detail));
    }
    if params.get("call_status").and_then(Value::as_i64).is_some_and(|status| !(1..=8).contains(&status)) {
        complaints.push(FieldError::new("NotSupportedChoice", "params.call_status", "From 1 to 8."));
    }
    complaints
}
