//! First step of parsing: checks that a body is valid JSON without duplicate keys.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::fault::{Fault, JsonPointer};

/// Checks a body and returns it as text. The maximum depth is 127 (`serde_json`'s limit); numbers must fit a double.
pub(super) fn check(body: &[u8]) -> Result<&str, Fault> {
    let mut pointer = JsonPointer::default();
    let text = std::str::from_utf8(body).map_err(|_| Fault::new(&pointer, "is not UTF-8"))?;
    if text.trim_ascii().is_empty() {
        return Err(Fault::new(&pointer, "is empty, JSON is required"));
    }
    let mut source = serde_json::Deserializer::from_str(text);
    Walk(&mut pointer)
        .deserialize(&mut source)
        .and_then(|()| source.end())
        .map_err(|error| Fault::new(&pointer, format!("is not valid JSON: {error}")))?;
    Ok(text)
}

/// Visits a value recursively. After an error the pointer stays at the location of the error.
struct Walk<'a>(&'a mut JsonPointer);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            self.0.enter(name.as_str());
            if !names.insert(name) {
                return Err(A::Error::custom("duplicate key"));
            }
            map.next_value_seed(Walk(self.0))?;
            self.0.leave();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for number in 0_usize.. {
            self.0.enter(number.to_string());
            let more = seq.next_element_seed(Walk(self.0))?.is_some();
            self.0.leave();
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
