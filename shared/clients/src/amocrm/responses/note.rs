//! Notes, and the calls among them.

use std::fmt;

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, EntityId, NoteId, UserId};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::event::moment;
use crate::lenient;

/// A note in an entity's feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Unique in the account.
    pub id: NoteId,
    /// What it hangs on.
    pub entity_id: EntityId,
    /// What it is.
    pub note_type: NoteType,
    /// Who wrote it, or 0 for nobody.
    pub created_by: UserId,
    /// Who answers for it.
    pub responsible_user_id: Option<UserId>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed, for example by a telephony that added the recording.
    pub updated_at: DateTime<Utc>,
    /// Whose note it is.
    pub account_id: Option<AccountId>,
    /// The call, if it is one.
    pub call: Option<CallParams>,
}

/// What a note is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoteType {
    /// Somebody called the company.
    CallIn,
    /// The company called somebody.
    CallOut,
    /// Anything else, by amoCRM's name.
    Other(String),
}

impl NoteType {
    fn from_name(name: String) -> Self {
        match name.as_str() {
            "call_in" => Self::CallIn,
            "call_out" => Self::CallOut,
            _ => Self::Other(name),
        }
    }
}

/// What a telephony told about a call. All of it is a stranger's word. `Debug` shows neither the number
/// nor the link, which may be signed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CallParams {
    /// The telephony's own id, trusted only if it is a text.
    pub uniq: Option<String>,
    /// In seconds; 0 is a missed call.
    pub duration_s: u64,
    /// The telephony's name.
    pub source: Option<String>,
    /// The recording; often added later.
    pub link: Option<String>,
    /// The other party.
    pub phone: Option<String>,
    /// Who took or made the call.
    pub responsible: Option<Responsible>,
    /// How it ended.
    pub status: Option<CallStatus>,
    /// How it ended, in somebody's words.
    pub result: Option<String>,
}

/// Who took or made a call.
#[derive(Clone, PartialEq, Eq)]
pub enum Responsible {
    /// A user of the account.
    User(UserId),
    /// A name or a number that the telephony wrote.
    Name(String),
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallStatus {
    /// A message was left.
    LeftMessage,
    /// To be called again.
    CallBackLater,
    /// Not there.
    NotThere,
    /// They talked.
    Talked,
    /// Wrong number.
    WrongNumber,
    /// Nobody answered.
    NoAnswer,
    /// Busy.
    Busy,
    /// Undefined, or a number newer than this code.
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
        let body = Body::deserialize(from)?;
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
    fn read(params: &Value) -> Self {
        let text = |name: &str| params.get(name).and_then(lenient::text).filter(|text| !text.is_empty());
        let number = |name: &str| params.get(name).and_then(lenient::unsigned);
        Self {
            uniq: params
                .get("uniq")
                .and_then(Value::as_str)
                .filter(|uniq| !uniq.is_empty())
                .map(str::to_owned),
            duration_s: number("duration").unwrap_or_default(),
            source: text("source"),
            link: params
                .get("link")
                .and_then(Value::as_str)
                .map(str::trim)
                .filter(|l| !l.is_empty())
                .map(str::to_owned),
            phone: text("phone"),
            responsible: match params.get("call_responsible") {
                Some(Value::Number(id)) => {
                    id.as_u64().filter(|id| *id > 0).map(|id| Responsible::User(UserId(id)))
                }
                Some(Value::String(name)) if !name.is_empty() => Some(Responsible::Name(name.clone())),
                _ => None,
            },
            status: number("call_status").map(CallStatus::from_number),
            result: text("call_result"),
        }
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(deserialize_with = "lenient::required_u64")]
    id: u64,
    #[serde(default, deserialize_with = "lenient::u64_or_zero")]
    entity_id: u64,
    #[serde(default, deserialize_with = "lenient::optional_text")]
    note_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::u64_or_zero")]
    created_by: u64,
    #[serde(default, deserialize_with = "lenient::optional_u64")]
    responsible_user_id: Option<u64>,
    #[serde(default, deserialize_with = "lenient::u64_or_zero")]
    created_at: u64,
    #[serde(default, deserialize_with = "lenient::u64_or_zero")]
    updated_at: u64,
    #[serde(default, deserialize_with = "lenient::optional_u64")]
    account_id: Option<u64>,
    #[serde(default)]
    params: Value,
}
