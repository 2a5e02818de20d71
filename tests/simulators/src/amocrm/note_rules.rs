//! What notes may hold (amoCRM docs, crm_platform/events-and-notes).

use serde_json::{Map, Value};

use super::fields::{Field, Kind, check, may, must};
use super::problem::Complaint;

/// Characters a note's text may have.
const TEXT_MAX: usize = 20_000;

const CALL: [Field; 8] = [
    may("uniq", Kind::Text),
    must("duration", Kind::Numeric),
    must("source", Kind::Text),
    may("link", Kind::OptText),
    must("phone", Kind::Text),
    may("call_responsible", Kind::IntOrText),
    may("call_status", Kind::Int),
    may("call_result", Kind::Text),
];
const COMMON: [Field; 1] = [must("text", Kind::Text)];
const SERVICE: [Field; 2] = [must("service", Kind::Text), must("text", Kind::Text)];
const SMS: [Field; 2] = [must("text", Kind::Text), must("phone", Kind::Text)];
const ATTACHMENT: [Field; 3] =
    [must("file_uuid", Kind::Text), may("version_uuid", Kind::Text), may("file_name", Kind::Text)];

/// The fields of `params` of a note type; `None` for a type that does not exist.
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

/// The number of a note type in hooks (amoCRM docs, digital pipeline, Salesbot).
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

/// Everything wrong with the type and the parameters of a note to be written.
pub(crate) fn check_note(item: &Map<String, Value>) -> Vec<Complaint> {
    let note_type = item.get("note_type").and_then(Value::as_str).unwrap_or_default();
    let Some(known) = params_of(note_type) else {
        return vec![Complaint::new(
            "NotSupportedChoice",
            "note_type",
            "The value you selected is not a valid choice.",
        )];
    };
    let Some(params) = item.get("params").and_then(Value::as_object) else { return Vec::new() };
    let mut complaints = check(params, known, "params.");
    if params.get("text").and_then(Value::as_str).is_some_and(|text| text.chars().count() > TEXT_MAX) {
        let detail = format!("This value is too long. It should have {TEXT_MAX} characters or less.");
        complaints.push(Complaint::new("TooLong", "params.text", detail));
    }
    if params.get("call_status").and_then(Value::as_i64).is_some_and(|status| !(1..=8).contains(&status)) {
        complaints.push(Complaint::new("NotSupportedChoice", "params.call_status", "From 1 to 8."));
    }
    complaints
}
