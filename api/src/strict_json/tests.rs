use std::collections::BTreeMap;

use flysk_store::JsonText;
use poem::IntoResponse as _;
use poem_openapi::{Enum, Object, Union};
use serde_json::json;

use super::*;
use crate::time::Time;

/// A colour.
#[derive(Debug, PartialEq, Enum)]
#[oai(rename_all = "snake_case")]
enum Colour {
    Red,
}

#[derive(Debug, PartialEq, Object)]
struct Part {
    name: String,
}

#[derive(Debug, PartialEq, Object)]
struct Other {
    number: i8,
}

#[derive(Debug, PartialEq, Union)]
enum Either {
    Part(Part),
    Other(Other),
}

/// One field of each kind.
#[derive(Debug, PartialEq, Object)]
struct Everything {
    text: String,
    small: Option<u32>,
    big: Option<u64>,
    signed: Option<i64>,
    ratio: Option<f64>,
    flag: Option<bool>,
    /// With a description beside the reference.
    colour: Option<Colour>,
    part: Option<Part>,
    parts: Option<Vec<Part>>,
    texts: Option<Vec<String>>,
    named: Option<BTreeMap<String, String>>,
    either: Option<Either>,
    free: Option<FreeJson>,
    #[oai(default)]
    switch: bool,
}

/// Fields with limits.
#[derive(Debug, PartialEq, Object)]
struct Limited {
    #[oai(validator(min_length = 1, max_length = 3))]
    text: Option<String>,
    #[oai(validator(min_items = 1, max_items = 2))]
    parts: Option<Vec<Short>>,
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    number: Option<u32>,
    #[oai(validator(pattern = "^[0-9]+$"))]
    digits: Option<String>,
    at: Option<Time>,
}

#[derive(Debug, PartialEq, Object)]
struct Short {
    #[oai(validator(max_length = 2))]
    name: String,
}

fn taken(body: &str) -> Everything {
    read(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

/// Asserts that the body is rejected and the message contains all of `told`.
fn refused(body: &str, told: &[&str]) {
    let error = read::<Everything>(body.as_bytes()).expect_err(body);
    for part in told {
        assert!(error.contains(part), "{body}: {error}");
    }
}

/// A body with one more field beside the required one.
fn with(field: &str) -> String {
    format!(r#"{{"text": "x", {field}}}"#)
}

#[test]
fn a_body_that_is_what_the_schema_says_is_taken_as_it_is() {
    let body = r#" {"text": "\u0061", "small": 4294967295, "big": 18446744073709551615, "signed": -9223372036854775808,
        "ratio": 0.5, "flag": true, "colour": "red", "part": {"name": "1"}, "parts": [{"name": "2"}, {"name": ""}],
        "texts": ["1", "true"], "named": {"any": "3"}, "either": {"number": -1}, "free": {"a": [1.10]}, "switch": true} "#;
    let read = taken(body);
    assert_eq!((read.text.as_str(), read.small, read.big), ("a", Some(u32::MAX), Some(u64::MAX)));
    assert_eq!(
        (read.signed, read.ratio, read.flag, read.switch),
        (Some(i64::MIN), Some(0.5), Some(true), true)
    );
    assert_eq!((read.colour, read.part), (Some(Colour::Red), Some(Part { name: "1".to_owned() })));
    assert_eq!(
        (read.parts.map(|parts| parts.len()), read.texts),
        (Some(2), Some(vec!["1".to_owned(), "true".to_owned()]))
    );
    assert_eq!(read.named.unwrap()["any"], "3");
    assert_eq!(read.either, Some(Either::Other(Other { number: -1 })));
    assert_eq!(read.free.unwrap().0.as_str(), r#"{"a":[1.10]}"#);
    let least = taken(r#"{"text": "", "small": null, "parts": null}"#);
    assert_eq!((least.small, least.parts, least.free, least.switch), (None, None, None, false));
}

#[test]
fn a_field_that_the_schema_does_not_name_is_refused_at_any_depth() {
    refused(&with(r#""smal": 1"#), &["`/smal` is not a known field", "`small`"]);
    refused(&with(r#""part": {"name": "x", "a/b~": 1}"#), &["`/part/a~1b~0` is not a known field"]);
    refused(&with(r#""parts": [{"name": "x"}, {"name": "x", "more": null}]"#), &["`/parts/1/more`"]);
    refused(&with(r#""Small": 1"#), &["`/Small`"]);
    refused(r"{}", &["`/text` is missing"]);
    refused(&with(&format!(r#""{}": 1"#, "я".repeat(10_000))), &["я…"]);
}

#[test]
fn a_key_that_stands_twice_is_refused_at_any_depth_and_however_it_is_written() {
    refused(r#"{"text": "x", "text": "x"}"#, &["`/text`", "duplicate key"]);
    refused(r#"{"text": "x", "te\u0078t": "y"}"#, &["`/text`", "duplicate key"]);
    refused(&with(r#""parts": [{"name": "x", "name": "y"}]"#), &["`/parts/0/name`", "duplicate key"]);
    refused(&with(r#""named": {"a": "1", "a": "2"}"#), &["`/named/a`", "duplicate key"]);
    refused(&with(r#""free": [{"a": {"b": 1, "b": 1}}]"#), &["`/free/0/a/b`", "duplicate key"]);
    refused(&with(r#""unknown": {"a": 1, "a": 1}"#), &["`/unknown/a`", "duplicate key"]);
    taken(&with(r#""free": [{"a": 1}, {"a": 1}]"#));
}

#[test]
fn a_text_is_taken_from_texts_only() {
    for other in ["18446744073709551616", "1.10", "true", "null", "[]", "{}"] {
        refused(&format!(r#"{{"text": {other}}}"#), &["`/text` must be a string"]);
        refused(&with(&format!(r#""texts": ["x", {other}]"#)), &["`/texts/1` must be a string"]);
        refused(&with(&format!(r#""named": {{"a": {other}}}"#)), &["`/named/a` must be a string"]);
        refused(&with(&format!(r#""parts": [{{"name": {other}}}]"#)), &["`/parts/0/name` must be a string"]);
    }
    for other in ["1", "true"] {
        refused(&with(&format!(r#""colour": {other}"#)), &["`/colour` must be a string"]);
    }
}

#[test]
fn a_whole_number_has_neither_fraction_nor_exponent_and_fits_its_format() {
    for other in [
        "1.0",
        "1e2",
        "1E0",
        r#""1""#,
        "true",
        "-1",
        "-0",
        "4294967296",
        "99999999999999999999999999999999999999999",
    ] {
        refused(
            &with(&format!(r#""small": {other}"#)),
            &["`/small` must be a whole number from 0 to 4294967295"],
        );
    }
    refused(&with(r#""big": 18446744073709551616"#), &["18446744073709551615"]);
    refused(&with(r#""signed": 9223372036854775808"#), &["9223372036854775807"]);
    refused(&with(r#""either": {"number": 128}"#), &["`/either/number`"]);
    for other in [r#""0.5""#, "false"] {
        refused(&with(&format!(r#""ratio": {other}"#)), &["`/ratio` must be a number"]);
    }
    for other in [r#""true""#, "1", "0"] {
        refused(&with(&format!(r#""flag": {other}"#)), &["`/flag` must be true or false"]);
    }
    refused(&with(r#""part": []"#), &["`/part` must be an object, not an array"]);
    refused(&with(r#""parts": {}"#), &["`/parts` must be an array, not an object"]);
    refused(&with(r#""switch": null"#), &["`/switch`"]);
}

#[test]
fn a_value_beyond_a_limit_is_refused_with_its_place_and_the_limit() {
    for body in [
        r#"{"text": "жжж", "parts": [{"name": "ab"}, {"name": ""}], "number": 100, "digits": "1"}"#,
        r#"{"text": "a", "parts": [{"name": "ж"}], "number": 1, "at": "2026-11-30T10:00:00+03:00"}"#,
        "{}",
    ] {
        assert!(read::<Limited>(body.as_bytes()).is_ok(), "{body}");
    }
    for (body, wanted) in [
        (r#"{"text": ""}"#, "`/text` must have at least 1 character, not 0"),
        (r#"{"text": "жжжж"}"#, "`/text` must have at most 3 characters, not 4"),
        (r#"{"parts": []}"#, "`/parts` must have at least 1 item, not 0"),
        (
            r#"{"parts": [{"name": ""}, {"name": ""}, {"name": ""}]}"#,
            "`/parts` must have at most 2 items, not 3",
        ),
        (
            r#"{"parts": [{"name": ""}, {"name": "abc"}]}"#,
            "`/parts/1/name` must have at most 2 characters, not 3",
        ),
        (r#"{"number": 0}"#, "`/number` must be at least 1"),
        (r#"{"number": 101}"#, "`/number` must be at most 100"),
        (r#"{"digits": "one"}"#, "`/digits` must match `^[0-9]+$`"),
        (
            r#"{"at": "yesterday"}"#,
            "`/at` must be a time like 2026-11-30T10:00:00Z, or with an offset like +03:00",
        ),
    ] {
        assert_eq!(read::<Limited>(body.as_bytes()).unwrap_err(), wanted, "{body}");
    }
}

#[test]
fn what_is_no_json_or_nests_without_end_is_refused() {
    let nested = |depth: usize| with(&format!(r#""free": {}{}"#, "[".repeat(depth), "]".repeat(depth)));
    taken(&nested(100));
    refused(&nested(200), &["recursion limit"]);
    refused("", &["the body is empty"]);
    refused("[]", &["the body must be an object"]);
    for body in ["{", "nonsense", r#"{"text": "x"} {}"#, r#"{"text": "\ud800"}"#, r#"{"text": "x",}"#] {
        refused(body, &["is not valid JSON"]);
    }
    refused(&with(r#""free": {"a": 1e400}"#), &["`/free/a`", "out of range"]);
    assert!(read::<Everything>(b"\"\xff\"").unwrap_err().contains("UTF-8"));
}

#[tokio::test]
async fn free_json_goes_through_with_every_digit() {
    for written in ["12345678901234567890.123", "0.1", "1.10", "1e2", "-0", "18446744073709551616", "1E-7"] {
        let read = taken(&with(&format!(r#""free": {{"n": [ {written} ], "text": " 1 "}}"#)));
        let answer = ExactJson(read).into_response();
        assert_eq!(answer.content_type(), Some("application/json; charset=utf-8"));
        let body = answer.into_body().into_string().await.unwrap();
        assert!(body.contains(&format!(r#""free":{{"n":[{written}],"text":" 1 "}}"#)), "{body}");
    }
}

#[tokio::test]
async fn an_answer_without_free_json_is_written_as_ever() {
    let read = taken(r#"{"text": "<\"ж\">", "named": {"a": "1"}, "texts": []}"#);
    let written = serde_json::to_string(&poem_openapi::types::ToJSON::to_json(&read)).unwrap();
    let body = ExactJson(read).into_response().into_body().into_string().await.unwrap();
    assert_eq!(body, written);
    let lone = FreeJson(JsonText::parse("[1]").unwrap());
    assert_eq!(
        ExactJson(lone).into_response().into_body().into_string().await.unwrap(),
        json!([1]).to_string()
    );
}
