//! Strict request parsing: undocumented fields are rejected, and nothing in a body is ignored, guessed or
//! rewritten. The test covers the whole document with real credentials, so that new operations are tested
//! automatically.

use flysk_suite::environment::ACCOUNT;
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};
use sqlx::MySqlPool;

use super::cross_tenant::TargetAccount;
use super::harness::read;
use super::operations::{Operation, operations};

/// Placeholder for a repetition of the previous key, to build a body with a duplicate key.
const DUPLICATE_KEY_MARKER: &str = "twice";
/// Placeholder for a number that JSON libraries cannot represent.
const BIG_NUMBER_MARKER: &str = "a big number";

/// A body that must be rejected.
struct InvalidBody {
    /// JSON pointer to the error.
    pointer: String,
    text: String,
}

/// The OpenAPI document.
fn document() -> Value {
    serde_json::from_str(&flysk_api::routes::specification()).unwrap()
}

/// The schema with references resolved.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["anyOf"][0]["$ref"].as_str());
    match reference.and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => resolved(document, &document["components"]["schemas"][name]),
        None => schema,
    }
}

/// All mutations of a body with one error each: an additional field, a duplicate key, a wrong type, at every
/// depth.
struct BodyMutator<'a> {
    document: &'a Value,
    whole: Value,
    wrong: Vec<InvalidBody>,
}

impl BodyMutator<'_> {
    fn spoil(document: &Value, schema: &Value, body: &Value) -> Vec<InvalidBody> {
        let mut spoiler = BodyMutator { document, whole: body.clone(), wrong: Vec::new() };
        spoiler.value("", schema, body);
        spoiler.wrong
    }

    fn value(&mut self, pointer: &str, schema: &Value, value: &Value) {
        let schema = resolved(self.document, schema);
        for other in others(schema) {
            self.put(pointer, pointer, other);
        }
        match value {
            Value::Object(fields) => self.object(pointer, schema, fields),
            Value::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    self.value(&format!("{pointer}/{number}"), &schema["items"], item);
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, pointer: &str, schema: &Value, fields: &Map<String, Value>) {
        for (name, value) in fields {
            let mut doubled = Map::new();
            doubled.insert(name.clone(), value.clone());
            doubled.insert(DUPLICATE_KEY_MARKER.to_owned(), value.clone());
            doubled.extend(fields.clone().into_iter().filter(|(other, _)| other != name));
            self.put_twice(&format!("{pointer}/{name}"), pointer, Value::Object(doubled), name);
        }
        if schema["type"] == "object" && schema["additionalProperties"] == false {
            let mut more = fields.clone();
            more.insert("surplus".to_owned(), json!(1));
            self.put(&format!("{pointer}/surplus"), pointer, Value::Object(more));
        }
        for (name, of_field) in schema["properties"].as_object().into_iter().flatten() {
            self.value(
                &format!("{pointer}/{name}"),
                of_field,
                &fields.get(name).cloned().unwrap_or_default(),
            );
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let mut less = fields.clone();
            less.remove(name);
            self.put(&format!("{pointer}/{name}"), pointer, Value::Object(less));
        }
    }

    /// The body with another value at this pointer.
    fn with(&self, pointer: &str, value: Value) -> Value {
        let mut body = self.whole.clone();
        match pointer.rsplit_once('/') {
            None => body = value,
            Some((parent, name)) => match body.pointer_mut(parent).unwrap() {
                Value::Object(fields) => drop(fields.insert(name.to_owned(), value)),
                Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
                other => panic!("{pointer} is inside {other}"),
            },
        }
        body
    }

    fn put(&mut self, fault: &str, pointer: &str, value: Value) {
        let text = self
            .with(pointer, value)
            .to_string()
            .replace(&json!(BIG_NUMBER_MARKER).to_string(), "18446744073709551616");
        self.wrong.push(InvalidBody { pointer: fault.to_owned(), text });
    }

    fn put_twice(&mut self, fault: &str, pointer: &str, value: Value, name: &str) {
        let text = self
            .with(pointer, value)
            .to_string()
            .replace(&json!(DUPLICATE_KEY_MARKER).to_string(), &json!(name).to_string());
        self.wrong.push(InvalidBody { pointer: fault.to_owned(), text });
    }
}

/// Values of other types than the schema's.
fn others(schema: &Value) -> Vec<Value> {
    let numbers = || vec![json!(1), json!(1.5), json!(BIG_NUMBER_MARKER)];
    let of_text = vec![json!("1"), json!("true")];
    let parts = vec![json!([1]), json!({ "a": 1 })];
    let bools = vec![json!(true)];
    // An optional field has the types `[…, "null"]`.
    match schema["type"].as_str().or_else(|| schema["type"][0].as_str()) {
        Some("string") if schema.get("enum").is_some() => [of_text, numbers(), bools, parts].concat(),
        Some("string") => [numbers(), bools, parts].concat(),
        Some("integer") => {
            [vec![json!(1.0), json!(1e2), json!(BIG_NUMBER_MARKER)], of_text, bools, parts].concat()
        }
        Some("number") => [of_text, bools, parts].concat(),
        Some("boolean") => [numbers(), of_text, parts].concat(),
        Some("array") => [numbers(), of_text, bools, vec![json!({ "a": 1 })]].concat(),
        Some("object") => [numbers(), of_text, bools, vec![json!([1])]].concat(),
        _ => Vec::new(),
    }
}

/// Operations with a body of our own; bodies through the gateway belong to amoCRM.
fn with_bodies() -> Vec<Operation> {
    operations().into_iter().filter(|operation| operation.body.is_some()).collect()
}

async fn send(target: &TargetAccount, operation: &Operation, text: &str) -> (StatusCode, String, Value) {
    let (header, value) = target.key_to(operation);
    let request = target.request(operation, (header, &value), &TargetAccount::query_of(operation));
    let request = request.header("Content-Type", "application/json").body(text.to_owned());
    let answer = request.send().await.unwrap();
    let media = answer.headers().get("content-type").map(|media| media.to_str().unwrap().to_owned());
    let (status, body) = read(answer).await;
    (status, media.unwrap_or_default(), body)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn unknown_fields_wrong_types_and_duplicate_keys_are_rejected_at_every_depth(pool: MySqlPool) {
    let target = TargetAccount::install(pool).await;
    let (before, document) = (target.sees().await, document());
    let bodies = with_bodies();
    assert!(bodies.len() >= 13, "{}", bodies.len());
    let mut sent = 0;
    for operation in &bodies {
        let schema = &document["components"]["schemas"][operation.body.as_ref().unwrap()];
        let good = target.body_of(operation).unwrap();
        for wrong in BodyMutator::spoil(&document, schema, &good) {
            let (status, media, problem) = send(&target, operation, &wrong.text).await;
            let what = format!("{} {}: {status} {problem}", operation.name(), wrong.text);
            assert_eq!(
                (status, media.as_str()),
                (StatusCode::BAD_REQUEST, "application/problem+json"),
                "{what}"
            );
            let code = problem["code"].as_str().unwrap();
            assert!(matches!(code, "bad_request" | "invalid_request"), "{what}");
            let pointer = if wrong.pointer.is_empty() { "the body" } else { &wrong.pointer };
            assert!(problem["detail"].as_str().unwrap().contains(pointer), "{what}");
            sent += 1;
        }
    }
    assert!(sent > 400, "{sent}");
    assert_eq!(target.sees().await, before, "what is refused changes nothing");
    for operation in &bodies {
        let good = target.body_of(operation).unwrap().to_string();
        let (status, _, answer) = send(&target, operation, &good).await;
        assert!(
            status != StatusCode::BAD_REQUEST && !status.is_server_error(),
            "{}: {answer}",
            operation.name()
        );
    }
}

#[test]
fn the_document_forbids_additional_properties() {
    let document = document();
    let mut objects = 0;
    let mut waiting: Vec<&Value> = with_bodies()
        .iter()
        .map(|operation| &document["components"]["schemas"][operation.body.as_ref().unwrap()])
        .collect();
    while let Some(schema) = waiting.pop().map(|schema| resolved(&document, schema)) {
        waiting.extend(schema["properties"].as_object().into_iter().flatten().map(|(_, field)| field));
        waiting.extend(schema.get("items"));
        if schema["type"] == "object" {
            assert!(schema["additionalProperties"] != Value::Null, "{schema}");
            objects += 1;
        }
    }
    assert!(objects > 13, "{objects}");
}

/// A release with an amount would release everything, so the amount is rejected.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operation_without_a_body_rejects_one(pool: MySqlPool) {
    let target = TargetAccount::install(pool).await;
    let before = target.sees().await;
    let bare = |operation: &Operation| {
        operation.method != Method::GET && operation.body.is_none() && !operation.is_gateway()
    };
    let all: Vec<Operation> = operations().into_iter().filter(bare).collect();
    assert!(all.len() >= 4, "{}", all.len());
    for operation in &all {
        for text in [r#"{"amount_micro": 1}"#, "[1]", "1", "all"] {
            let (status, _, problem) = send(&target, operation, text).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{} {text}: {problem}", operation.name());
        }
    }
    assert_eq!(target.sees().await, before);
    for operation in &all {
        for text in ["", "{}", "null", "[]"] {
            let (status, _, answer) = send(&target, operation, text).await;
            assert_ne!(status, StatusCode::BAD_REQUEST, "{} {text}: {answer}", operation.name());
        }
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_empty_query_parameter_counts_as_absent(pool: MySqlPool) {
    let target = TargetAccount::install(pool).await;
    let mut asked = 0;
    for operation in
        operations().iter().filter(|operation| operation.method == Method::GET && !operation.is_gateway())
    {
        let (header, key) = target.key_to(operation);
        for name in &operation.query {
            let others: Vec<String> = TargetAccount::query_of(operation)
                .into_iter()
                .filter(|pair| !pair.starts_with(&format!("{name}=")))
                .collect();
            let ask = async |query: &[String]| {
                read(target.request(operation, (header, &key), query).send().await.unwrap()).await
            };
            let absent = ask(&others).await;
            for empty in [format!("{name}="), name.clone()] {
                let with_empty = [others.as_slice(), std::slice::from_ref(&empty)].concat();
                assert_eq!(ask(&with_empty).await, absent, "{} {empty}", operation.name());
            }
            asked += 1;
        }
    }
    assert!(asked > 15, "{asked}");
}

/// A `+` in a query is a space. The error for an unescaped offset says so, instead of calling the time invalid.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unescaped_plus_in_a_time_is_explained(pool: MySqlPool) {
    let target = TargetAccount::install(pool).await;
    let document = document();
    let mut asked = 0;
    for operation in operations() {
        let described = &document["paths"][&operation.path][operation.method.as_str().to_lowercase()];
        for parameter in described["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] != "query" || parameter["schema"]["format"] != "date-time" {
                continue;
            }
            let (header, key) = target.key_to(&operation);
            let name = parameter["name"].as_str().unwrap();
            let ask = async |time: &str| {
                let query = [TargetAccount::query_of(&operation), vec![format!("{name}={time}")]].concat();
                read(target.request(&operation, (header, &key), &query).send().await.unwrap()).await
            };
            let (status, problem) = ask("2026-11-29T10:00:00+03:00").await;
            let detail = problem["detail"].as_str().unwrap();
            assert!(
                status == StatusCode::BAD_REQUEST && detail.contains("%2B") && detail.contains(name),
                "{problem}"
            );
            assert_eq!(ask("2026-11-29T10:00:00%2B03:00").await.0, StatusCode::OK);
            asked += 1;
        }
    }
    assert!(asked >= 2, "{asked}");
}

/// Numbers that no double can represent, in notations that no double preserves.
const NUMBERS: &str = r#"{"a":12345678901234567890.123,"b":[0.1,1.10,1e2,-0],"c":{"d":18446744073709551616},"e":3E-7,"f":"1.10"}"#;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn settings_preserve_every_digit_in_all_responses(pool: MySqlPool) {
    let target = TargetAccount::install(pool).await;
    let app = &target.app;
    let key = ("X-Project-Token", app.project_token.clone());
    let user = ("X-Auth-Token", app.token(flysk_suite::environment::ADMIN));
    let text = async |method: Method, path: &str, key: &(&str, String), body: Option<String>| {
        let request = app.http.request(method, format!("{}{path}", app.api_url)).header(key.0, &key.1);
        let request = match body {
            Some(body) => request.header("Content-Type", "application/json").body(body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    };
    let of_account = format!("/v1/backend/settings?account_id={ACCOUNT}");
    let change = |version: u32| {
        Some(format!(r#"{{"version": {version}, "settings": {} }}"#, NUMBERS.replace(',', " ,\n")))
    };
    let by_account = Some(json!({ "account_id": ACCOUNT }).to_string());
    let mut told = vec![text(Method::PUT, "/v1/settings", &user, change(1)).await];
    told.push(text(Method::PUT, &of_account, &key, change(2)).await);
    let back = Some(json!({ "version": 3, "to": 2 }).to_string());
    told.push(text(Method::POST, "/v1/settings/restore", &user, back).await);
    told.push(text(Method::GET, "/v1/settings", &user, None).await);
    told.push(text(Method::GET, "/v1/settings/history", &user, None).await);
    told.push(text(Method::GET, &of_account, &key, None).await);
    told.push(text(Method::POST, "/v1/handshake", &user, None).await);
    told.push(text(Method::POST, "/v1/pauth", &key, by_account).await);
    for answer in told {
        assert!(answer.contains(&format!(r#""settings":{NUMBERS}"#)), "{answer}");
    }
}
