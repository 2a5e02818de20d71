//! The OpenAPI document as clients need it.
//!
//! What poem-openapi cannot express is added: paths that go on after their last parameter. And poem-openapi leaves optional
//! fields out of `required`, and writes and takes them as null; it does not say of them that they may be null. A generated
//! client would choke on the first null, so it is said here, for all at once. And it does not say that objects of request bodies
//! take no field besides their own, which [`crate::strict_json`] holds them to.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::strict_json::EXACT_JSON;

/// An operation that poem-openapi cannot express.
pub(crate) struct Operation {
    /// `/v1/amocrm/api/v4/{path}`.
    pub(crate) path: &'static str,
    /// In lower case.
    pub(crate) method: &'static str,
    /// The operation object.
    pub(crate) described: String,
}

/// The same document with every optional field of every schema marked `nullable`, every object of a request body closed,
/// and `more` operations; the order of everything is kept.
///
/// Source: OpenAPI 3.0.3, "Schema Object", `nullable` and `additionalProperties`.
pub(crate) fn completed(document: &str, more: &[Operation]) -> serde_json::Result<String> {
    let mut document: Node = serde_json::from_str(document)?;
    mark_optional(&mut document);
    close_bodies(&mut document);
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

/// Says of every object that a request body is made of that it takes no other fields.
fn close_bodies(document: &mut Node) {
    let mut waiting = Vec::new();
    for (_, operations) in document.get("paths").map(Node::fields).unwrap_or_default() {
        for (_, operation) in operations.fields() {
            operation.get("requestBody").into_iter().for_each(|body| body.collect_references(&mut waiting));
        }
    }
    let Some(schemas) = document.get_mut("components").and_then(|components| components.get_mut("schemas"))
    else {
        return;
    };
    let mut seen = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        let Some(schema) = schemas.get_mut(&name).filter(|_| seen.insert(name.clone())) else { continue };
        schema.collect_references(&mut waiting);
        let is_object = schema.get("type").and_then(Node::text) == Some("object");
        if is_object && schema.get("additionalProperties").is_none() {
            schema.set("additionalProperties", Node::Leaf(Value::Bool(false)));
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
    fn fields(&self) -> &[(String, Self)] {
        if let Self::Object(fields) = self { fields } else { &[] }
    }

    fn get(&self, name: &str) -> Option<&Self> {
        self.fields().iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn set(&mut self, name: &str, value: Self) {
        if let Self::Object(fields) = self {
            fields.push((name.to_owned(), value));
        }
    }

    /// Names of the schemas it refers to.
    fn collect_references(&self, names: &mut Vec<String>) {
        for (name, value) in self.fields() {
            match value.text().and_then(|text| text.strip_prefix("#/components/schemas/")) {
                Some(schema) if name == "$ref" => names.push(schema.to_owned()),
                _ => value.collect_references(names),
            }
        }
        if let Self::Array(items) = self {
            for item in items {
                item.collect_references(names);
            }
        }
    }

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
        self.set("nullable", Self::Leaf(Value::Bool(true)));
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
        // An example that holds JSON of the caller's own.
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

    #[test]
    fn objects_of_request_bodies_are_closed_at_any_depth_and_those_of_answers_are_not() {
        let document = r##"{"paths": {"/a": {"post": {
            "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Sent"}}}},
            "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Told"}}}}}}}},
            "components": {"schemas": {
            "Sent": {"type": "object", "properties": {
                "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
                "other": {"allOf": [{"$ref": "#/components/schemas/Sent"}]}, "map": {"$ref": "#/components/schemas/Map"}}},
            "Part": {"type": "object", "properties": {"kind": {"$ref": "#/components/schemas/Kind"}}},
            "Map": {"type": "object", "additionalProperties": {"type": "string"}},
            "Kind": {"type": "string", "enum": ["a"]}, "Told": {"type": "object"}}}}"##;
        let read: Value = serde_json::from_str(&completed(document, &[]).unwrap()).unwrap();
        let said = |name: &str| read["components"]["schemas"][name]["additionalProperties"].clone();
        assert_eq!((said("Sent"), said("Part")), (Value::Bool(false), Value::Bool(false)));
        assert_eq!(said("Map"), serde_json::json!({ "type": "string" }));
        assert_eq!((said("Kind"), said("Told")), (Value::Null, Value::Null));
    }

    /// The page embeds the document; it must be the same one.
    #[test]
    fn the_page_shows_the_document_clients_get() {
        let document = crate::routes::specification();
        assert!(document.contains("\"nullable\": true") && !document.contains(EXACT_JSON));
        assert!(crate::routes::swagger_page().contains(document.trim()));
    }
}
