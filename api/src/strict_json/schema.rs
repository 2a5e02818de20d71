//! Second step of parsing: validation of a body by its schema.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::ParseFromJSON;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::fault::{Fault, JsonPointer};
use super::limits::{broken_by_integer, broken_by_items, broken_by_text};
use crate::time::Time;

/// A schema with all referenced schemas.
pub(super) struct BodySchema {
    root: MetaSchemaRef,
    schemas: BTreeMap<String, MetaSchema>,
}

impl BodySchema {
    /// The schema of a type.
    pub(super) fn of<T: ParseFromJSON>() -> Self {
        let mut registry = Registry::new();
        T::register(&mut registry);
        Self { root: T::schema_ref(), schemas: registry.schemas }
    }

    /// Validates a body and converts it to the value that poem-openapi parses. Free parts become strings with their JSON text,
    /// because [`Value`] does not keep every digit of a number; see [`super::FreeJson`].
    pub(super) fn read(&self, text: &str) -> Result<Value, Fault> {
        Check { schemas: &self.schemas, pointer: JsonPointer::default() }.value(text.trim_ascii(), &self.root)
    }
}

struct Check<'a> {
    schemas: &'a BTreeMap<String, MetaSchema>,
    pointer: JsonPointer,
}

impl Check<'_> {
    fn value(&mut self, text: &str, schema: &MetaSchemaRef) -> Result<Value, Fault> {
        let schema = match schema {
            MetaSchemaRef::Inline(schema) => schema.as_ref(),
            MetaSchemaRef::Reference(name) => match self.schemas.get(name) {
                Some(schema) => schema,
                None => return Err(self.fault("has no schema")),
            },
        };
        // poem-openapi declares a union as an object with `oneOf` or `anyOf`.
        let is_choice = !schema.one_of.is_empty() || !schema.any_of.is_empty();
        match schema.ty {
            _ if is_choice => self.untyped(text, schema),
            "object" => self.object(text, schema),
            "array" => self.array(text, schema),
            "string" => self.text(text, schema),
            "integer" => self.integer(text, schema),
            "number" => self.number(text),
            "boolean" => self.boolean(text),
            _ => self.untyped(text, schema),
        }
    }

    /// Reads by a schema without a type: a reference with a description, a union, or free JSON.
    fn untyped(&mut self, text: &str, schema: &MetaSchema) -> Result<Value, Fault> {
        let referred = schema.all_of.iter().find(|part| matches!(part, MetaSchemaRef::Reference(_)));
        if let Some(referred) = referred {
            return self.value(text, referred);
        }
        let mut refused = None;
        for choice in schema.one_of.iter().chain(&schema.any_of) {
            let pointer = self.pointer.clone();
            match self.value(text, choice) {
                Ok(value) => return Ok(value),
                Err(fault) => refused = Some(fault),
            }
            self.pointer = pointer;
        }
        refused.map_or_else(|| Ok(Value::String(text.to_owned())), Err)
    }

    fn object(&mut self, text: &str, schema: &MetaSchema) -> Result<Value, Fault> {
        let Ok(mut sent) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else {
            return Err(self.wrong_type("an object", text));
        };
        let mut read = Map::new();
        for (name, of_field) in &schema.properties {
            self.pointer.enter(*name);
            let is_required = schema.required.contains(name);
            match sent.remove(*name).map(RawValue::get) {
                None if is_required => return Err(self.fault("is missing")),
                None => {}
                Some("null") if !is_required && !has_default(of_field) => {
                    read.insert((*name).to_owned(), Value::Null);
                }
                Some(text) => {
                    read.insert((*name).to_owned(), self.value(text, of_field)?);
                }
            }
            self.pointer.leave();
        }
        for (name, text) in sent {
            self.pointer.enter(name.as_str());
            let Some(values) = &schema.additional_properties else {
                return Err(self.fault(unknown(schema)));
            };
            read.insert(name, self.value(text.get(), values)?);
            self.pointer.leave();
        }
        Ok(Value::Object(read))
    }

    fn array(&mut self, text: &str, schema: &MetaSchema) -> Result<Value, Fault> {
        let Ok(sent) = serde_json::from_str::<Vec<&RawValue>>(text) else {
            return Err(self.wrong_type("an array", text));
        };
        if let Some(broken) = broken_by_items(schema, sent.len()) {
            return Err(self.fault(broken));
        }
        let mut read = Vec::with_capacity(sent.len());
        for (number, item) in sent.into_iter().enumerate() {
            self.pointer.enter(number.to_string());
            read.push(match &schema.items {
                Some(items) => self.value(item.get(), items)?,
                None => Value::String(item.get().to_owned()),
            });
            self.pointer.leave();
        }
        Ok(Value::Array(read))
    }

    fn text(&self, text: &str, schema: &MetaSchema) -> Result<Value, Fault> {
        let sent: String = serde_json::from_str(text).map_err(|_| self.wrong_type("a string", text))?;
        if let Some(broken) = broken_by_text(schema, &sent) {
            return Err(self.fault(broken));
        }
        let value = Value::String(sent);
        if schema.format == Some("date-time") && Time::parse_from_json(Some(value.clone())).is_err() {
            return Err(self.fault("must be a time like 2026-11-30T10:00:00Z, or with an offset like +03:00"));
        }
        if !schema.enum_items.is_empty() && !schema.enum_items.contains(&value) {
            let words: Vec<String> =
                schema.enum_items.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
            return Err(self.fault(format!("must be one of {}", words.join(", "))));
        }
        Ok(value)
    }

    fn boolean(&self, text: &str) -> Result<Value, Fault> {
        serde_json::from_str(text).map(Value::Bool).map_err(|_| self.wrong_type("true or false", text))
    }

    fn number(&self, text: &str) -> Result<Value, Fault> {
        serde_json::from_str::<f64>(text).map(Value::from).map_err(|_| self.wrong_type("a number", text))
    }

    fn integer(&self, text: &str, schema: &MetaSchema) -> Result<Value, Fault> {
        let range = range_of(schema.format.unwrap_or_default());
        let number = text.parse::<i128>().ok().filter(|number| range.contains(number) && text != "-0");
        let value = number.and_then(|number| {
            u64::try_from(number).map(Value::from).or_else(|_| i64::try_from(number).map(Value::from)).ok()
        });
        let value = value.ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            let wanted = format!("a whole number from {least} to {most}, without fraction and exponent");
            self.wrong_type(&wanted, text)
        })?;
        match broken_by_integer(schema, text) {
            Some(broken) => Err(self.fault(broken)),
            None => Ok(value),
        }
    }

    fn wrong_type(&self, wanted: &str, text: &str) -> Fault {
        let sent = match text.as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ if wanted.contains("number") => "another number",
            _ => "a number",
        };
        self.fault(format!("must be {wanted}, not {sent}"))
    }

    fn fault(&self, what: impl Into<String>) -> Fault {
        Fault::new(&self.pointer, what)
    }
}

fn unknown(schema: &MetaSchema) -> String {
    let names: Vec<String> = schema.properties.iter().map(|(name, _)| format!("`{name}`")).collect();
    format!("is not a known field; the fields are {}", names.join(", "))
}

/// Whether the schema has a default. An absent field then gets the default, and null is not accepted.
fn has_default(schema: &MetaSchemaRef) -> bool {
    match schema {
        MetaSchemaRef::Inline(schema) => schema.default.is_some() || schema.all_of.iter().any(has_default),
        MetaSchemaRef::Reference(_) => false,
    }
}

/// The range of an integer format; the range of `int64` without a known format.
fn range_of(format: &str) -> RangeInclusive<i128> {
    match format {
        "int8" => i8::MIN.into()..=i8::MAX.into(),
        "int16" => i16::MIN.into()..=i16::MAX.into(),
        "int32" => i32::MIN.into()..=i32::MAX.into(),
        "uint8" => 0..=u8::MAX.into(),
        "uint16" => 0..=u16::MAX.into(),
        "uint32" => 0..=u32::MAX.into(),
        "uint64" => 0..=u64::MAX.into(),
        _ => i64::MIN.into()..=i64::MAX.into(),
    }
}
