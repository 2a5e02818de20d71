//! Token requests: contents, and the meaning of each response for the grant.

use std::time::Duration;

use flysk_clients::amocrm::{AccessClaims, AmoCrm, Config, Credentials, TokenError, TokenPair};
use flysk_clients::http::HttpOptions;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::id::AccountId;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::platform::token::{GrantRefusal, TokenFailure};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::server::{Reply, Server, closed_port};

pub(crate) fn host() -> AccountHost {
    AccountHost::parse("demo.amocrm.ru", &["amocrm.ru"]).unwrap()
}

/// A client that sends all requests to this server.
pub(crate) fn client(server: &Server) -> AmoCrm {
    AmoCrm::new(Config { via: Some(server.base()), ..Config::default() }).unwrap()
}

fn credentials() -> Credentials {
    Credentials {
        client_id: "11111111-2222-4333-8444-555555555555".into(),
        client_secret: "not-a-real-secret".into(),
        redirect_uri: "https://app.example.com/oauth/amocrm/callback".into(),
    }
}

async fn refresh(amo: &AmoCrm) -> Result<TokenPair, TokenError> {
    amo.refresh(&host(), &credentials(), &"old-refresh".into()).await
}

/// A JWT with the payload `{"account_id":12345678,"api_domain":"api-b.amocrm.ru"}` and meaningless other parts.
const ACCESS: &str = "e30.eyJhY2NvdW50X2lkIjoxMjM0NTY3OCwiYXBpX2RvbWFpbiI6ImFwaS1iLmFtb2NybS5ydSJ9.c2ln";

fn pair() -> serde_json::Value {
    json!({"token_type": "Bearer", "expires_in": 86400, "access_token": ACCESS, "refresh_token": "new-refresh"})
}

#[tokio::test]
async fn a_code_is_exchanged_at_the_accounts_own_host() {
    let server = Server::always(Reply::json(200, pair().to_string())).await;
    let traded = client(&server).exchange_code(&host(), &credentials(), &"the-code".into()).await.unwrap();
    assert_eq!(traded.access_token.expose_secret(), ACCESS);
    assert_eq!(traded.refresh_token.expose_secret(), "new-refresh");
    assert_eq!(traded.expires_in, Duration::from_hours(24));
    assert_eq!(traded.claims.account_id, Some(AccountId(12_345_678)));
    assert_eq!(traded.claims.api_domain.as_deref(), Some("api-b.amocrm.ru"));
    let request = server.only_request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/oauth2/access_token"));
    assert_eq!(request.header("host"), Some("demo.amocrm.ru"));
    assert!(request.header("user-agent").unwrap().starts_with("Flysk/"));
    assert_eq!(
        request.json(),
        json!({"client_id": "11111111-2222-4333-8444-555555555555", "client_secret": "not-a-real-secret",
            "grant_type": "authorization_code", "code": "the-code",
            "redirect_uri": "https://app.example.com/oauth/amocrm/callback"})
    );
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_the_next_pair() {
    let server = Server::always(Reply::json(200, pair().to_string())).await;
    assert_eq!(refresh(&client(&server)).await.unwrap().refresh_token.expose_secret(), "new-refresh");
    let body = server.only_request().json();
    assert_eq!(
        (&body["grant_type"], &body["refresh_token"]),
        (&json!("refresh_token"), &json!("old-refresh"))
    );
    assert_eq!(body.get("code"), None);
}

#[tokio::test]
async fn a_pair_is_read_despite_unexpected_fields() {
    for (extra, lifetime) in [
        (json!({"expires_in": "86400", "server_time": 1_750_000_000}), Duration::from_hours(24)),
        (json!({"expires_in": null, "new": {"x": 1}}), Duration::from_hours(1)),
        (json!({"expires_in": 0}), Duration::from_hours(1)),
        (json!({"access_token": "opaque"}), Duration::from_hours(24)),
    ] {
        let mut body = pair();
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let server = Server::always(Reply::new(200, &[], body.to_string())).await;
        assert_eq!(refresh(&client(&server)).await.unwrap().expires_in, lifetime, "{extra}");
    }
}

#[tokio::test]
async fn error_responses_are_classified_by_the_table() {
    let problem = |status: u16, hint: Option<&str>| {
        let mut body = json!({"title": "Ошибка", "status": status, "detail": "…"});
        if let Some(hint) = hint {
            body["hint"] = json!(hint);
        }
        Reply::new(status, &[("Content-Type", "application/problem+json")], body.to_string())
    };
    let maybe_renamed = |refusal| TokenFailure::MaybeRenamed { refusal };
    for (reply, failure) in [
        (problem(401, Some("Token has been revoked")), maybe_renamed(Some(GrantRefusal::Revoked))),
        (problem(401, Some("Token is not linked to client")), maybe_renamed(Some(GrantRefusal::NotLinked))),
        (
            problem(400, Some("Cannot decrypt the refresh token")),
            TokenFailure::Refused(GrantRefusal::Unreadable),
        ),
        (problem(401, None), TokenFailure::OurConfiguration),
        (problem(400, Some("Check the `client_id` parameter")), TokenFailure::OurConfiguration),
        (problem(400, Some("Redirect URI is not associated with client")), TokenFailure::OurConfiguration),
        (problem(402, None), TokenFailure::Unpaid),
        (problem(404, None), maybe_renamed(None)),
        (Reply::page(404), maybe_renamed(None)),
        (Reply::page(403), TokenFailure::Blocked),
        (Reply::page(429), TokenFailure::BackOff),
        (Reply::new(302, &[("Location", "https://www.amocrm.ru/")], ""), maybe_renamed(None)),
        (Reply::page(502), TokenFailure::Ambiguous),
        (Reply::page(200), TokenFailure::Ambiguous),
        (Reply::new(204, &[], ""), TokenFailure::Ambiguous),
        (Reply::json(200, r#"{"access_token":"s3cr3t"}"#), TokenFailure::Ambiguous),
        (Reply::json(200, r#"{"access_token":"s3cr3t","refresh_token":77}"#), TokenFailure::Ambiguous),
        (Reply::cut(200, &[], pair().to_string(), 40), TokenFailure::Ambiguous),
        (Reply::nothing(), TokenFailure::Ambiguous),
    ] {
        let label = format!("{reply:?}");
        let server = Server::always(reply).await;
        let error = refresh(&client(&server)).await.unwrap_err();
        assert_eq!(error.failure(), failure, "{label}");
        assert_eq!(error.outcome(), failure.outcome());
        assert_eq!(
            server.requests().len(),
            1,
            "a refresh token is sent once and follows no redirect: {label}"
        );
        let words = crate::all_words(&error);
        for secret in ["s3cr3t", "old-refresh", "not-a-real-secret"] {
            assert!(!words.contains(secret), "{label} gave {words}");
        }
    }
}

#[tokio::test]
async fn an_unsent_request_spends_nothing_and_an_unanswered_one_may_have() {
    let via = format!("http://{}", closed_port().await).parse().unwrap();
    let amo = AmoCrm::new(Config { via: Some(via), ..Config::default() }).unwrap();
    assert_eq!(refresh(&amo).await.unwrap_err().failure(), TokenFailure::BackOff);

    let server = Server::always(Reply::nothing().then_silence()).await;
    let config = Config {
        via: Some(server.base()),
        token_timeout: Duration::from_secs(1),
        http: HttpOptions::default(),
    };
    let error = refresh(&AmoCrm::new(config).unwrap()).await.unwrap_err();
    assert_eq!((error.failure(), error.outcome()), (TokenFailure::Ambiguous, FailureAction::Unknown));
}

#[tokio::test]
async fn the_current_domain_is_requested_with_the_refresh_token() {
    let body = json!({"id": 12_345_678, "subdomain": "newname", "domain": "newname.amocrm.ru", "top_level_domain": "ru"});
    let server = Server::always(Reply::json(200, body.to_string())).await;
    let api = AccountHost::parse("api-b.amocrm.ru", &["amocrm.ru"]).unwrap();
    let domain = client(&server).current_subdomain(&api, &"old-refresh".into()).await.unwrap();
    assert_eq!((domain.id, domain.domain.as_str()), (AccountId(12_345_678), "newname.amocrm.ru"));
    let request = server.only_request();
    assert_eq!(request.target, "/oauth2/account/current/subdomain");
    assert_eq!(request.header("host"), Some("api-b.amocrm.ru"));
    assert_eq!(request.header("x-refresh-token"), Some("old-refresh"));

    let refused = Server::always(Reply::json(401, r#"{"title":"Unauthorized"}"#)).await;
    let error = client(&refused).current_subdomain(&api, &"old-refresh".into()).await.unwrap_err();
    assert!(error.needs_fresh_token());
}

#[test]
fn no_secret_is_in_debug() {
    let body = pair();
    let pair = TokenPair {
        access_token: body["access_token"].as_str().unwrap().into(),
        refresh_token: "new-refresh".into(),
        expires_in: Duration::ZERO,
        claims: AccessClaims::default(),
    };
    let words = format!("{pair:?} {:?}", credentials());
    for secret in [ACCESS, "new-refresh", "not-a-real-secret"] {
        assert!(!words.contains(secret), "{words}");
    }
}
