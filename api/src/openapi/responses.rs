//! Examples, headers and media types of responses and bodies.

use std::mem;

use serde_json::Value;

use super::node::Node;
use crate::problem::{Problem, ProblemCode};

const PROBLEM_TYPE: &str = "application/problem+json";
/// Key of the response that stands for all problems of an operation, see [`crate::problem::ProblemBody`].
const ALL_PROBLEMS: &str = "4XX";

/// Makes a response of each status of an operation's problems, in the order of their declaration.
pub(super) fn expand_problems(document: &mut Node) {
    let Some(paths) = document.get_mut("paths") else { return };
    for (_, operation) in paths.fields_mut().iter_mut().flat_map(|(_, path)| path.fields_mut()) {
        let Some(Node::Object(responses)) = operation.get_mut("responses") else { continue };
        for (status, response) in mem::take(responses) {
            if status == ALL_PROBLEMS {
                responses.extend(responses_of(&response));
            } else {
                responses.push((status, response));
            }
        }
    }
}

fn responses_of(problems: &Node) -> Vec<(String, Node)> {
    let schema = problems.get("content").and_then(|content| content.get(PROBLEM_TYPE)?.get("schema"));
    let listed = schema.and_then(|schema| schema.get("enum")).map(Node::items).unwrap_or_default();
    let response_of = |listed: &Node| {
        let mut response = problems.clone();
        response.set("description", listed.get("description")?.clone());
        response.at_mut(&["content", PROBLEM_TYPE, "schema"])?.set("enum", listed.get("codes")?.clone());
        Some((listed.get("status")?.text()?.to_owned(), response))
    };
    listed.iter().filter_map(response_of).collect()
}

/// Adds to every operation: an example of each body, and of each error code; `Retry-After` to each 429 and 503. Media types
/// lose their parameters, and headers get their usual capitals.
pub(super) fn describe(document: &mut Node) {
    let schemas = document.get("components").and_then(|components| components.get("schemas")).cloned();
    let schemas = schemas.unwrap_or(Node::Object(Vec::new()));
    for operations in ["paths", "webhooks"] {
        let Some(paths) = document.get_mut(operations) else { continue };
        for (_, operation) in paths.fields_mut().iter_mut().flat_map(|(_, path)| path.fields_mut()) {
            if let Some(content) = operation.at_mut(&["requestBody", "content"]) {
                describe_content(content, &schemas);
            }
            let Some(responses) = operation.get_mut("responses") else { continue };
            for (status, response) in responses.fields_mut() {
                describe_response(status, response, &schemas);
            }
        }
    }
}

fn describe_response(status: &str, response: &mut Node, schemas: &Node) {
    if let Some(Node::Object(headers)) = response.get_mut("headers") {
        for (name, _) in headers {
            *name = capitalized(name);
        }
    }
    let Some(content) = response.get_mut("content") else { return };
    describe_content(content, schemas);
    if matches!(status, "429" | "503") && content.get(PROBLEM_TYPE).is_some() {
        let seconds = Node::object([
            ("description", Node::string("Seconds to wait before the request is repeated.")),
            ("required", Node::Leaf(Value::Bool(true))),
            (
                "schema",
                Node::object([
                    ("type", Node::string("integer")),
                    ("format", Node::string("int64")),
                    ("minimum", Node::Leaf(0.into())),
                ]),
            ),
        ]);
        if response.get("headers").is_none() {
            response.set("headers", Node::Object(Vec::new()));
        }
        if let Some(headers) = response.get_mut("headers") {
            headers.set("Retry-After", seconds);
        }
    }
}

fn describe_content(content: &mut Node, schemas: &Node) {
    let Node::Object(types) = content else { return };
    for (media_type, described) in types {
        *media_type = media_type.split(';').next().unwrap_or_default().to_owned();
        let codes = described.at_mut(&["schema"]).map(take_codes).unwrap_or_default();
        if !codes.is_empty() {
            let examples = codes.iter().map(|&code| (code.as_str().to_owned(), problem_example(code)));
            described.set("examples", Node::Object(examples.collect()));
        } else if described.get("example").is_none()
            && let Some(example) = described.get("schema").and_then(|schema| example_of(schema, schemas))
        {
            described.set("example", example);
        }
    }
}

/// Takes the codes of a [`crate::problem::ProblemBody`] out of its schema.
fn take_codes(schema: &mut Node) -> Vec<ProblemCode> {
    let listed = schema.get("enum").map(Node::items).unwrap_or_default();
    let known = |text: &Node| {
        ProblemCode::ALL.iter().copied().find(|code| Some(code.marker().as_str()) == text.text())
    };
    let codes: Vec<_> = listed.iter().filter_map(known).collect();
    if !codes.is_empty() {
        schema.take("enum");
    }
    codes
}

fn problem_example(code: ProblemCode) -> Node {
    let problem = Problem::new(code, code.title());
    let value = Node::object([
        ("type", Node::string(problem.kind)),
        ("title", Node::string(problem.title)),
        ("status", Node::Leaf(problem.status.into())),
        ("detail", Node::string(problem.detail)),
        ("code", Node::string(problem.code)),
    ]);
    Node::object([("summary", Node::string(code.title())), ("value", value)])
}

/// The example of a schema: its own one, or one that is built from the examples of its properties or items.
fn example_of(schema: &Node, schemas: &Node) -> Option<Node> {
    if let Some(name) = schema.reference() {
        return example_of(schemas.get(name)?, schemas);
    }
    if let Some(example) = schema.get("example") {
        return Some(example.clone());
    }
    if let Some(example) = schema.get("examples").and_then(|examples| examples.items().first()) {
        return Some(example.clone());
    }
    if let Some(items) = schema.get("items") {
        return Some(Node::Array(vec![example_of(items, schemas)?]));
    }
    let properties = schema.get("properties")?.fields();
    let has_null = |property: &Node| {
        property.get("type").is_some_and(|kind| kind.items().iter().any(|kind| kind.text() == Some("null")))
    };
    let example =
        |property: &Node| example_of(property, schemas).or_else(|| has_null(property).then_some(Node::NULL));
    let built: Option<Vec<_>> =
        properties.iter().map(|(name, property)| Some((name.clone(), example(property)?))).collect();
    built.map(Node::Object)
}

/// `RETRY-AFTER` as `Retry-After`. poem-openapi writes names in upper case.
fn capitalized(name: &str) -> String {
    match name {
        "ETAG" => return "ETag".to_owned(),
        _ if name.chars().any(|letter| letter.is_ascii_lowercase()) => return name.to_owned(),
        _ => {}
    }
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_ascii_lowercase())
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}
