//! The conventions of the API, listed in `CONTRIBUTING.md` and checked on the whole document. Each function returns the
//! violations of one rule.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::problem::ProblemCode;

/// Names that say nothing about their unit.
const WITHOUT_UNIT: [&str; 8] = ["amount", "balance", "coins", "cost", "fee", "price", "sum", "total"];
/// Endings of names of types, which mean nothing to vendors.
const INTERNAL_ENDINGS: [&str; 4] = ["View", "Dto", "Answer", "Row"];
/// Operations whose bodies and answers are those of amoCRM.
const GATEWAY_PATH: &str = "/v1/amocrm/";

/// An operation with its place in the document.
struct Operation<'a> {
    path: &'a str,
    id: &'a str,
    value: &'a Value,
}

impl<'a> Operation<'a> {
    fn all(document: &'a Value) -> Vec<Self> {
        let paths = ["paths", "webhooks"].into_iter().filter_map(|part| document[part].as_object()).flatten();
        paths
            .flat_map(|(path, methods)| {
                methods.as_object().into_iter().flatten().map(move |(_, value)| (path, value))
            })
            .map(|(path, value)| Self { path, id: value["operationId"].as_str().unwrap_or_default(), value })
            .collect()
    }

    fn responses(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.value["responses"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(status, response)| (status.as_str(), response))
    }

    fn parameters(&self) -> &'a [Value] {
        self.value["parameters"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    fn has_parameter(&self, name: &str) -> bool {
        self.parameters().iter().any(|parameter| parameter["name"] == name)
    }

    fn is_page_of_html(&self) -> bool {
        self.responses().any(|(_, response)| response["content"].get("text/html").is_some())
    }
}

/// Properties of all schemas, with `Schema.property`.
fn properties(document: &Value) -> Vec<(String, &str, &Value)> {
    let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
    schemas
        .flat_map(|(schema, value)| {
            let properties = value["properties"].as_object().into_iter().flatten();
            properties.map(move |(name, property)| (format!("{schema}.{name}"), name.as_str(), property))
        })
        .collect()
}

fn is_snake_case(name: &str) -> bool {
    name.chars().all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '_'))
}

fn is_camel_case(name: &str, first: fn(&char) -> bool) -> bool {
    name.chars().next().is_some_and(|letter| first(&letter))
        && name.chars().all(|letter| letter.is_ascii_alphanumeric())
}

fn described(value: &Value) -> bool {
    value["description"].as_str().is_some_and(|text| text.ends_with('.'))
}

/// Operation ids are unique and in camel case; every operation has a summary, every parameter a description and a name in
/// snake case.
fn operations_are_named(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    for operation in Operation::all(document) {
        let id = operation.id;
        if !is_camel_case(id, char::is_ascii_lowercase) || !ids.insert(id) {
            faults
                .push(format!("{} {id}: the operation id is not unique or not in camelCase", operation.path));
        }
        if !operation.value["summary"].as_str().is_some_and(|text| text.ends_with('.')) {
            faults.push(format!("{id}: no summary"));
        }
        for parameter in operation.parameters() {
            let name = parameter["name"].as_str().unwrap_or_default();
            if !described(parameter) {
                faults.push(format!("{id}: parameter {name} has no description"));
            }
            if parameter["in"] != "header" && !is_snake_case(name) {
                faults.push(format!("{id}: parameter {name} is not in snake_case"));
            }
        }
    }
    faults
}

/// Schemas have vendors' names and descriptions; so have their properties.
fn schemas_are_named(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let internal = INTERNAL_ENDINGS.iter().any(|ending| name.ends_with(ending));
        if internal || !is_camel_case(name, char::is_ascii_uppercase) {
            faults.push(format!("{name}: not a name for vendors in PascalCase"));
        }
        if !described(schema) {
            faults.push(format!("{name}: no description"));
        }
    }
    for (location, name, property) in properties(document) {
        if !described(property) {
            faults.push(format!("{location}: no description"));
        }
        if !is_snake_case(name) {
            faults.push(format!("{location}: not in snake_case"));
        }
    }
    faults
}

/// Amounts are integers whose names end in a unit.
fn amounts_have_units(document: &Value) -> Vec<String> {
    let without_unit = |(_, name, property): &(String, &str, &Value)| {
        let last = name.rsplit('_').next().unwrap_or_default();
        let is_type = |wanted: &str| {
            property["type"] == wanted
                || property["type"].as_array().is_some_and(|types| types.contains(&wanted.into()))
        };
        let names_amount = name.split('_').any(|part| WITHOUT_UNIT.contains(&part));
        (is_type("integer") && WITHOUT_UNIT.contains(&last)) || (is_type("number") && names_amount)
    };
    properties(document)
        .into_iter()
        .filter(without_unit)
        .map(|(location, ..)| format!("{location}: no unit"))
        .collect()
}

/// Times come from [`crate::time::Time`], which alone has an example.
fn times_have_one_format(document: &Value) -> Vec<String> {
    properties(document)
        .into_iter()
        .filter(|(_, _, property)| property["format"] == "date-time" && property.get("examples").is_none())
        .map(|(location, ..)| format!("{location}: not a `Time`"))
        .collect()
}

/// Lists have `items` and `next`; pages are chosen by `cursor` and `limit`. No answer is a bare array.
fn lists_are_pages(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for operation in Operation::all(document) {
        let id = operation.id;
        for (status, response) in operation.responses().filter(|(status, _)| status.starts_with('2')) {
            let schema = &response["content"]["application/json"]["schema"];
            if schema["type"] == "array" {
                faults.push(format!("{id}: {status} is a bare array"));
            }
            if id.starts_with("list") {
                let name =
                    schema["$ref"].as_str().and_then(|text| text.rsplit('/').next()).unwrap_or_default();
                let properties = &document["components"]["schemas"][name]["properties"];
                if properties["items"]["type"] != "array" || properties.get("next").is_none() {
                    faults.push(format!("{id}: no page with `items` and `next`"));
                }
            }
        }
        if operation.has_parameter("limit") && !operation.has_parameter("cursor") {
            faults.push(format!("{id}: `limit` without `cursor`"));
        }
        for parameter in operation.parameters() {
            let schema = &parameter["schema"];
            let bounded = schema["minimum"] == 1 && schema["maximum"].is_u64() && schema["default"].is_u64();
            if parameter["name"] == "limit" && !bounded {
                faults.push(format!("{id}: `limit` has no bounds or no default"));
            }
            if matches!(parameter["name"].as_str(), Some("after" | "before" | "page" | "offset")) {
                faults.push(format!("{id}: pages by {} instead of `cursor`", parameter["name"]));
            }
        }
    }
    faults
}

/// Whether a text lists words, as "`a`, `b` or `c`".
fn lists_words(text: &str) -> bool {
    let parts: Vec<&str> = text.split('`').collect();
    let is_word = |text: &str| !text.is_empty() && is_snake_case(text);
    parts.windows(3).skip(1).step_by(2).any(|three| {
        let [one, between, other] = three else { return false };
        matches!(*between, ", " | " or " | ", or ") && is_word(one) && is_word(other)
    })
}

/// A string with a list of its words in the description is an enum: see [`crate::choice::Choice`].
fn closed_sets_are_enums(document: &Value) -> Vec<String> {
    let open = |property: &Value| {
        let is_text = property["type"] == "string" || property["type"] == json!(["string", "null"]);
        is_text && property.get("enum").is_none()
    };
    let in_schemas = properties(document)
        .into_iter()
        .filter(|(_, _, property)| {
            open(property) && lists_words(property["description"].as_str().unwrap_or_default())
        })
        .map(|(location, ..)| location);
    let in_operations = Operation::all(document).into_iter().flat_map(|operation| {
        let words = |parameter: &&Value| {
            open(&parameter["schema"]) && lists_words(parameter["description"].as_str().unwrap_or_default())
        };
        let named = operation
            .parameters()
            .iter()
            .filter(words)
            .map(|parameter| format!("{} {}", operation.id, parameter["name"]));
        named.collect::<Vec<_>>()
    });
    in_schemas.chain(in_operations).map(|name| format!("{name}: a list of words that is no enum")).collect()
}

/// Every operation declares the answers that any operation may have.
fn ordinary_answers_are_declared(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for operation in Operation::all(document).iter().filter(|operation| operation.path.starts_with('/')) {
        let declared: BTreeSet<&str> = operation.responses().map(|(status, _)| status).collect();
        let has_body = operation.value.get("requestBody").is_some();
        let mut expected = vec!["500", "503"];
        if operation.value["security"].as_array().is_some_and(|schemes| !schemes.is_empty()) {
            expected.push("401");
        }
        if has_body || !operation.parameters().is_empty() {
            expected.push("400");
        }
        if has_body {
            expected.push("413");
        }
        // The gateway forwards any content type.
        if has_body && !operation.path.starts_with(GATEWAY_PATH) {
            expected.push("415");
        }
        let missing = expected.into_iter().filter(|status| !declared.contains(status));
        faults.extend(missing.map(|status| format!("{}: no {status}", operation.id)));
    }
    faults
}

/// Every body and every answer has an example; every problem has one for each of its codes, of the right status.
fn answers_have_examples(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for operation in Operation::all(document) {
        let body = &operation.value["requestBody"];
        let contents = operation.responses().chain(body.is_object().then_some(("body", body)));
        for (status, holder) in contents {
            let problem = &holder["content"]["application/problem+json"];
            let codes = problem["examples"].as_object();
            // Any other response of the gateway is amoCRM's.
            let ours = !(operation.path.starts_with(GATEWAY_PATH) && status == "default");
            if ours && problem.is_object() && codes.is_none_or(serde_json::Map::is_empty) {
                faults.push(format!("{}: {status} names no error code", operation.id));
            }
            for (code, example) in codes.into_iter().flatten() {
                let required = document["components"]["schemas"]["Problem"]["required"].as_array();
                let lacks = |name: &Value| example["value"].get(name.as_str().unwrap_or_default()).is_none();
                if required.is_some_and(|names| names.iter().any(lacks)) {
                    faults.push(format!("{}: the example of {code} lacks a required member", operation.id));
                }
                if example["value"]["status"].as_u64() != status.parse().ok()
                    || example["value"]["code"] != code.as_str()
                {
                    faults.push(format!("{}: {code} is no code of {status}", operation.id));
                }
            }
            let json = &holder["content"]["application/json"];
            if json.is_object() && json.get("example").is_none() {
                faults.push(format!("{}: {status} has no example", operation.id));
            }
        }
    }
    faults
}

/// A 429 and a 503 say when to come again.
fn delays_are_declared(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for operation in Operation::all(document).iter().filter(|operation| !operation.is_page_of_html()) {
        for (status, response) in operation.responses().filter(|(status, _)| matches!(*status, "429" | "503"))
        {
            if response["headers"]["Retry-After"]["required"] != true && operation.path.starts_with('/') {
                faults.push(format!("{}: {status} without Retry-After", operation.id));
            }
        }
    }
    faults
}

/// An operation that replays its first answer requires an idempotency key, and so does every write of money or coins.
fn writes_of_money_have_keys(document: &Value) -> Vec<String> {
    let replays = |operation: &Operation<'_>| {
        operation.responses().any(|(_, response)| response["headers"].get("Idempotency-Replayed").is_some())
    };
    let key = |operation: &Operation<'_>| {
        let key = operation.parameters().iter().find(|parameter| parameter["name"] == "Idempotency-Key");
        key.is_some_and(|parameter| parameter["required"] == true)
    };
    let moves_money = |operation: &Operation<'_>| {
        operation.has_parameter("Idempotency-Key")
            || replays(operation)
            || operation.responses().any(|(status, _)| status == "402")
    };
    Operation::all(document)
        .iter()
        .filter(|operation| moves_money(operation) && !key(operation))
        .map(|operation| format!("{}: no required Idempotency-Key", operation.id))
        .collect()
}

/// Generators merge no `allOf` and read no content of any type (`*/*`), and version 3.1 has no `nullable`.
fn generators_understand_it(document: &Value) -> Vec<String> {
    fn walk(value: &Value, location: &str, faults: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let location = format!("{location}/{name}");
                    if matches!(name.as_str(), "allOf" | "nullable" | "*/*") {
                        faults.push(location);
                    } else {
                        walk(value, &location, faults);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, location, faults)),
            _ => {}
        }
    }
    let mut faults = Vec::new();
    walk(document, "", &mut faults);
    faults
}

/// Returns the faults of a document.
type Rule = fn(&Value) -> Vec<String>;

const RULES: [(&str, Rule); 11] = [
    ("operations are named", operations_are_named),
    ("schemas are named", schemas_are_named),
    ("amounts have units", amounts_have_units),
    ("times have one format", times_have_one_format),
    ("lists are pages", lists_are_pages),
    ("closed sets are enums", closed_sets_are_enums),
    ("ordinary answers are declared", ordinary_answers_are_declared),
    ("answers have examples", answers_have_examples),
    ("delays are declared", delays_are_declared),
    ("writes of money have keys", writes_of_money_have_keys),
    ("generators understand it", generators_understand_it),
];

#[test]
fn the_document_follows_every_convention() {
    let document: Value = serde_json::from_str(&crate::routes::specification()).unwrap();
    let faults: Vec<String> = RULES
        .iter()
        .flat_map(|(rule, check)| check(&document).into_iter().map(move |fault| format!("{rule}: {fault}")))
        .collect();
    assert!(faults.is_empty(), "{} violations:\n{}", faults.len(), faults.join("\n"));
    assert!(Operation::all(&document).len() > 40, "the walk saw the operations");
}

/// Every rule finds its violation in this document.
#[test]
fn each_convention_can_be_violated() {
    let problem = ProblemCode::NotFound.as_str();
    let document = json!({"paths": {"/v1/things": {"post": {
        "operationId": "list_things", "security": [{}], "requestBody": {"content": {"application/json": {}}},
        "parameters": [{"name": "limit", "in": "query", "schema": {}}, {"name": "before", "in": "query"}],
        "responses": {"200": {"content": {"application/json": {"schema": {"type": "array"}}},
                "headers": {"Idempotency-Replayed": {}}},
            "409": {"content": {"application/problem+json": {"examples": {problem: {"value": {"status": 404}}}}}},
            "429": {"content": {"application/problem+json": {}}}}}}},
        "components": {"schemas": {"ThingView": {"allOf": [], "properties": {
            "amount": {"type": "integer"}, "madeAt": {"type": "string", "format": "date-time"},
            "state": {"type": "string", "description": "State: `on` or `off`."}}}}}});
    for (rule, check) in RULES {
        assert!(!check(&document).is_empty(), "{rule}");
    }
    let listed = [
        lists_words("State: `a`, `b` or `c`."),
        lists_words("`a_b` or `c`"),
        lists_words("Send `a`; see `b`."),
    ];
    assert_eq!(listed, [true, true, false]);
}
