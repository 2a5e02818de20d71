//! The control API is as strict as the simulators: what is wrong is named.

use reqwest::Method;
use serde_json::{Value, json};

use super::{START, start};

/// A request, and status and code of its refusal.
type Refusal = (Method, String, Option<Value>, u16, &'static str);

fn post(path: &str, body: Value, status: u16, code: &'static str) -> Refusal {
    (Method::POST, path.to_owned(), Some(body), status, code)
}

fn invalid(path: &str, body: Value) -> Refusal {
    post(path, body, 400, "invalid_request")
}

fn without_body(method: Method, path: &str, status: u16, code: &'static str) -> Refusal {
    (method, path.to_owned(), None, status, code)
}

/// Requests about the clock, the bank, hooks and the timeline.
fn general() -> Vec<Refusal> {
    let ftp = json!({ "url": "ftp://x" });
    vec![
        invalid("/clock/advance", json!({})),
        invalid("/clock/advance", json!({ "by": "5m" })),
        invalid("/clock/advance", json!({ "by": "20y" })),
        invalid("/clock/advance", json!({ "by": "1d", "fast": true })),
        invalid("/clock/advance", json!({ "to": "2027-01-31T08:59:59Z" })),
        invalid("/clock/advance", json!({ "to": "2027-03-01" })),
        without_body(Method::GET, "/clock/advance", 405, "method_not_allowed"),
        without_body(Method::GET, "/nothing", 404, "not_found"),
        invalid("/cards", json!({ "then": "three_d_secure" })),
        invalid("/cards", json!({ "form": "gone" })),
        without_body(Method::POST, "/payments/inv_1/pay", 404, "not_found"),
        post("/payments/inv_1/pay", json!({ "card": "1" }), 404, "not_found"),
        invalid("/payments/inv_1/decline", json!({ "reason": "paid" })),
        invalid("/hooks/lose", json!({ "of": "bank", "answered": true })),
        (Method::PUT, "/event-url".to_owned(), Some(ftp), 400, "invalid_request"),
        invalid("/api/fail", json!({ "status": 409 })),
        invalid("/api/fail", json!({ "path": "/healthz" })),
        invalid("/api/fail", json!({ "method": "get" })),
        invalid("/secrets/rotate", json!({})),
        invalid("/secrets/rotate", json!({ "secret": "event_secret", "keep": "1" })),
        without_body(Method::GET, "/timeline?limit=0", 400, "invalid_request"),
        without_body(Method::GET, "/timeline?limit=all", 400, "invalid_request"),
        without_body(Method::GET, "/timeline?kind=event", 400, "invalid_request"),
        without_body(Method::GET, "/timeline?type=foo", 400, "invalid_request"),
    ]
}

/// Requests about accounts and the refusals of amoCRM.
fn of_amocrm() -> Vec<Refusal> {
    let of = |rest: &str| format!("/accounts/31234567/{rest}");
    let patch = |rest: &str, body: Value, status: u16, code: &'static str| {
        (Method::PATCH, of(rest), Some(body), status, code)
    };
    vec![
        post("/accounts", json!({ "subdomain": "demo" }), 409, "conflict"),
        invalid("/accounts", json!({ "subdomain": "Demo_" })),
        post("/accounts", json!({ "id": 31_234_567, "name": "x" }), 409, "conflict"),
        post("/accounts/1/rename", json!({ "subdomain": "x" }), 404, "not_found"),
        invalid(&of("rename"), json!({ "subdomain": "www" })),
        without_body(Method::POST, &of("users/999/token"), 404, "not_found"),
        post(&of("users"), json!({ "id": 501, "name": "x" }), 409, "conflict"),
        invalid(&of("notes"), json!({ "account": 1 })),
        invalid(&of("records"), json!({ "account": 1 })),
        invalid(&of("records"), json!({ "entity_type": "leads" })),
        post(&of("records"), json!({ "entity_type": "houses" }), 404, "not_found"),
        without_body(Method::POST, "/accounts/1/revoke", 404, "not_found"),
        invalid(&of("unpaid"), json!({ "since": "now" })),
        patch("users/999", json!({ "is_admin": true }), 404, "not_found"),
        patch("users/501", json!({ "admin": true }), 400, "invalid_request"),
        without_body(Method::DELETE, &of("users/999"), 404, "not_found"),
        invalid("/amocrm/fail", json!({ "status": 200 })),
        invalid("/amocrm/fail", json!({ "lose": "answer", "status": 500 })),
        invalid("/amocrm/fail", json!({ "path": "/ajax" })),
        invalid("/amocrm/fail", json!({ "method": "get" })),
    ]
}

/// Bodies, and how the error begins: with the field.
fn named() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (
            "/cards",
            json!({ "charges": ["paid", "gone"] }),
            "`/charges/1`: unknown word `gone`, expected one of `paid`",
        ),
        ("/hooks/lose", json!({ "of": "bank", "next": 1.5 }), "`/next`: invalid type: floating point `1.5`"),
        ("/accounts", json!({ "users": [{ "id": 1 }] }), "`/users/0`: missing field `name`"),
        ("/accounts/31234567/notes", json!({ "duration": "long" }), "`/duration`: invalid type: string"),
        (
            "/clock/advance",
            json!({ "to": "2027-03-01" }),
            "`2027-03-01` is not a time: write it like 2027-01-31T09:00:00Z",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_with_a_code() -> anyhow::Result<()> {
    let sandbox = start()?;
    for (method, path, body, status, code) in general().into_iter().chain(of_amocrm()) {
        let (told, problem) = sandbox.ask(method.clone(), &path, body.as_ref()).await?;
        let seen = (told.as_u16(), problem["status"].as_u64(), problem["code"].as_str());
        assert_eq!(seen, (status, Some(status.into()), Some(code)), "{method} {path} {body:?}: {problem}");
        assert!(!problem["detail"].as_str().unwrap_or_default().is_empty(), "{method} {path}: {problem}");
    }
    for (path, body, told) in named() {
        let (_, problem) = sandbox.ask(Method::POST, path, Some(&body)).await?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.starts_with(told), "{path} {body}: {problem}");
    }
    let (_, problem) = sandbox.ask(Method::GET, "/timeline?type=foo", None).await?;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(
        detail.starts_with("`type` is one of event, charge, ") && detail.ends_with("not `foo`"),
        "{problem}"
    );
    let clock = sandbox.control(Method::GET, "/clock", None).await?;
    let now: Value = json!({ "now": START, "mode": "frozen" });
    assert_eq!(clock, now, "nothing of this has moved the clock");
    sandbox.stop()
}
