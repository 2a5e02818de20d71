//! An entry of the account's log.

use chrono::{DateTime, Utc};
use flysk_domain::id::{EntityId, NoteId, UserId};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::super::requests::EntityType;
use crate::lenient;

/// A call in the account's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallEvent {
    /// What kind of entity it is on; `None` for a kind we do not know.
    pub entity_type: Option<EntityType>,
    /// Which one.
    pub entity_id: EntityId,
    /// The call's note, if the entry names one.
    pub note_id: Option<NoteId>,
    /// Who, or 0 for nobody.
    pub created_by: UserId,
    /// When it was logged.
    pub created_at: DateTime<Utc>,
}

impl<'de> Deserialize<'de> for CallEvent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let body = Body::deserialize(from)?;
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
struct Body {
    #[serde(default, deserialize_with = "lenient::optional_text")]
    entity_type: Option<String>,
    #[serde(deserialize_with = "lenient::required_u64")]
    entity_id: u64,
    #[serde(default, deserialize_with = "lenient::u64_or_zero")]
    created_by: u64,
    #[serde(deserialize_with = "lenient::required_u64")]
    created_at: u64,
    #[serde(default)]
    value_after: Value,
}

/// `value_after` is a list of one object, but PHP writes a list with gaps as an object.
fn note_id(value_after: &Value) -> Option<u64> {
    let note = |entry: &Value| entry.pointer("/note/id").and_then(lenient::unsigned);
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
