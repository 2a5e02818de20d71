//! What amoCRM knows of a call: a note on a card.
//!
//! Source: amoCRM docs, `crm_platform/events-and-notes` (notes and their `params`), `digital_pipeline/salesbot`
//! (numbers of note types). Everything in `params` was written by some telephony's integration, so types vary.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::coded::coded_enum;
use crate::id::{EntityId, NoteId, UserId};

coded_enum!(
    /// The card a call's note is on, by the plural the API uses in paths.
    EntityType {
        /// A lead.
        Lead = "leads", "Сделка";
        /// A contact.
        Contact = "contacts", "Контакт";
        /// A company.
        Company = "companies", "Компания";
        /// A customer.
        Customer = "customers", "Покупатель";
    }
);

impl EntityType {
    /// By the `element_type` of a hook.
    pub const fn from_hook(element_type: u32) -> Option<Self> {
        match element_type {
            1 => Some(Self::Contact),
            2 => Some(Self::Lead),
            3 => Some(Self::Company),
            12 => Some(Self::Customer),
            _ => None,
        }
    }
}

coded_enum!(
    /// Who called whom, as seen by the account.
    Direction {
        /// The client called.
        Incoming = "incoming", "Входящий";
        /// The operator called.
        Outgoing = "outgoing", "Исходящий";
    }
);

impl Direction {
    /// By the `note_type` of a note from the API; `None` if the note is not a call.
    pub fn from_note_type(note_type: &str) -> Option<Self> {
        match note_type {
            "call_in" => Some(Self::Incoming),
            "call_out" => Some(Self::Outgoing),
            _ => None,
        }
    }

    /// By the number of the note's type in a hook; `None` if the note is not a call.
    pub const fn from_hook(note_type: u32) -> Option<Self> {
        match note_type {
            10 => Some(Self::Incoming),
            11 => Some(Self::Outgoing),
            _ => None,
        }
    }
}

/// Where a recording is, as the telephony wrote it. Whoever has it can hear the call, so logs show its host alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordingLink(String);

impl RecordingLink {
    /// `None` if the text is blank; nothing else is checked here.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The link itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, for logs; empty if there is none.
    pub fn host(&self) -> &str {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit('@').next().unwrap_or_default()
    }
}

impl fmt::Debug for RecordingLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordingLink({}/…)", self.host())
    }
}

/// A call's note. The other party's number, the telephony's remarks and the like are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallNote {
    /// The note.
    pub note_id: NoteId,
    /// The card it is on; its type is known from the path it was read by.
    pub entity_id: EntityId,
    /// Who called whom.
    pub direction: Direction,
    /// Where the recording is; may appear minutes after the note.
    pub link: Option<RecordingLink>,
    /// As the telephony says, seconds; the recording may differ. `None` if it does not say.
    pub duration_s: Option<u64>,
    /// The telephony's id of the call.
    pub uniq: Option<String>,
    /// Who is responsible for the card's note.
    pub responsible_user_id: Option<UserId>,
    /// When the note was made.
    pub created_at: DateTime<Utc>,
}

/// The JSON is not a call's note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACall {
    /// It is a note of another type.
    #[error("a note of type `{0}` is not a call")]
    OtherType(String),
    /// A field without which a note makes no sense is missing or wrong.
    #[error("a note without a valid `{0}`")]
    Field(&'static str),
}

coded_enum!(
    /// Why a call is not transcribed (now).
    SkipReason {
        /// The note is not a call.
        NotACallNote = "not_a_call_note", "Примечание не является звонком";
        /// Nobody talked: the telephony says the call lasted 0 s.
        NoConversation = "no_conversation", "Разговора не было";
        /// There is no recording yet, or there will be none.
        NoLink = "no_link", "У звонка нет записи";
    }
);

impl CallNote {
    /// Reads a note as the API gives it.
    pub fn from_api(note: &Value) -> Result<Self, NotACall> {
        let note_type = note["note_type"].as_str().ok_or(NotACall::Field("note_type"))?;
        let direction = Direction::from_note_type(note_type)
            .ok_or_else(|| NotACall::OtherType(note_type.chars().take(40).collect()))?;
        let required = |field: &'static str| whole(&note[field]).ok_or(NotACall::Field(field));
        let params = &note["params"];
        Ok(Self {
            note_id: NoteId(required("id")?),
            entity_id: EntityId(required("entity_id")?),
            direction,
            link: params["link"].as_str().and_then(RecordingLink::new),
            duration_s: whole(&params["duration"]),
            uniq: text(&params["uniq"]),
            responsible_user_id: whole(&note["responsible_user_id"]).filter(|id| *id != 0).map(UserId),
            created_at: i64::try_from(required("created_at")?)
                .ok()
                .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
                .ok_or(NotACall::Field("created_at"))?,
        })
    }

    /// Why there is nothing to transcribe, if so. A missing link may still appear; the rest is for good.
    pub fn skip_reason(&self) -> Option<SkipReason> {
        match (self.duration_s, &self.link) {
            (Some(0), _) => Some(SkipReason::NoConversation),
            (_, None) => Some(SkipReason::NoLink),
            (_, Some(_)) => None,
        }
    }
}

impl NotACall {
    /// The reason to skip it.
    pub const fn skip_reason(&self) -> SkipReason {
        SkipReason::NotACallNote
    }
}

/// A whole number that may come as a string; a fraction of a second is dropped.
fn whole(value: &Value) -> Option<u64> {
    let number = |text: &str| text.split('.').next().and_then(|whole| whole.parse().ok());
    match value {
        Value::Number(_) => value.as_u64().or_else(|| number(&value.to_string())),
        Value::String(text) => number(text.trim()),
        _ => None,
    }
}

/// A text that may come as a number; blank is none.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn note(note_type: &str, params: &Value) -> Value {
        json!({"id": 920_001, "entity_id": "700001", "created_at": 1_750_001_200, "responsible_user_id": 501,
               "note_type": note_type, "params": params})
    }

    #[test]
    fn a_note_is_read_as_telephonies_write_it() {
        for (params, link, duration_s, uniq) in [
            (
                json!({"uniq": "c-1", "duration": 63, "link": "https://pbx.example.com/r/1.mp3"}),
                true,
                Some(63),
                Some("c-1"),
            ),
            (json!({"uniq": 17, "duration": "63", "link": " "}), false, Some(63), Some("17")),
            (json!({"uniq": [], "duration": 62.9, "link": null}), false, Some(62), None),
            (json!({"duration": -1}), false, None, None),
            (json!([]), false, None, None),
        ] {
            let call = CallNote::from_api(&note("call_in", &params)).unwrap();
            assert_eq!(
                (call.link.is_some(), call.duration_s, call.uniq.as_deref()),
                (link, duration_s, uniq),
                "{params}"
            );
            assert_eq!((call.note_id, call.entity_id), (NoteId(920_001), EntityId(700_001)));
            assert_eq!(call.created_at.timestamp(), 1_750_001_200);
        }
    }

    #[test]
    fn what_is_not_a_call_says_so() {
        let other = CallNote::from_api(&note("common", &json!({"text": "…"}))).unwrap_err();
        assert_eq!(other, NotACall::OtherType("common".into()));
        assert_eq!(other.skip_reason(), SkipReason::NotACallNote);
        assert_eq!(CallNote::from_api(&json!({"note_type": "call_out"})), Err(NotACall::Field("id")));
        assert_eq!(CallNote::from_api(&json!("<html>")), Err(NotACall::Field("note_type")));
    }

    #[test]
    fn a_call_without_conversation_or_recording_is_skipped() {
        let reason = |params| CallNote::from_api(&note("call_out", &params)).unwrap().skip_reason();
        let link = "https://pbx.example.com/r/1.mp3";
        assert_eq!(reason(json!({"duration": 0, "link": link})), Some(SkipReason::NoConversation));
        assert_eq!(reason(json!({"duration": 5, "link": ""})), Some(SkipReason::NoLink));
        assert_eq!(reason(json!({"link": link})), None, "a telephony that does not say how long is believed");
    }

    #[test]
    fn hooks_number_what_the_api_names() {
        assert_eq!(
            [1, 2, 3, 12, 4].map(EntityType::from_hook).map(|it| it.map(EntityType::code)),
            [Some("contacts"), Some("leads"), Some("companies"), Some("customers"), None]
        );
        assert_eq!(
            [10, 11, 4].map(Direction::from_hook),
            [Some(Direction::Incoming), Some(Direction::Outgoing), None]
        );
    }

    #[test]
    fn logs_show_where_a_recording_is_kept_but_not_how_to_hear_it() {
        let link = RecordingLink::new("https://user:secret@pbx.example.com:8443/r/1.mp3?sig=secret").unwrap();
        assert_eq!(format!("{link:?}"), "RecordingLink(pbx.example.com:8443/…)");
        assert_eq!(format!("{:?}", RecordingLink::new("secret").unwrap()), "RecordingLink(/…)");
    }
}
