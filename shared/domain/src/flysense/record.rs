//! Records of amoCRM's feed, as a card's page names them: by the id of an event, or by the id of a note.
//!
//! Source: observed markup of the feed; `data-id` of a call is an event id of 26 characters, or a number, which is the
//! note's id.

use std::fmt;
use std::str::FromStr;

use crate::id::NoteId;

/// Length of an event id.
const EVENT_ID_LEN: usize = 26;

/// Id of an event in amoCRM's log: 26 lower-case letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AmocrmEventId(String);

impl AmocrmEventId {
    /// As amoCRM writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AmocrmEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AmocrmEventId {
    type Err = InvalidRecordId;

    fn from_str(text: &str) -> Result<Self, InvalidRecordId> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        if text.len() == EVENT_ID_LEN && is_plain && !is_number {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRecordId)
        }
    }
}

impl TryFrom<String> for AmocrmEventId {
    type Error = InvalidRecordId;

    fn try_from(text: String) -> Result<Self, InvalidRecordId> {
        text.parse()
    }
}

/// The text is neither an event id nor a note id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record's id is an event id (26 lower-case letters and digits) or a note id (a number)")]
pub struct InvalidRecordId;

/// Id of a record of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordId {
    /// An event of amoCRM's log; its note must be looked up.
    Event(AmocrmEventId),
    /// The call note itself.
    Note(NoteId),
}

impl FromStr for RecordId {
    type Err = InvalidRecordId;

    fn from_str(text: &str) -> Result<Self, InvalidRecordId> {
        match text.parse::<u64>() {
            Ok(number) if !text.starts_with('+') => Ok(Self::Note(NoteId(number))),
            _ => text.parse().map(Self::Event),
        }
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(id) => id.fmt(f),
            Self::Note(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_notes_and_26_characters_are_events() {
        assert_eq!("920001".parse(), Ok(RecordId::Note(NoteId(920_001))));
        let event = "01drbfj5a8k9zd60bgg907a6w9";
        assert_eq!(event.parse::<RecordId>().unwrap().to_string(), event);
        assert!(matches!(event.parse(), Ok(RecordId::Event(_))));
        for bad in [
            "",
            "01DRBFJ5A8K9ZD60BGG907A6W9",
            "01drbfj5a8k9zd60bgg907a6w",
            "+5",
            "-5",
            "a/../b",
            "99999999999999999999999999",
        ] {
            assert_eq!(bad.parse::<RecordId>(), Err(InvalidRecordId), "{bad}");
        }
    }
}
