//! Post-processing of the OpenAPI document that poem-openapi generates.
//!
//! - Makes a response of each status of an operation's problems, which are one response of poem-openapi.
//! - Adds operations that poem-openapi cannot express: paths with a wildcard.
//! - Converts version 3.0 to 3.1: generators read `null` and described references there, and it has `webhooks`.
//! - Adds examples for bodies and error codes, and `Retry-After`.
//!
//! `conventions` walks the result and fails on each violated convention of the API.

#[cfg(test)]
mod conventions;
mod node;
mod rate_limit;
mod responses;
mod schemas;
mod webhooks;

use node::Node;
use poem_openapi::registry::Registry;
use poem_openapi::types::Type as _;

/// Version of the OpenAPI specification of the document.
const OPENAPI_VERSION: &str = "3.1.0";

/// An operation that poem-openapi cannot express.
pub(crate) struct Operation {
    /// `/v1/amocrm/api/v4/{path}`.
    pub(crate) path: &'static str,
    /// HTTP method in lower case.
    pub(crate) method: &'static str,
    /// The operation object as JSON.
    pub(crate) described: String,
}

/// A schema that no type of the API has.
pub(crate) struct Schema {
    /// Name in `components`.
    pub(crate) name: &'static str,
    /// The schema as JSON.
    pub(crate) described: &'static str,
}

/// The document with `operations` and `schemas`, in version 3.1. Keeps the order of all keys.
pub(crate) fn patch_document(
    document: &str,
    operations: &[Operation],
    schemas: &[Schema],
) -> serde_json::Result<String> {
    let mut document: Node = serde_json::from_str(document)?;
    responses::expand_problems(&mut document);
    document.set("openapi", Node::string(OPENAPI_VERSION));
    for schema in schemas {
        if let Some(known) = document.at_mut(&["components", "schemas"]) {
            known.set(schema.name, serde_json::from_str(schema.described)?);
        }
    }
    for operation in operations {
        let described = serde_json::from_str(&operation.described)?;
        if let Some(paths) = document.get_mut("paths") {
            if paths.get(operation.path).is_none() {
                paths.set(operation.path, Node::Object(Vec::new()));
            }
            if let Some(path) = paths.get_mut(operation.path) {
                path.set(operation.method, described);
            }
        }
    }
    add_webhooks(&mut document)?;
    rate_limit::declare(&mut document)?;
    schemas::convert(&mut document);
    responses::describe(&mut document);
    serde_json::to_string_pretty(&document)
}

/// Adds the webhooks and the schemas that only they refer to.
fn add_webhooks(document: &mut Node) -> serde_json::Result<()> {
    let mut registry = Registry::new();
    webhooks::Event::register(&mut registry);
    if let Some(known) = document.at_mut(&["components", "schemas"]) {
        for (name, schema) in &registry.schemas {
            known.set(name, serde_json::from_str(&serde_json::to_string(schema)?)?);
        }
    }
    document.set("webhooks", serde_json::from_str(&webhooks::webhooks().to_string())?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::strict_json::EXACT_JSON;

    /// The document with these schemas; `Sent` is a body and `Told` an answer of one operation.
    fn patched(schemas: &Value, operations: &[Operation]) -> Value {
        let content = |name: &str| {
            json!({"application/json; charset=utf-8": {
            "schema": {"$ref": format!("#/components/schemas/{name}")}}})
        };
        let document = json!({"z": 1, "openapi": "3.0.0", "paths": {"/b": {"post": {
            "requestBody": {"content": content("Sent")},
            "responses": {"200": {"headers": {"IDEMPOTENCY-REPLAYED": {}, "ETAG": {}}, "content": content("Told")},
                "503": {"content": {"application/problem+json": {"schema": {
                    "allOf": [{"$ref": "#/components/schemas/Problem"}], "enum": ["503 unavailable"]}}}}}}}},
            "components": {"schemas": schemas}, "a": [1.5, null, true]});
        serde_json::from_str(&patch_document(&document.to_string(), operations, &[]).unwrap()).unwrap()
    }

    #[test]
    fn a_described_reference_is_one_reference_and_an_optional_field_accepts_null() {
        let schemas = json!({"Told": {"type": "object", "required": ["b"], "properties": {
            "b": {"type": "string"}, "c": {"type": "string", "example": "x"},
            "d": {"allOf": [{"$ref": "#/components/schemas/Kind"}, {"description": "D."}], "description": "D."},
            "e": {"type": "integer", "format": "uint32", "default": 0, "maximum": 9.0}, "f": {"$ref": "#/components/schemas/Kind"},
            "g": {}}},
            "Kind": {"type": "string", "enum": ["k"]}});
        let told = &patched(&schemas, &[])["components"]["schemas"]["Told"];
        let nullable = json!([{"$ref": "#/components/schemas/Kind"}, {"type": "null"}]);
        assert_eq!(told["properties"]["b"], json!({"type": "string"}));
        assert_eq!(told["properties"]["c"], json!({"type": ["string", "null"], "examples": ["x"]}));
        assert_eq!(told["properties"]["d"], json!({"anyOf": nullable, "description": "D."}));
        assert_eq!(
            told["properties"]["e"],
            json!({"type": "integer", "format": "int64", "default": 0, "minimum": 0, "maximum": 9})
        );
        assert_eq!(
            (&told["properties"]["f"], &told["properties"]["g"]),
            (&json!({"anyOf": nullable}), &json!({}))
        );
        assert_eq!(told["required"], json!(["b", "c", "d", "e", "f", "g"]), "an answer has all its fields");
    }

    #[test]
    fn objects_of_request_bodies_are_closed_at_any_depth_and_those_of_answers_are_not() {
        let schemas = json!({
            "Sent": {"type": "object", "properties": {
                "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
                "other": {"allOf": [{"$ref": "#/components/schemas/Sent"}]}, "map": {"$ref": "#/components/schemas/Map"}}},
            "Part": {"type": "object", "properties": {"kind": {"$ref": "#/components/schemas/Kind"}}},
            "Map": {"type": "object", "additionalProperties": {"type": "string"}},
            "Kind": {"type": "string", "enum": ["a"]}, "Told": {"type": "object"}});
        let read = patched(&schemas, &[]);
        let said = |name: &str| read["components"]["schemas"][name]["additionalProperties"].clone();
        assert_eq!((said("Sent"), said("Part")), (Value::Bool(false), Value::Bool(false)));
        assert_eq!(said("Map"), json!({ "type": "string" }));
        assert_eq!((said("Kind"), said("Told")), (Value::Null, Value::Null));
        assert_eq!(
            read["components"]["schemas"]["Sent"]["required"],
            Value::Null,
            "a caller may omit fields"
        );
    }

    #[test]
    fn answers_have_examples_and_a_503_says_when_to_come_again() {
        let schemas = json!({"Told": {"type": "object", "required": ["items"], "properties": {
                "items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}, "next": {"type": "string"}}},
            "Item": {"type": "object", "properties": {}, "example": {"id": 7}}, "Sent": {"type": "object"},
            "Problem": {"type": "object", "required": ["code"], "properties": {"code": {}, "quote_id": {}}}});
        let read = patched(&schemas, &[]);
        let answers = &read["paths"]["/b"]["post"]["responses"];
        assert_eq!(
            answers["200"]["content"]["application/json"]["example"],
            json!({"items": [{"id": 7}], "next": null})
        );
        let problem = &answers["503"]["content"]["application/problem+json"];
        assert_eq!(problem["schema"], json!({"$ref": "#/components/schemas/Problem"}));
        assert_eq!(problem["examples"]["unavailable"]["value"]["code"], "unavailable");
        let required = &read["components"]["schemas"]["Problem"]["required"];
        assert_eq!(required, &json!(["code"]), "a problem has only the members that its code needs");
        assert_eq!(answers["503"]["headers"]["Retry-After"]["required"], true);
        let headers = answers["200"]["headers"].as_object().unwrap();
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["ETag", "Idempotency-Replayed"]);
    }

    #[test]
    fn each_status_of_the_problems_is_a_response_in_its_place() {
        let listed = json!([
            {"status": "404", "description": "Gone.", "codes": ["404 unknown_hold"]},
            {"status": "403", "description": "No.", "codes": ["403 admin_only", "403 reconnect_required"]}]);
        let document = json!({"paths": {"/b": {"get": {"responses": {"200": {"description": "Ok."},
            "4XX": {"description": "Any.", "content": {"application/problem+json": {"schema": {
                "allOf": [{"$ref": "#/components/schemas/Problem"}], "enum": listed}}}}}}}},
            "components": {"schemas": {"Problem": {"type": "object", "properties": {}}}}});
        let text = patch_document(&document.to_string(), &[], &[]).unwrap();
        assert!(
            text.find("\"200\"") < text.find("\"404\"") && text.find("\"404\"") < text.find("\"403\""),
            "{text}"
        );
        let read: Value = serde_json::from_str(&text).unwrap();
        let responses = &read["paths"]["/b"]["get"]["responses"];
        assert_eq!(responses.as_object().unwrap().len(), 3);
        assert_eq!(responses["404"]["description"], "Gone.");
        let problem = &responses["403"]["content"]["application/problem+json"];
        let examples = problem["examples"].as_object().unwrap();
        assert_eq!(examples.keys().collect::<Vec<_>>(), ["admin_only", "reconnect_required"]);
    }

    #[test]
    fn operations_are_added_and_the_order_of_keys_stays() {
        let more = ["get", "put"].map(|method| Operation {
            path: "/a/{rest}",
            method,
            described: r#"{"y": 1, "x": 2}"#.to_owned(),
        });
        let document = r#"{"z": 1, "paths": {}, "components": {"schemas": {}}, "a": [1.5, null, true]}"#;
        let text = patch_document(document, &more, &[]).unwrap();
        assert!(
            text.find("\"z\"") < text.find("\"components\"")
                && text.find("\"components\"") < text.find("\"a\"")
        );
        assert!(text.find("\"y\"") < text.find("\"x\""));
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["a"], json!([1.5, null, true]));
        let added = json!({ "y": 1, "x": 2 });
        assert_eq!(read["paths"], json!({ "/a/{rest}": { "get": added, "put": added } }));
    }

    /// The page must embed the same document.
    #[test]
    fn the_page_shows_the_document_clients_get() {
        let document = crate::routes::specification();
        assert!(document.contains("\"openapi\": \"3.1.0\"") && !document.contains(EXACT_JSON));
        assert!(crate::routes::swagger_page().contains(document.trim()));
    }
}
