//! The control API is as strict as the simulators: what is wrong is named.

use reqwest::Method;
use serde_json::{Value, json};

use super::{START, start};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_with_a_code() -> anyhow::Result<()> {
    let sandbox = start()?;
    let (get, post) = (Method::GET, Method::POST);
    let account = "/accounts/31234567";
    let wrong = [
        (&post, "/clock/advance".to_owned(), Some(json!({})), 400, "invalid_request"),
        (&post, "/clock/advance".to_owned(), Some(json!({ "by": "5m" })), 400, "invalid_request"),
        (&post, "/clock/advance".to_owned(), Some(json!({ "by": "20y" })), 400, "invalid_request"),
        (
            &post,
            "/clock/advance".to_owned(),
            Some(json!({ "by": "1d", "fast": true })),
            400,
            "invalid_request",
        ),
        (
            &post,
            "/clock/advance".to_owned(),
            Some(json!({ "to": "2027-01-31T08:59:59Z" })),
            400,
            "invalid_request",
        ),
        (&get, "/clock/advance".to_owned(), None, 405, "method_not_allowed"),
        (&get, "/nothing".to_owned(), None, 404, "not_found"),
        (&post, "/accounts".to_owned(), Some(json!({ "subdomain": "demo" })), 409, "conflict"),
        (&post, "/accounts".to_owned(), Some(json!({ "subdomain": "Demo_" })), 400, "invalid_request"),
        (&post, "/accounts".to_owned(), Some(json!({ "id": 31_234_567, "name": "x" })), 409, "conflict"),
        (&post, "/accounts/1/rename".to_owned(), Some(json!({ "subdomain": "x" })), 404, "not_found"),
        (&post, format!("{account}/rename"), Some(json!({ "subdomain": "www" })), 400, "invalid_request"),
        (&post, format!("{account}/users/999/token"), None, 404, "not_found"),
        (&post, format!("{account}/users"), Some(json!({ "id": 501, "name": "x" })), 409, "conflict"),
        (&post, format!("{account}/notes"), Some(json!({ "account": 1 })), 400, "invalid_request"),
        (&post, format!("{account}/records"), Some(json!({ "account": 1 })), 400, "invalid_request"),
        (
            &post,
            format!("{account}/records"),
            Some(json!({ "entity_type": "leads" })),
            400,
            "invalid_request",
        ),
        (&post, format!("{account}/records"), Some(json!({ "entity_type": "houses" })), 404, "not_found"),
        (&post, "/accounts/1/revoke".to_owned(), None, 404, "not_found"),
        (&post, format!("{account}/unpaid"), Some(json!({ "since": "now" })), 400, "invalid_request"),
        (&Method::PATCH, format!("{account}/users/999"), Some(json!({ "is_admin": true })), 404, "not_found"),
        (
            &Method::PATCH,
            format!("{account}/users/501"),
            Some(json!({ "admin": true })),
            400,
            "invalid_request",
        ),
        (&Method::DELETE, format!("{account}/users/999"), None, 404, "not_found"),
        (&post, "/amocrm/fail".to_owned(), Some(json!({ "status": 200 })), 400, "invalid_request"),
        (
            &post,
            "/amocrm/fail".to_owned(),
            Some(json!({ "lose": "answer", "status": 500 })),
            400,
            "invalid_request",
        ),
        (&post, "/amocrm/fail".to_owned(), Some(json!({ "path": "/ajax" })), 400, "invalid_request"),
        (&post, "/amocrm/fail".to_owned(), Some(json!({ "method": "get" })), 400, "invalid_request"),
        (&post, "/cards".to_owned(), Some(json!({ "then": "three_d_secure" })), 400, "invalid_request"),
        (&post, "/cards".to_owned(), Some(json!({ "form": "gone" })), 400, "invalid_request"),
        (&post, "/payments/inv_1/pay".to_owned(), None, 404, "not_found"),
        (&post, "/payments/inv_1/pay".to_owned(), Some(json!({ "card": "1" })), 404, "not_found"),
        (
            &post,
            "/payments/inv_1/decline".to_owned(),
            Some(json!({ "reason": "paid" })),
            400,
            "invalid_request",
        ),
        (
            &post,
            "/hooks/lose".to_owned(),
            Some(json!({ "of": "bank", "answered": true })),
            400,
            "invalid_request",
        ),
        (&Method::PUT, "/event-url".to_owned(), Some(json!({ "url": "ftp://x" })), 400, "invalid_request"),
        (&get, "/timeline?limit=0".to_owned(), None, 400, "invalid_request"),
        (&get, "/timeline?kind=event".to_owned(), None, 400, "invalid_request"),
    ];
    for (method, path, body, status, code) in wrong {
        let (told, problem) = sandbox.ask(method.clone(), &path, body.as_ref()).await?;
        let seen = (told.as_u16(), problem["status"].as_u64(), problem["code"].as_str());
        assert_eq!(seen, (status, Some(status.into()), Some(code)), "{method} {path} {body:?}: {problem}");
        assert!(!problem["detail"].as_str().unwrap_or_default().is_empty(), "{method} {path}: {problem}");
    }
    let clock = sandbox.control(Method::GET, "/clock", None).await?;
    let now: Value = json!({ "now": START, "mode": "frozen" });
    assert_eq!(clock, now, "nothing of this has moved the clock");
    sandbox.stop()
}
