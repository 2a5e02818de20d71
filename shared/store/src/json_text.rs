//! JSON stored exactly as written.

use std::fmt;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::Value;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySql, MySqlTypeInfo, MySqlValueRef};
use sqlx::{Decode, Encode, Type};

/// JSON as written, with all digits of its numbers, without white space between tokens.
///
/// The column is a text: MySQL's JSON type stores numbers as doubles, and MariaDB's refuses nesting deeper than 32.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonText(Arc<str>);

impl JsonText {
    /// Parses a JSON text.
    ///
    /// # Errors
    /// The text is not valid JSON.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<IgnoredAny>(text)?;
        Ok(Self(compact(text).into()))
    }

    /// `{}`.
    pub fn empty_object() -> Self {
        Self("{}".into())
    }

    /// Compact, without white space between tokens.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses the JSON for reading. Numbers become doubles.
    ///
    /// # Errors
    /// It contains a number beyond the range of a double, or is nested deeper than 127.
    pub fn to_value(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Type<MySql> for JsonText {
    fn type_info() -> MySqlTypeInfo {
        <str as Type<MySql>>::type_info()
    }

    fn compatible(column: &MySqlTypeInfo) -> bool {
        <str as Type<MySql>>::compatible(column)
    }
}

impl<'r> Decode<'r, MySql> for JsonText {
    fn decode(value: MySqlValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&str as Decode<MySql>>::decode(value)?.into()))
    }
}

impl Encode<'_, MySql> for JsonText {
    fn encode_by_ref(&self, buffer: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        <&str as Encode<MySql>>::encode_by_ref(&self.as_str(), buffer)
    }
}

/// Removes white space outside of strings.
fn compact(text: &str) -> String {
    let (mut is_inside, mut is_escaped) = (false, false);
    text.chars()
        .filter(|&char| {
            let kept = is_inside || !char.is_ascii_whitespace();
            if char == '"' && !is_escaped {
                is_inside = !is_inside;
            }
            is_escaped = is_inside && char == '\\' && !is_escaped;
            kept
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::JsonText;

    #[test]
    fn white_space_goes_and_everything_else_stays_as_it_was_written() {
        for (written, kept) in [
            (
                "{ \"a\" : [ 1.10 , 12345678901234567890.123 ],\r\n\t\"b\": 1E2 }",
                "{\"a\":[1.10,12345678901234567890.123],\"b\":1E2}",
            ),
            (r#"{"a b": "c \" d \\", "e": " "}"#, r#"{"a b":"c \" d \\","e":" "}"#),
            (" null ", "null"),
        ] {
            assert_eq!(JsonText::parse(written).unwrap().as_str(), kept);
        }
        for other in ["", "{", "{} {}", "01"] {
            assert!(JsonText::parse(other).is_err(), "{other}");
        }
    }
}
