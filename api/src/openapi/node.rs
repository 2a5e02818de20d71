//! JSON that keeps the order of object keys.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::strict_json::EXACT_JSON;

/// Prefix of a reference to a schema.
pub(super) const SCHEMAS: &str = "#/components/schemas/";

/// JSON value that keeps the order of object keys.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    Leaf(Value),
}

impl Node {
    pub(super) const NULL: Self = Self::Leaf(Value::Null);

    pub(super) fn string(text: impl Into<String>) -> Self {
        Self::Leaf(Value::String(text.into()))
    }

    /// An object with these fields.
    pub(super) fn object<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub(super) fn fields(&self) -> &[(String, Self)] {
        if let Self::Object(fields) = self { fields } else { &[] }
    }

    pub(super) fn fields_mut(&mut self) -> &mut [(String, Self)] {
        if let Self::Object(fields) = self { fields } else { &mut [] }
    }

    pub(super) fn items(&self) -> &[Self] {
        if let Self::Array(items) = self { items } else { &[] }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.fields().iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        self.fields_mut().iter_mut().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The value at the end of a path of field names.
    pub(super) fn at_mut(&mut self, path: &[&str]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, name| node.get_mut(name))
    }

    /// Replaces a field, or appends it.
    pub(super) fn set(&mut self, name: &str, value: Self) {
        match self.get_mut(name) {
            Some(field) => *field = value,
            None => {
                if let Self::Object(fields) = self {
                    fields.push((name.to_owned(), value));
                }
            }
        }
    }

    /// Removes a field.
    pub(super) fn take(&mut self, name: &str) -> Option<Self> {
        let Self::Object(fields) = self else { return None };
        let index = fields.iter().position(|(known, _)| known == name)?;
        Some(fields.remove(index).1)
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Leaf(Value::String(text)) = self { Some(text) } else { None }
    }

    /// Name of the schema that this value refers to, if it is a reference.
    pub(super) fn reference(&self) -> Option<&str> {
        self.get("$ref")?.text()?.strip_prefix(SCHEMAS)
    }

    /// Collects the names of referenced schemas, at any depth.
    pub(super) fn collect_references(&self, names: &mut Vec<String>) {
        names.extend(self.reference().map(str::to_owned));
        self.fields().iter().for_each(|(_, value)| value.collect_references(names));
        self.items().iter().for_each(|item| item.collect_references(names));
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(fields) => {
                let mut map = to.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
                map.end()
            }
            Self::Array(items) => items.serialize(to),
            Self::Leaf(value) => value.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        // An example that contains free JSON.
        if let [(name, Node::Leaf(Value::String(text)))] = fields.as_slice()
            && name == EXACT_JSON
        {
            return serde_json::from_str(text).map_err(A::Error::custom);
        }
        Ok(Node::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::Array(items))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Leaf(text.into()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Null))
    }
}
