//! The platform's public API from a vendor's view.

use std::time::Duration;

use flysk_clients::flysk_api::{Caller, Config, FlyskApi, FlyskApiError, InstallStatus, PauthAccess};
use flysk_clients::http::HttpOptions;
use flysk_domain::SystemClock;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::id::{AccountId, InstallId, UserId};
use flysk_domain::trace::Trace;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::server::{Reply, Server};

async fn pauth(server: &Server, caller: Caller) -> Result<PauthAccess, FlyskApiError> {
    let base_url = server.url("/flysk/").parse().unwrap();
    let config = Config { base_url, project_token: "project-s3cr3t".into(), http: HttpOptions::default() };
    let trace = Trace { correlation_id: "order-12345".into(), traceparent: None };
    FlyskApi::new(config).unwrap().pauth(&caller, Some(&trace)).await
}

fn access(install_id: InstallId) -> Value {
    json!({"access_token": "amo-s3cr3t", "expires_at": "2026-11-23T10:00:00Z", "base_domain": "demo.amocrm.ru",
        "account_id": 12_345_678, "install_id": install_id, "install_status": "active",
        "settings": {"swap_channels": true}, "user_id": 501, "new": 1})
}

#[tokio::test]
async fn a_users_token_is_exchanged_for_an_access_token() {
    let id = InstallId::generate(&SystemClock);
    let server = Server::always(Reply::json(200, access(id).to_string())).await;
    let granted = pauth(&server, Caller::Widget("user-jwt".into())).await.unwrap();
    assert_eq!(granted.access_token.expose_secret(), "amo-s3cr3t");
    assert_eq!((granted.install_id, &granted.install_status), (id, &InstallStatus::Active));
    assert_eq!((granted.account_id, granted.user_id), (AccountId(12_345_678), Some(UserId(501))));
    assert_eq!(granted.settings["swap_channels"], true);
    assert!(!format!("{granted:?}").contains("s3cr3t"));
    let request = server.only_request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/flysk/v1/pauth"));
    assert_eq!(request.header("x-project-token"), Some("project-s3cr3t"));
    assert_eq!(request.header("x-request-id"), Some("order-12345"));
    assert_eq!(request.json(), json!({"token": "user-jwt"}));
}

#[tokio::test]
async fn background_access_is_requested_by_account_only() {
    let mut body = access(InstallId::generate(&SystemClock));
    let fields = body.as_object_mut().unwrap();
    fields.remove("user_id");
    fields.remove("settings");
    fields.insert("install_status".into(), json!("hibernating"));
    let server = Server::always(Reply::json(200, body.to_string())).await;
    let granted = pauth(&server, Caller::Account(AccountId(12_345_678))).await.unwrap();
    assert_eq!((granted.user_id, granted.settings), (None, Value::Null));
    assert_eq!(granted.install_status, InstallStatus::Other("hibernating".into()));
    assert_eq!(server.only_request().json(), json!({"account_id": 12_345_678}));
}

#[tokio::test]
async fn problems_are_classified_by_their_code() {
    let problem = |status: u16, code: &str| {
        let body = json!({"type": "about:blank", "status": status, "code": code, "detail": "for people"});
        let headers = [("Content-Type", "application/problem+json"), ("Retry-After", "5")];
        Reply::new(status, &headers, body.to_string())
    };
    let after = Some(Duration::from_secs(5));
    for (reply, code, outcome) in [
        (problem(401, "unknown_project_token"), Some("unknown_project_token"), FailureAction::GiveUp),
        (problem(409, "reconnect_needed"), Some("reconnect_needed"), FailureAction::GiveUp),
        (problem(429, "too_many_requests"), Some("too_many_requests"), FailureAction::Wait { after }),
        (problem(503, "not_available"), Some("not_available"), FailureAction::Retry { after }),
        (Reply::page(502), None, FailureAction::RETRY),
        (Reply::nothing(), None, FailureAction::RETRY),
        (Reply::json(200, r#"{"access_token":"amo-s3cr3t"}"#), None, FailureAction::RETRY),
    ] {
        let label = format!("{reply:?}");
        let server = Server::always(reply).await;
        let error = pauth(&server, Caller::Account(AccountId(1))).await.unwrap_err();
        assert_eq!((error.code(), error.outcome()), (code, outcome), "{label}");
        assert!(!crate::all_words(&error).contains("s3cr3t"), "{label}");
    }
}
