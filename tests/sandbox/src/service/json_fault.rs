//! JSON that people write: what is wrong with it, and where.
//!
//! serde's errors name the line, but not the field, which is what somebody looks for in a body of one line.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

/// serde names the types of Rust.
const EXPECTATIONS: [(&str, &str); 7] = [
    ("expected u8", "expected a whole number from 0 to 255"),
    ("expected u16", "expected a whole number from 0 to 65535"),
    ("expected u32", "expected a whole number from 0 to 4294967295"),
    ("expected u64", "expected a whole number that is not negative"),
    ("expected usize", "expected a whole number that is not negative"),
    ("expected i64", "expected a whole number"),
    ("expected f64", "expected a number"),
];

/// A JSON text that cannot be read.
#[derive(Debug)]
pub(super) struct JsonFault {
    /// JSON pointer (RFC 6901) of the value; empty if it is the whole text, or if the text is no JSON at all.
    pointer: String,
    what: String,
    /// Line and column behind the place, from 1 on.
    line: usize,
    column: usize,
    is_json: bool,
}

impl JsonFault {
    fn new(path: Option<&Path>, error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let is_json = error.classify() == Category::Data;
        let pointer = path.filter(|_| is_json).map(pointer).unwrap_or_default();
        let told = error.to_string();
        let what = told.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&told);
        Self { pointer, what: in_plain_words(what), line, column, is_json }
    }

    /// The fault in a file: `widget.json:3:22: …`.
    pub(super) fn in_file(&self, file: impl fmt::Display) -> String {
        format!("{file}:{}:{}: {}{}", self.line, self.column, self.prefix(), self.what)
    }

    fn prefix(&self) -> String {
        if self.pointer.is_empty() { String::new() } else { format!("`{}`: ", self.pointer) }
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix(), self.what)?;
        // Where no field can be named.
        if self.is_json { Ok(()) } else { write!(f, " at line {} column {}", self.line, self.column) }
    }
}

/// Reads a value.
///
/// # Errors
///
/// The text is no JSON, or not that of such a value.
pub(super) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonFault> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| JsonFault::new(Some(error.path()), error.inner()))?;
    json.end().map_err(|error| JsonFault::new(None, &error))?;
    Ok(value)
}

fn pointer(path: &Path) -> String {
    path.iter().filter_map(part_of_pointer).collect()
}

fn part_of_pointer(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
        Segment::Seq { index } => Some(format!("/{index}")),
        // The word of an enum is no place in the text.
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

fn in_plain_words(what: &str) -> String {
    let what = what.replacen("unknown variant", "unknown word", 1);
    if let Some((rest, _type_of_rust)) = what.split_once("expected struct ") {
        return format!("{rest}expected an object");
    }
    let plain =
        EXPECTATIONS.iter().find_map(|&(theirs, ours)| Some(what.strip_suffix(theirs)?.to_owned() + ours));
    plain.unwrap_or(what)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Wanted {
        days: u16,
        name: String,
        mode: Option<Mode>,
        plans: Vec<Plan>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Plan {
        title: String,
        #[serde(default)]
        seats: Vec<u32>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        Slow,
        Fast,
    }

    fn told(text: &str) -> String {
        read::<Wanted>(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field() {
        for (text, wanted) in [
            (
                r#"{"days": 2.5, "name": "a"}"#,
                "`/days`: invalid type: floating point `2.5`, expected a whole number from 0 to 65535",
            ),
            (r#"{"name": ["a", "b"]}"#, "`/name`: invalid type: sequence, expected a string"),
            (
                r#"{"name": "a,{\":", "mode": "quick"}"#,
                "`/mode`: unknown word `quick`, expected `slow` or `fast`",
            ),
            (r#"{"plans": [{"title": "a"}, {"seats": [1]}]}"#, "`/plans/1`: missing field `title`"),
            (
                r#"{"plans": [{"title": "a", "seats": [1, -2]}]}"#,
                "`/plans/0/seats/1`: invalid value: integer `-2`, expected a whole number from 0 to 4294967295",
            ),
            (r#"{"plans": [true]}"#, "`/plans/0`: invalid type: boolean `true`, expected an object"),
            (r#"{"plans": {}}"#, "`/plans`: invalid type: map, expected a sequence"),
            (r#"{"days": 1, "days": 2}"#, "duplicate field `days`"),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
        assert!(
            told(r#"{"plans": [{"title": "a", "seat": 1}]}"#)
                .starts_with("`/plans/0/seat`: unknown field `seat`")
        );
        assert!(told(r#"{"dais": 1}"#).starts_with("`/dais`: unknown field `dais`, expected one of `days`"));
    }

    #[test]
    fn what_is_no_json_is_told_with_its_line() {
        assert_eq!(told("{\"days\": 1,\n \"name\"}"), "expected `:` at line 2 column 8");
        assert!(told("{").starts_with("EOF while parsing an object at line 1"));
    }

    #[test]
    fn a_fault_in_a_file_is_told_with_its_line() {
        let fault = read::<Wanted>("{\n  \"name\": \"ж\",\n  \"days\": \"1\"\n}\n".as_bytes()).unwrap_err();
        assert_eq!(
            fault.in_file("widget.json"),
            "widget.json:3:13: `/days`: invalid type: string \"1\", expected a whole number from 0 to 65535"
        );
    }

    #[test]
    fn a_pointer_escapes_the_keys() {
        let read = read::<HashMap<String, HashMap<String, Vec<u32>>>>(br#"{"a/b": {"~": [1, "x"]}}"#);
        assert!(read.unwrap_err().to_string().starts_with("`/a~1b/~0/1`: "));
    }
}
