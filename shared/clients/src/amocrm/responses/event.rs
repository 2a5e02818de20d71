//! Entries of the account's event log.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::call::EntityType;
use flysk_domain::id::{EntityId, NoteId, UserId};
use flysk_domain::serde_lenient;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A call in the account's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallEvent {
    /// Type of the entity; `None` if unknown.
    pub entity_type: Option<EntityType>,
    /// Card in whose feed the call is.
    pub entity_id: EntityId,
    /// Id of the call note, if the entry has one.
    pub note_id: Option<NoteId>,
    /// Author of the entry; 0 for none.
    pub created_by: UserId,
    /// Time of the entry.
    pub created_at: DateTime<Utc>,
}

impl<'de> Deserialize<'de> for CallEvent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let body = CallEventBody::deserialize(from)?;
        Ok(Self {
            entity_type: body.entity_type.as_deref().and_then(EntityType::from_name),
            entity_id: EntityId(body.entity_id),
            note_id: note_id(&body.value_after).map(NoteId),
            created_by: UserId(body.created_by),
            created_at: moment(body.created_at),
        })
    }
}

#[derive(Deserialize)]
struct CallEventBody {
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    entity_type: Option<String>,
    #[serde(deserialize_with = "serde_lenient::required_u64")]
    entity_id: u64,
    #[serde(default, deserialize_with = "serde_lenient::u64_or_zero")]
    created_by: u64,
    #[serde(deserialize_with = "serde_lenient::required_u64")]
    created_at: u64,
    #[serde(default)]
    value_after: Value,
}

/// Id of the note in `value_after`: a list of one object, which PHP may also serialize as an object.
fn note_id(value_after: &Value) -> Option<u64> {
    let note = |entry: &Value| entry.pointer("/note/id").and_then(serde_lenient::value_to_u64);
    match value_after {
        Value::Array(entries) => entries.iter().find_map(note),
        Value::Object(entries) => note(value_after).or_else(|| entries.values().find_map(note)),
        _ => None,
    }
}

pub(super) fn moment(unix_seconds: u64) -> DateTime<Utc> {
    i64::try_from(unix_seconds)
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .unwrap_or_default()
}
