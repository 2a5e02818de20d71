//! What an act changed: the fields that differ between two states.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Cell, Row, Table};

/// The operator whom a command names beside the state after its act; no field of the object.
const OPERATOR: &str = "operator";

/// Fields with different values in two JSON states; nested ones are named by their path. A state that is absent or no object has no
/// fields. What the later state does not mention at all is a note about the object, and has not changed.
pub(crate) fn changes_table(before: Option<&str>, after: Option<&str>) -> Table {
    let (before, after) = (object_of(before), object_of(after));
    let is_gone = after.keys().all(|name| name == OPERATOR);
    let is_mentioned = |path: &str| is_gone || after.contains_key(path.split('.').next().unwrap_or_default());
    let (old, new) = (fields_of(&before), fields_of(&after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let cell = |value: Option<&String>| value.map_or(Cell::Empty, Cell::text);
    let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name) && is_mentioned(name));
    let rows = changed
        .map(|name| Row::plain(vec![Cell::Code(name.clone()), cell(old.get(name)), cell(new.get(name))]));
    Table::new(&["Поле", "Было", "Стало"], rows.collect())
}

fn object_of(state: Option<&str>) -> Map<String, Value> {
    match state.map(serde_json::from_str) {
        Some(Ok(Value::Object(object))) => object,
        _ => Map::new(),
    }
}

fn fields_of(object: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (name, value) in object {
        add(name, value, &mut fields);
    }
    fields
}

fn add(path: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (name, value) in object {
                add(&format!("{path}.{name}"), value, fields);
            }
        }
        Value::String(text) => {
            fields.insert(path.to_owned(), text.clone());
        }
        Value::Null => {}
        other => {
            fields.insert(path.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(before: Option<&str>, after: Option<&str>) -> Vec<String> {
        let table = changes_table(before, after);
        let text = |cell: &Cell| match cell {
            Cell::Text(text) | Cell::Code(text) => text.clone(),
            _ => "–".to_owned(),
        };
        table.rows.iter().map(|row| row.cells.iter().map(text).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn only_fields_that_differ_are_shown() {
        let before =
            r#"{"state":"dead","kind":"x","note":"y","old":1,"terms":{"seats":3,"bonus":2},"url":null}"#;
        let after =
            r#"{"state":"queued","kind":"x","old":null,"terms":{"seats":5},"url":"https://x","list":[1]}"#;
        let wanted = [
            "list – [1]",
            "old 1 –",
            "state dead queued",
            "terms.bonus 2 –",
            "terms.seats 3 5",
            "url – https://x",
        ];
        assert_eq!(changes(Some(before), Some(after)), wanted);
    }

    #[test]
    fn what_appears_and_disappears_has_one_side() {
        assert_eq!(changes(None, Some(r#"{"amount":"5"}"#)), ["amount – 5"]);
        assert_eq!(changes(Some(r#"{"amount":"5"}"#), None), ["amount 5 –"]);
        let by_command = changes(Some(r#"{"amount":"5"}"#), Some(r#"{"operator":"oleg"}"#));
        assert_eq!(by_command, ["amount 5 –", "operator – oleg"]);
        assert_eq!(changes(None, None), Vec::<String>::new());
        assert_eq!(changes(Some("[1]"), Some("not JSON")), Vec::<String>::new());
    }
}
