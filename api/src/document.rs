//! The OpenAPI document as clients need it.
//!
//! What poem-openapi cannot express is added: paths that go on after their last parameter. And poem-openapi leaves optional
//! fields out of `required`, and writes and takes them as null; it does not say of them that they may be null. A generated
//! client would choke on the first null, so it is said here, for all at once.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// An operation that poem-openapi cannot express.
pub(crate) struct Operation {
    /// `/v1/amocrm/api/v4/{path}`.
    pub(crate) path: &'static str,
    /// In lower case.
    pub(crate) method: &'static str,
    /// The operation object.
    pub(crate) described: String,
}

/// The same document with every optional field of every schema marked `nullable`, and `more` operations; the order of
/// everything is kept.
///
/// Source: OpenAPI 3.0.3, "Schema Object", `nullable`.
pub(crate) fn completed(document: &str, more: &[Operation]) -> serde_json::Result<String> {
    let mut document: Node = serde_json::from_str(document)?;
    mark_optional(&mut document);
    if let Some(Node::Object(paths)) = document.get_mut("paths") {
        for operation in more {
            let described = (operation.method.to_owned(), serde_json::from_str(&operation.described)?);
            match paths.iter_mut().find(|(path, _)| path == operation.path) {
                Some((_, Node::Object(operations))) => operations.push(described),
                _ => paths.push((operation.path.to_owned(), Node::Object(vec![described]))),
            }
        }
    }
    serde_json::to_string_pretty(&document)
}

fn mark_optional(document: &mut Node) {
    let schemas = document.get_mut("components").and_then(|components| components.get_mut("schemas"));
    if let Some(Node::Object(schemas)) = schemas {
        for (_, schema) in schemas {
            mark(schema);
        }
    }
}

fn mark(schema: &mut Node) {
    let required: Vec<String> = match schema.get_mut("required") {
        Some(Node::Array(names)) => names.iter().filter_map(Node::text).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let Some(Node::Object(properties)) = schema.get_mut("properties") else { return };
    for (name, property) in properties {
        // One with a default is never left out of an answer, and null does not stand for it.
        if !required.contains(name) && property.get_mut("default").is_none() {
            property.may_be_null();
        }
    }
}

/// JSON that keeps the order of its objects.
enum Node {
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    Leaf(Value),
}

impl Node {
    fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter_mut().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn text(&self) -> Option<&str> {
        if let Self::Leaf(Value::String(text)) = self { Some(text) } else { None }
    }

    /// What is beside a `$ref` does not count, so a reference is wrapped.
    fn may_be_null(&mut self) {
        if self.get_mut("$ref").is_some() {
            let reference = std::mem::replace(self, Self::Object(Vec::new()));
            *self = Self::Object(vec![("allOf".to_owned(), Self::Array(vec![reference]))]);
        }
        if let Self::Object(fields) = self {
            fields.push(("nullable".to_owned(), Self::Leaf(Value::Bool(true))));
        }
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
        from.deserialize_any(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_fields_may_be_null_operations_are_added_and_nothing_else_changes() {
        let document = r##"{"z": 1, "paths": {"/b": {}}, "components": {"schemas": {"A": {"required": ["b"], "properties": {
            "b": {"type": "string"}, "c": {"type": "string"}, "d": {"$ref": "#/components/schemas/A"},
            "e": {"type": "integer", "default": 0}}}}}, "a": [1.5, null, true]}"##;
        let more = ["get", "put"].map(|method| Operation {
            path: "/a/{rest}",
            method,
            described: r#"{"y": 1, "x": 2}"#.to_owned(),
        });
        let told = completed(document, &more).unwrap();
        let read: Value = serde_json::from_str(&told).unwrap();
        let properties = &read["components"]["schemas"]["A"]["properties"];
        assert_eq!(properties["b"], serde_json::json!({ "type": "string" }));
        assert_eq!(properties["c"]["nullable"], true);
        assert_eq!(properties["d"]["allOf"][0]["$ref"], "#/components/schemas/A");
        assert_eq!(
            (&properties["d"]["nullable"], &properties["e"]["nullable"]),
            (&true.into(), &Value::Null)
        );
        assert!(
            told.find("\"z\"") < told.find("\"components\"")
                && told.find("\"components\"") < told.find("\"a\"")
        );
        assert_eq!(read["a"], serde_json::json!([1.5, null, true]));
        let added = serde_json::json!({ "y": 1, "x": 2 });
        assert_eq!(
            read["paths"],
            serde_json::json!({ "/b": {}, "/a/{rest}": { "get": added, "put": added } })
        );
    }

    /// The page embeds the document; it must be the same one.
    #[test]
    fn the_page_shows_the_document_clients_get() {
        let document = crate::routes::specification();
        assert!(document.contains("\"nullable\": true"));
        assert!(crate::routes::swagger_page().contains(document.trim()));
    }
}
