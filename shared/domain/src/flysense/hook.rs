//! Parsing of amoCRM's note hooks from form fields.
//!
//! The payload is undocumented, and a key may be both a value and a parent, so nothing is nested: fields of the form
//! `<group>[note][<i>][note][<field>]` are read one by one, and others are ignored. A hook is only a hint: the note
//! itself is read from the API before anything is done.

use std::collections::BTreeMap;

use super::call::{Direction, EntityType};
use crate::id::{AccountId, EntityId, NoteId};

/// Note that a webhook of amoCRM tells of, before it is read over the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookNote {
    /// Id under which the note is read from amoCRM; unique in an account and a type of card.
    pub note_id: NoteId,
    /// Type of the card that contains the note.
    pub entity_type: EntityType,
    /// Id of the card.
    pub entity_id: EntityId,
    /// Direction of the call; `None` if the note is not a call.
    pub direction: Option<Direction>,
    /// Duration in seconds, as given by the telephony system; `None` if absent.
    pub duration_s: Option<u64>,
}

/// What one request of amoCRM's webhook contains, as far as FlySense reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoteHook {
    /// The account; old hooks contain only the subdomain.
    pub account_id: Option<AccountId>,
    /// The readable notes, in the order of the hook.
    pub notes: Vec<HookNote>,
    /// Number of unreadable notes.
    pub unreadable: usize,
}

impl NoteHook {
    /// Parses decoded form fields.
    pub fn read<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hook = Self::default();
        let mut notes: BTreeMap<(String, u32), BTreeMap<&str, &str>> = BTreeMap::new();
        for (key, value) in fields {
            if key == "account[id]" {
                hook.account_id = value.parse().ok();
            } else if let Some((group, index, field)) = note_field(key) {
                notes.entry((group.to_owned(), index)).or_default().insert(field, value);
            }
        }
        for ((group, _), fields) in notes {
            match read_note(&group, &fields) {
                Some(note) => hook.notes.push(note),
                None => hook.unreadable += 1,
            }
        }
        hook
    }
}

/// Splits a key: `leads[note][0][note][id]` → (`leads`, 0, `id`).
fn note_field(key: &str) -> Option<(&str, u32, &str)> {
    let (group, rest) = key.split_once("[note][")?;
    let (index, rest) = rest.split_once("][note][")?;
    let field = rest.strip_suffix(']')?;
    (!field.contains(['[', ']'])).then_some((group, index.parse().ok()?, field))
}

/// The type of the card is taken from `element_type`, not from the name of the group: the group of notes on companies
/// is undocumented.
fn read_note(group: &str, fields: &BTreeMap<&str, &str>) -> Option<HookNote> {
    let by_number = fields.get("element_type").and_then(|kind| EntityType::from_hook(kind.parse().ok()?));
    let duration = fields.get("text").and_then(|text| duration_s(text));
    Some(HookNote {
        note_id: fields.get("id")?.parse().ok()?,
        entity_type: by_number.or_else(|| group.parse().ok())?,
        entity_id: fields.get("element_id")?.parse().ok()?,
        direction: fields.get("note_type").and_then(|kind| Direction::from_note_type(kind)),
        duration_s: duration,
    })
}

/// `DURATION` of the call's JSON, in any case, as a number or a string.
fn duration_s(text: &str) -> Option<u64> {
    let call: serde_json::Value = serde_json::from_str(text).ok()?;
    let (_, duration) = call.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case("duration"))?;
    crate::serde_lenient::value_to_u64(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = r#"{"UNIQ":"call-1","LINK":"https://pbx.example.com/r/1.mp3","DURATION":"63"}"#;

    #[test]
    fn several_notes_of_several_groups_are_read_and_odd_keys_do_no_harm() {
        let hook = NoteHook::read([
            ("account[subdomain]", "demo"),
            ("account[id]", "12345678"),
            ("leads[note][0][note][id]", "920001"),
            ("leads[note][0][note][note_type]", "10"),
            ("leads[note][0][note][element_type]", "2"),
            ("leads[note][0][note][element_id]", "700001"),
            ("leads[note][0][note][text]", CALL),
            ("leads[note][0][note][type]", "3"),
            ("leads[note][0][note][type][message_uuid]", "both a value and a parent"),
            ("contacts[note][1][note][id]", "920002"),
            ("contacts[note][1][note][note_type]", "4"),
            ("contacts[note][1][note][element_type]", "3"),
            ("contacts[note][1][note][element_id]", "700002"),
            ("leads[note][7][note][id]", "not a number"),
        ]);
        assert_eq!(hook.account_id, Some(AccountId(12_345_678)));
        assert_eq!(hook.unreadable, 1);
        let call = hook.notes.iter().find(|note| note.note_id == NoteId(920_001)).unwrap();
        assert_eq!((call.entity_type, call.direction), (EntityType::Lead, Some(Direction::Incoming)));
        assert_eq!((call.entity_id, call.duration_s), (EntityId(700_001), Some(63)));
        let text = hook.notes.iter().find(|note| note.note_id == NoteId(920_002)).unwrap();
        assert_eq!((text.entity_type, text.direction), (EntityType::Company, None));
    }

    #[test]
    fn a_call_is_read_by_name_and_in_lower_case_too() {
        let hook = NoteHook::read([
            ("leads[note][0][note][id]", "920001"),
            ("leads[note][0][note][note_type]", "call_out"),
            ("leads[note][0][note][element_type]", "2"),
            ("leads[note][0][note][element_id]", "700001"),
            ("leads[note][0][note][text]", r#"{"link":"https://pbx.example.com/r/1.mp3","duration":0}"#),
        ]);
        assert_eq!((hook.notes[0].direction, hook.notes[0].duration_s), (Some(Direction::Outgoing), Some(0)));
    }
}
