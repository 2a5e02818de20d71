//! Schemas of OpenAPI 3.0, as poem-openapi writes them, as schemas of OpenAPI 3.1.
//!
//! Source: OpenAPI 3.1.0 and JSON Schema 2020-12: `null` is a type, and a reference may have a description beside it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::node::{Node, SCHEMAS};

/// The schema of errors. A problem has only the members that its code needs, unlike other answers.
const PROBLEM: &str = "Problem";

/// Converts every schema of the document. Objects of request bodies are closed, because [`crate::strict_json`] rejects unknown
/// fields; objects of answers always have all their fields.
pub(super) fn convert(document: &mut Node) {
    let (sent, answered) = (reachable(document, Part::Bodies), reachable(document, Part::Answers));
    if let Some(schemas) = document.at_mut(&["components", "schemas"]) {
        for (name, schema) in schemas.fields_mut() {
            if sent.contains(name) {
                close(schema);
            }
            mark_nullable(schema);
            if answered.contains(name) && !sent.contains(name) && name != PROBLEM {
                require_all(schema);
            }
        }
    }
    convert_below(document);
}

/// Parts of the document that refer to schemas.
#[derive(Clone, Copy)]
enum Part {
    Bodies,
    Answers,
}

/// Names of the schemas that are reachable from a part of any operation.
fn reachable(document: &Node, part: Part) -> BTreeSet<String> {
    let mut waiting = Vec::new();
    for operations in ["paths", "webhooks"].iter().filter_map(|name| document.get(name)) {
        for (_, operation) in operations.fields().iter().flat_map(|(_, path)| path.fields()) {
            let found = match part {
                Part::Bodies => operation.get("requestBody"),
                Part::Answers => operation.get("responses"),
            };
            if let Some(node) = found {
                node.collect_references(&mut waiting);
            }
        }
    }
    let schemas = document.get("components").and_then(|components| components.get("schemas"));
    let mut seen = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if let Some(schema) = schemas.and_then(|schemas| schemas.get(&name)).filter(|_| seen.insert(name)) {
            schema.collect_references(&mut waiting);
        }
    }
    seen
}

fn is_object(schema: &Node) -> bool {
    schema.get("type").and_then(Node::text) == Some("object")
}

fn close(schema: &mut Node) {
    if is_object(schema) && schema.get("additionalProperties").is_none() {
        schema.set("additionalProperties", Node::Leaf(Value::Bool(false)));
    }
}

fn required(schema: &Node) -> Vec<String> {
    let names = schema.get("required").map(Node::items).unwrap_or_default();
    names.iter().filter_map(Node::text).map(str::to_owned).collect()
}

/// Marks every optional property as nullable: poem-openapi serializes and accepts it as null, but does not declare it.
fn mark_nullable(schema: &mut Node) {
    let required = required(schema);
    let Some(properties) = schema.get_mut("properties") else { return };
    for (name, property) in properties.fields_mut() {
        // A field with a default is always present in responses, and null is not accepted for it.
        if !required.contains(name) && property.get("default").is_none() {
            property.set("nullable", Node::Leaf(Value::Bool(true)));
        }
    }
}

/// Requires all properties, unless others may be there, too: such an object is not ours.
fn require_all(schema: &mut Node) {
    if schema.get("additionalProperties") == Some(&Node::Leaf(Value::Bool(true))) {
        return;
    }
    let names = schema.get("properties").map(Node::fields).unwrap_or_default();
    let names: Vec<Node> = names.iter().map(|(name, _)| Node::string(name.as_str())).collect();
    if !names.is_empty() {
        schema.set("required", Node::Array(names));
    }
}

/// Converts every schema at or below this node. Examples and enums are values and stay as they are.
fn convert_below(node: &mut Node) {
    match node {
        Node::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if !matches!(name.as_str(), "example" | "examples" | "enum" | "default") {
                    convert_below(value);
                }
            }
            convert_one(node);
        }
        Node::Array(items) => items.iter_mut().for_each(convert_below),
        Node::Leaf(_) => {}
    }
}

fn convert_one(node: &mut Node) {
    unwrap_reference(node);
    convert_integer(node);
    if node.get("format").and_then(Node::text) == Some("naive-date") {
        node.set("format", Node::string("date"));
    }
    let is_schema =
        node.get("type").is_some_and(|kind| kind.text().is_some()) || node.get("nullable").is_some();
    if !is_schema || node.get("in").is_some() {
        return;
    }
    if let Some(example) = node.take("example") {
        node.set("examples", Node::Array(vec![example]));
    }
    if node.take("nullable") == Some(Node::Leaf(Value::Bool(true))) {
        make_nullable(node);
    }
}

/// poem-openapi writes a reference with a description as `allOf: [{$ref}, {description}]` with the description once more
/// beside it. Generators cannot merge that.
fn unwrap_reference(node: &mut Node) {
    let parts = node.get("allOf").map(Node::items).unwrap_or_default();
    let reference = parts.first().and_then(Node::reference).map(str::to_owned);
    let only_described = parts.iter().skip(1).all(|part| {
        part.fields().iter().all(|(name, _)| matches!(name.as_str(), "description" | "default" | "title"))
    });
    if let Some(reference) = reference.filter(|_| only_described && parts.len() <= 2) {
        node.take("allOf");
        if let Node::Object(fields) = node {
            fields.insert(0, ("$ref".to_owned(), Node::string(format!("{SCHEMAS}{reference}"))));
        }
    }
}

/// Rust's integer formats as those of the OpenAPI format registry, with the range that they lose.
fn convert_integer(node: &mut Node) {
    if node.get("type").and_then(Node::text) != Some("integer") {
        return;
    }
    let format = node.get("format").and_then(Node::text).unwrap_or_default().to_owned();
    let registered = match format.as_str() {
        "uint8" | "uint16" | "int8" | "int16" => "int32",
        "uint32" | "uint64" => "int64",
        other => other,
    };
    for bound in ["minimum", "maximum"] {
        if let Some(Node::Leaf(value)) = node.get_mut(bound)
            && let Some(whole) = value.as_f64().filter(|number| number.fract() == 0.0)
        {
            // Bounds are far below 2^53: seconds, pages, micro-Flycoins.
            #[expect(clippy::cast_possible_truncation, reason = "a whole number in the range of i64")]
            let whole = whole as i64;
            *value = whole.into();
        }
    }
    if format.starts_with('u') && node.get("minimum").is_none() {
        node.set("minimum", Node::Leaf(0.into()));
    }
    if !registered.is_empty() {
        node.set("format", Node::string(registered));
    }
}

fn make_nullable(node: &mut Node) {
    let null = Node::object([("type", Node::string("null"))]);
    if let Some(reference) = node.take("$ref") {
        let choices = Node::Array(vec![Node::object([("$ref", reference)]), null]);
        if let Node::Object(fields) = node {
            fields.insert(0, ("anyOf".to_owned(), choices));
        }
        return;
    }
    // A schema without a type accepts null already.
    let Some(kind) = node.get("type").and_then(Node::text).map(str::to_owned) else { return };
    node.set("type", Node::Array(vec![Node::string(kind), Node::string("null")]));
    if let Some(Node::Array(words)) = node.get_mut("enum") {
        words.push(Node::NULL);
    }
}
