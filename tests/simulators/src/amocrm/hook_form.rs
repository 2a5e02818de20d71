//! Form bodies of hooks, with PHP-style nested keys. That of a note hook is from captures of live hooks; it is undocumented.

use chrono::{DateTime, FixedOffset};
use serde_json::json;
use url::form_urlencoded::Serializer;

use super::model::{Account, EntityType, Note};
use super::note_rules::type_number;

/// Offset of Moscow time, which dates without a time zone use.
const MOSCOW_OFFSET_S: i32 = 3 * 3600;

/// Times in hooks, without a zone.
pub(crate) const LOCAL_TIME: &str = "%Y-%m-%d %H:%M:%S";

/// The begin of every body: `account[...]`. Brackets are percent-encoded.
pub(crate) fn begin(account: &Account) -> Serializer<'static, String> {
    let mut form = Serializer::new(String::new());
    form.append_pair("account[subdomain]", &account.subdomain)
        .append_pair("account[id]", &account.id.to_string())
        .append_pair("account[_links][self]", &format!("https://{}", account.host()));
    form
}

/// The body of a note hook: the account and one group of notes.
pub(crate) fn note_form(account: &Account, notes: &[Note], companies_under_contacts: bool) -> String {
    let mut form = begin(account);
    for (index, note) in notes.iter().enumerate() {
        let group = match note.entity_type {
            EntityType::Companies if companies_under_contacts => "contacts",
            other => other.plural(),
        };
        for (key, value) in note_fields(note) {
            form.append_pair(&format!("{group}[note][{index}][note][{key}]"), &value);
        }
    }
    form.finish()
}

fn note_fields(note: &Note) -> Vec<(&'static str, String)> {
    let metadata = json!({"event_source": {"id": note.created_by, "author_name": "", "type": 1}});
    let mut fields = vec![
        ("id", note.id.to_string()),
        ("note_type", type_number(&note.note_type).to_string()),
        ("element_type", note.entity_type.number().to_string()),
        ("element_id", note.entity_id.to_string()),
        ("text", text(note)),
        ("attachement", String::new()),
        ("account_id", note.account_id.to_string()),
        ("created_by", note.created_by.to_string()),
        ("modified_by", note.updated_by.to_string()),
        ("main_user_id", note.responsible_user_id.to_string()),
        ("group_id", note.group_id.to_string()),
        ("date_create", local(note.created_at, LOCAL_TIME)),
        ("timestamp_x", local(note.updated_at, LOCAL_TIME)),
        ("created_at", note.created_at.to_string()),
        ("updated_at", note.updated_at.to_string()),
    ];
    if !is_call(note) {
        fields.push(("metadata", metadata.to_string()));
    }
    fields
}

fn is_call(note: &Note) -> bool {
    matches!(note.note_type.as_str(), "call_in" | "call_out")
}

/// Parameters of a call as JSON with upper-case keys, or the text of another note.
fn text(note: &Note) -> String {
    let param = |name: &str| note.params.get(name).cloned().unwrap_or_default();
    if !is_call(note) {
        return note.params.get("text").and_then(|text| text.as_str()).unwrap_or_default().to_owned();
    }
    json!({
        "UNIQ": param("uniq"),
        "LINK": param("link"),
        "PHONE": param("phone"),
        "DURATION": param("duration"),
        "SRC": param("source"),
    })
    .to_string()
}

/// A time in the account's zone, in a format of `chrono`.
pub(crate) fn local(unix_s: i64, format: &str) -> String {
    match (DateTime::from_timestamp(unix_s, 0), FixedOffset::east_opt(MOSCOW_OFFSET_S)) {
        (Some(moment), Some(moscow)) => moment.with_timezone(&moscow).format(format).to_string(),
        _ => String::new(),
    }
}
