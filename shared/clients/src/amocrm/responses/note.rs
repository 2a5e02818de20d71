//! Notes and call notes.

use std::fmt;

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, EntityId, NoteId, UserId};
use flysk_domain::serde_lenient;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::event::moment;

/// A note in an entity's feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Id, unique in the account.
    pub id: NoteId,
    /// Card that contains the note.
    pub entity_id: EntityId,
    /// Decides whether `call` is set.
    pub note_type: NoteType,
    /// Author; 0 for none.
    pub created_by: UserId,
    /// As the note names the user; `None` if amoCRM does not tell.
    pub responsible_user_id: Option<UserId>,
    /// Creation time.
    pub created_at: DateTime<Utc>,
    /// Time of the last change, for example when a telephony system added the recording.
    pub updated_at: DateTime<Utc>,
    /// `None` if amoCRM does not tell.
    pub account_id: Option<AccountId>,
    /// Parameters of the call; `None` for other notes.
    pub call: Option<CallParams>,
}

/// Kind of a note (`note_type`), as far as calls need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoteType {
    /// Incoming call.
    CallIn,
    /// Outgoing call.
    CallOut,
    /// Another type, by amoCRM's name.
    Other(String),
}

impl NoteType {
    /// The type by its name, in any case, or by the number that hooks and older interfaces use.
    fn from_name(name: String) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "call_in" | "10" => Self::CallIn,
            "call_out" | "11" => Self::CallOut,
            _ => Self::Other(name),
        }
    }
}

/// Parameters of a call from a telephony system. All values are untrusted. `Debug` shows neither the phone number nor
/// the link, which may be signed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CallParams {
    /// Id of the call in the telephony system; `None` unless it is a non-empty string.
    pub uniq: Option<String>,
    /// Duration in seconds; 0 for a missed call.
    pub duration_s: u64,
    /// Name of the telephony system.
    pub source: Option<String>,
    /// URL of the recording; often added later.
    pub link: Option<String>,
    /// Phone number of the other party.
    pub phone: Option<String>,
    /// Employee who took or made the call.
    pub responsible: Option<Responsible>,
    /// Result code of the call.
    pub status: Option<CallStatus>,
    /// Result of the call as free text.
    pub result: Option<String>,
}

/// Employee who took or made a call.
#[derive(Clone, PartialEq, Eq)]
pub enum Responsible {
    /// A user of the account.
    User(UserId),
    /// A name or number from the telephony system.
    Name(String),
}

/// Result code of a call (`call_status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallStatus {
    /// Code 1.
    LeftMessage,
    /// Code 2.
    CallBackLater,
    /// The contact was not there.
    NotThere,
    /// The call took place.
    Talked,
    /// Code 5.
    WrongNumber,
    /// Code 6.
    NoAnswer,
    /// Code 7.
    Busy,
    /// Undefined or unknown code.
    Other(u64),
}

impl CallStatus {
    fn from_number(number: u64) -> Self {
        match number {
            1 => Self::LeftMessage,
            2 => Self::CallBackLater,
            3 => Self::NotThere,
            4 => Self::Talked,
            5 => Self::WrongNumber,
            6 => Self::NoAnswer,
            7 => Self::Busy,
            other => Self::Other(other),
        }
    }
}

impl fmt::Debug for CallParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallParams")
            .field("uniq", &self.uniq)
            .field("duration_s", &self.duration_s)
            .field("source", &self.source)
            .field("has_link", &self.link.is_some())
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Responsible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => f.debug_tuple("User").field(id).finish(),
            Self::Name(_) => f.write_str("Name(..)"),
        }
    }
}

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let body = ReadNoteBody::deserialize(from)?;
        let note_type = NoteType::from_name(body.note_type.unwrap_or_default());
        let call =
            matches!(note_type, NoteType::CallIn | NoteType::CallOut).then(|| CallParams::read(&body.params));
        Ok(Self {
            id: NoteId(body.id),
            entity_id: EntityId(body.entity_id),
            note_type,
            created_by: UserId(body.created_by),
            responsible_user_id: body.responsible_user_id.map(UserId),
            created_at: moment(body.created_at),
            updated_at: moment(body.updated_at.max(body.created_at)),
            account_id: body.account_id.map(AccountId),
            call,
        })
    }
}

impl CallParams {
    /// Reads the parameters of a call. Integrations copy them from hooks and older interfaces: names in upper case, `SRC`
    /// for `source`, or all of them as JSON in a string.
    fn read(params: &Value) -> Self {
        let parsed = params.as_str().and_then(|text| serde_json::from_str(text).ok());
        let params = parsed.as_ref().unwrap_or(params);
        let text = |names: &[&str]| {
            find(params, names).and_then(serde_lenient::value_to_text).filter(|text| !text.is_empty())
        };
        let string = |name: &str| {
            let value = find(params, &[name]).and_then(Value::as_str).map(str::trim);
            value.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let number = |name: &str| find(params, &[name]).and_then(serde_lenient::value_to_u64);
        Self {
            uniq: string("uniq"),
            duration_s: number("duration").unwrap_or_default(),
            source: text(&["source", "src"]),
            link: string("link"),
            phone: text(&["phone"]),
            responsible: match find(params, &["call_responsible"]) {
                Some(Value::Number(id)) => {
                    id.as_u64().filter(|id| *id > 0).map(|id| Responsible::User(UserId(id)))
                }
                Some(Value::String(name)) if !name.is_empty() => Some(Responsible::Name(name.clone())),
                _ => None,
            },
            status: number("call_status").map(CallStatus::from_number),
            result: text(&["call_result"]),
        }
    }
}

/// The value of the first of `names` that is there and not null, in lower case first, then in any case.
fn find<'a>(params: &'a Value, names: &[&str]) -> Option<&'a Value> {
    let fields = params.as_object()?;
    let there = |value: &&Value| !value.is_null() && value.as_str() != Some("");
    names.iter().find_map(|name| fields.get(*name).filter(there)).or_else(|| {
        let any_case = |name: &str| {
            fields.iter().find(|(key, value)| key.trim().eq_ignore_ascii_case(name) && there(value))
        };
        names.iter().find_map(|name| any_case(name)).map(|(_, value)| value)
    })
}

#[derive(Deserialize)]
struct ReadNoteBody {
    #[serde(deserialize_with = "serde_lenient::required_u64")]
    id: u64,
    #[serde(default, deserialize_with = "serde_lenient::u64_or_zero")]
    entity_id: u64,
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    note_type: Option<String>,
    #[serde(default, deserialize_with = "serde_lenient::u64_or_zero")]
    created_by: u64,
    #[serde(default, deserialize_with = "serde_lenient::optional_u64")]
    responsible_user_id: Option<u64>,
    #[serde(default, deserialize_with = "serde_lenient::u64_or_zero")]
    created_at: u64,
    #[serde(default, deserialize_with = "serde_lenient::u64_or_zero")]
    updated_at: u64,
    #[serde(default, deserialize_with = "serde_lenient::optional_u64")]
    account_id: Option<u64>,
    #[serde(default)]
    params: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(params: &Value) -> Note {
        let note = serde_json::json!({"id": 1, "entity_id": 2, "note_type": "call_in", "params": params});
        serde_json::from_value(note).unwrap()
    }

    #[test]
    fn parameters_of_a_call_are_read_in_upper_case_and_in_older_forms() {
        let usual = read(&serde_json::json!({
            "uniq": "call-1", "duration": 63, "source": "pbx", "link": "https://pbx.example.com/1.mp3", "phone": "+7000"
        }));
        let upper = serde_json::json!({
            "UNIQ": "call-1", "DURATION": "63", "SRC": "pbx", "LINK": " https://pbx.example.com/1.mp3", "Phone": "+7000"
        });
        assert_eq!(read(&upper.clone()).call, usual.call);
        assert_eq!(read(&Value::String(upper.to_string())).call, usual.call);
        // A name in lower case has precedence, unless it is empty.
        let both = serde_json::json!({"link": "https://a.example.com", "LINK": "https://b.example.com"});
        assert_eq!(read(&both).call.unwrap().link.as_deref(), Some("https://a.example.com"));
        let both = serde_json::json!({"link": null, "LINK": "https://b.example.com"});
        assert_eq!(read(&both).call.unwrap().link.as_deref(), Some("https://b.example.com"));
        // A number is no name of a call.
        assert_eq!(read(&serde_json::json!({"UNIQ": 7})).call.unwrap().uniq, None);
    }

    #[test]
    fn a_call_is_known_by_the_number_of_its_type() {
        for (name, note_type) in
            [("10", NoteType::CallIn), ("11", NoteType::CallOut), ("CALL_OUT", NoteType::CallOut)]
        {
            let note = serde_json::json!({"id": 1, "note_type": name, "params": {"link": "https://pbx.example.com"}});
            let note: Note = serde_json::from_value(note).unwrap();
            assert_eq!(note.note_type, note_type);
            assert!(note.call.unwrap().link.is_some());
        }
    }
}
