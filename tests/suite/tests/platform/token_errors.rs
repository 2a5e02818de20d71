//! Errors of amoCRM's token endpoint, and known failures of other integrations, with the tests that cover them.
//!
//! Error bodies of the token endpoint:
//!
//! | response | test |
//! | --- | --- |
//! | 400 code expired, used, undecryptable; invalid account | [`a_rejected_code_offers_a_reconnect`]; real ones: `callback::a_code_is_retried_for_twenty_minutes_and_then_fails`, `callback::a_code_with_a_lost_response_ends_in_a_reconnect` |
//! | 400 about `client_id`, `client_secret`; redirect URI not associated | [`our_configuration_error_is_repaired_while_the_code_is_valid`], `refusals::only_a_rejected_grant_affects_the_customer` |
//! | 401 revoked, not linked, expired; undecryptable refresh token | `refusals::every_definite_rejection_requires_a_reconnect` |
//! | 401 without a hint | `refusals::a_wrong_client_secret_affects_no_grant_and_its_repair_restores_all` |
//! | 402 | `refusals::only_a_rejected_grant_affects_the_customer`, [`an_unpaid_account_is_reported_and_keeps_its_tokens`] |
//! | 403 with a page, 429 | `refusals::only_a_rejected_grant_affects_the_customer`, `callback::a_code_is_retried_for_twenty_minutes_and_then_fails` |
//! | 404 or 401 while the account was renamed | `vault::a_renamed_account_is_found_again`, [`a_rejection_at_a_renamed_account_is_retried_at_its_new_host`] |
//! | 404 at a host that is right | [`a_missing_account_loses_nothing`] |
//! | no response, 5xx, an unreadable 200 | `refusals::only_a_rejected_grant_affects_the_customer`, `vault::a_lost_response_is_in_doubt_and_a_definite_rejection_needs_a_reconnect` |
//!
//! Known failures:
//!
//! | failure | test |
//! | --- | --- |
//! | two workers refresh at once | `vault::of_concurrent_renewals_one_calls_amocrm`, `stress` |
//! | crash between amoCRM's answer and our commit | `crashes` |
//! | several processes share one integration, or another party spent our pair | [`a_pair_spent_elsewhere_is_flagged`] |
//! | a pair unused for three months | [`an_unused_pair_is_renewed_every_week`] |
//! | redirect URI differs by a slash | [`our_configuration_error_is_repaired_while_the_code_is_valid`] |
//! | domain lost after a refresh; account renamed | `vault::a_renamed_account_is_found_again` |
//! | install request lost | `settings::a_handshake_returns_everything_a_widget_needs` |
//! | a second administrator installs | [`the_newest_of_two_administrators_grants_counts`] |
//! | a user without rights grants access | [`a_grant_without_rights_is_reported_until_an_administrator_grants`], [`errors_of_a_grant_without_rights_are_passed_on_unchanged`] |
//! | disabling revokes tokens, enabling sends a new code | `lifecycle::a_disabled_integration_is_uninstalled_and_can_be_restored` |
//! | 403 page mistaken for loss of access | `gateway::a_blocked_account_is_not_called_again` |
//! | login page instead of JSON | [`a_login_page_is_not_an_api_response`] |
//! | allow-list of addresses (code 113) | [`an_ip_allow_list_is_not_mistaken_for_a_block`] |
//! | unpaid account | [`an_unpaid_account_is_reported_and_keeps_its_tokens`] |
//! | archived and deleted accounts | [`a_missing_account_loses_nothing`] |
//!
//! And `FlySense`'s, in the suite `calls`:
//!
//! | failure | test |
//! | --- | --- |
//! | hook disabled after an outage | `hook_repairs::a_hook_that_is_missing_or_disabled_is_repaired_and_its_calls_are_found` |
//! | hooks lost or late | `lost_calls::calls_with_lost_webhooks_are_found_with_separate_correlation_ids`, `lost_calls::repeated_reads_and_late_webhooks_request_nothing_twice` |
//! | our own note triggers our own hook | `notes::notes_other_than_calls_start_nothing` |
//! | local date strings in hooks | `notes::local_dates_of_a_webhook_are_ignored` |
//! | one call on two entities | `notes::a_call_on_two_entities_is_transcribed_once` |
//!
//! Not tested:
//!
//! | failure | reason |
//! | --- | --- |
//! | technical accounts | handled during onboarding |

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::TextEnum as _;
use flysk_domain::id::AccountId;
use flysk_jobs::platform::oauth::RefreshDue;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::platform::installs;
use flysk_store::platform::tokens::{self, PairState};
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::{ACCOUNT, CLIENT_ID, CLIENT_SECRET, PUBLIC_ORIGIN, USER};
use flysk_tokens::{Freshness, VaultError};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{TestApp, as_conn, read, trace};

const TOKENS: &str = "/oauth2/access_token";

fn problem(status: u16, hint: Option<&str>) -> Act {
    let mut body = json!({ "title": "…", "status": status, "detail": "…",
        "type": "https://developers.amocrm.ru/v3/errors/OAuthProblemJson" });
    if let Some(hint) = hint {
        body["hint"] = hint.into();
    }
    answer(status, "application/problem+json", &body.to_string())
}

fn answer(status: u16, content_type: &str, body: &str) -> Act {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Act::Answer { status, headers, body: body.to_owned() }
}

async fn gateway(app: &TestApp, method: Method, path: &str) -> (StatusCode, String, Value) {
    let request = app.http.request(method.clone(), format!("{}/v1/amocrm{path}", app.api_url));
    let request =
        request.header("X-Project-Token", &app.project_token).header("X-Account-Id", ACCOUNT.to_string());
    let request = if method == Method::GET { request } else { request.json(&json!([])) };
    let answer = request.send().await.unwrap();
    let whose = answer.headers()["x-flysk-answer"].to_str().unwrap().to_owned();
    let (status, body) = read(answer).await;
    (status, whose, body)
}

async fn run_retries(app: &TestApp) {
    for _ in 0..6 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(1));
    }
}

async fn state(app: &TestApp) -> PairState {
    tokens::find(as_conn(&mut app.conn().await), app.install_id().await).await.unwrap().unwrap().state
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_rejected_code_offers_a_reconnect(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    for (n, hint) in [
        "Authorization code has expired",
        "Authorization code has been revoked",
        "Cannot decrypt the authorization code",
        "Invalid account",
    ]
    .into_iter()
    .enumerate()
    {
        app.amocrm.control.script(Script::next(TOKENS, problem(400, Some(hint))));
        app.install().await;
        app.advance(TimeDelta::minutes(5));
        app.run_due_jobs().await;
        assert_eq!(app.token_requests(), n + 1, "{hint}: it is not tried again");
        let (_, shaken) = app.admin(Method::POST, "/v1/handshake", None).await;
        assert_eq!(shaken["status"], "reconnect", "{hint}");
        assert!(shaken["connect_url"].is_string(), "{hint}");
    }
    app.install().await;
    assert_eq!(app.status().await, "active");
}

/// A redirect URI that differs by a slash, or a wrong secret: amoCRM reports it, we repair it, and the code is
/// still valid.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn our_configuration_error_is_repaired_while_the_code_is_valid(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let mut conn = app.conn().await;
    let widget = app.widget().await;
    let redirect = |uri: String| Changes { redirect_uri: Some(uri), ..Changes::default() };
    let slash = redirect(format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback/"));
    widgets::update(as_conn(&mut conn), widget.id, &slash, app.clock.now()).await.unwrap();
    app.vault
        .widgets()
        .change_client_secret(as_conn(&mut conn), &widget, &"stale".to_owned().into())
        .await
        .unwrap();
    app.install().await;
    // One error after the other: first the secret, then the slash.
    let (stale, secret) = (app.widget().await, CLIENT_SECRET.to_owned().into());
    app.vault.widgets().change_client_secret(as_conn(&mut conn), &stale, &secret).await.unwrap();
    run_retries(&app).await;
    assert!(app.jobs(JobState::Dead).await.is_empty() && app.token_requests() >= 2);
    let right = redirect(format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback"));
    widgets::update(as_conn(&mut conn), widget.id, &right, app.clock.now()).await.unwrap();
    run_retries(&app).await;
    assert_eq!(app.status().await, "active");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_rejection_at_a_renamed_account_is_retried_at_its_new_host(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.state.rename(ACCOUNT, "newname").unwrap();
    app.amocrm.control.script(Script::next(TOKENS, problem(401, Some("Token has been revoked"))));
    let id = app.install_id().await;
    let renewed = app.vault.renew(id, Freshness::IssuedAfter(app.clock.now()), &trace()).await;
    assert!(renewed.is_ok(), "{renewed:?}");
    assert_eq!(app.status().await, "active");
    assert_eq!(app.pauth().await.1["base_domain"], "newname.amocrm.ru");
}

/// A deleted account answers 404, with a page or a problem: it is checked again, and nothing is deleted.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_missing_account_loses_nothing(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let id = app.install_id().await;
    for act in [answer(404, "text/html", "<html>404</html>"), problem(404, None)] {
        app.amocrm.control.script(Script::next(TOKENS, act));
        let outcome = app.vault.renew(id, Freshness::IssuedAfter(app.clock.now()), &trace()).await;
        assert!(matches!(outcome, Err(VaultError::NotNow { .. })), "{outcome:?}");
        assert_eq!((app.status().await, state(&app).await), ("active", PairState::Good));
        app.advance(TimeDelta::hours(1) + TimeDelta::seconds(1));
    }
    assert!(app.vault.renew(id, Freshness::IssuedAfter(app.clock.now()), &trace()).await.is_ok());
}

/// Another party with a copy of our database spends the refresh token: the next renewal reports it, and the
/// customer must reconnect.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_pair_spent_elsewhere_is_flagged(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let id = app.install_id().await;
    let pair = tokens::find(as_conn(&mut app.conn().await), id).await.unwrap().unwrap();
    let aad = flysk_crypto::aad::refresh_token(id);
    let refresh = app.vault.keyring().open(&pair.refresh_sealed, &aad).unwrap();
    let body = json!({ "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "refresh_token",
        "refresh_token": secrecy::ExposeSecret::expose_secret(&refresh),
        "redirect_uri": format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback") });
    let theirs = app.http.post(format!("{}{TOKENS}", app.amocrm.url)).header("Host", "demo.amocrm.ru");
    assert_eq!(theirs.json(&body).send().await.unwrap().status(), StatusCode::OK);
    let outcome = app.vault.renew(id, Freshness::IssuedAfter(app.clock.now()), &trace()).await;
    assert!(matches!(outcome, Err(VaultError::Refused(_))), "{outcome:?}");
    assert_eq!((app.status().await, state(&app).await), ("reconnect", PairState::Refused));
}

/// A switched-off widget needs no token, but its pair must not expire.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unused_pair_is_renewed_every_week(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let off = json!({ "account_id": ACCOUNT, "on": false });
    assert_eq!(app.backend(Method::PUT, "/v1/backend/switch", Some(off)).await.0, StatusCode::OK);
    app.amocrm.control.clear_calls();
    for day in 1..=15 {
        app.advance(TimeDelta::days(1));
        let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
        unit.enqueue(&RefreshDue {}).await.unwrap();
        unit.commit().await.unwrap();
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(9));
        app.run_due_jobs().await;
        assert_eq!(app.token_requests(), usize::from(day > 6) + usize::from(day > 13), "day {day}");
    }
    assert_eq!((app.status().await, state(&app).await), ("inactive", PairState::Good));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_newest_of_two_administrators_grants_counts(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (first, _) = (app.install_id().await, app.pauth().await);
    app.amocrm.state.change_account(ACCOUNT, |account| account.users[1].is_admin = true).unwrap();
    let outcome = app.amocrm.state.install(CLIENT_ID, ACCOUNT, Some(USER)).await.unwrap();
    assert_eq!(outcome.status, Some(200));
    app.run_due_jobs().await;
    assert_eq!(app.install_id().await, first, "one install, whoever granted");
    let pair = tokens::find(as_conn(&mut app.conn().await), first).await.unwrap().unwrap();
    assert_eq!((pair.generation, pair.state), (2, PairState::Good));
    let (status, _, account) = gateway(&app, Method::GET, "/api/v4/account").await;
    assert_eq!((status, &account["current_user_id"]), (StatusCode::OK, &json!(USER)));
    assert_eq!(app.delivered_events(), ["install", "activate"], "nothing changed for the vendor");
}

/// An ordinary user's grant has that user's rights; amoCRM's rejections are passed on unchanged.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn errors_of_a_grant_without_rights_are_passed_on_unchanged(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    granted_by_the_user(&app).await;
    let (status, whose, _) = gateway(&app, Method::GET, "/api/v4/users").await;
    assert_eq!((status, whose.as_str()), (StatusCode::FORBIDDEN, "amocrm"));
    assert_eq!(app.status().await, "active");
}

/// Users of the account are told what is missing, and an administrator gets the reconnect link.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_grant_without_rights_is_reported_until_an_administrator_grants(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let shaken = async || app.admin(Method::POST, "/v1/handshake", None).await.1;
    assert_eq!((&shaken().await["warning"], &shaken().await["connect_url"]), (&Value::Null, &Value::Null));
    granted_by_the_user(&app).await;
    let told = shaken().await;
    assert!(told["warning"].as_str().unwrap().contains("без прав администратора"), "{told}");
    assert!(told["connect_url"].is_string() && told["status"] == "active", "{told}");
    let theirs = app.ask(Method::POST, "/v1/handshake", ("X-Auth-Token", &app.token(USER)), None).await.1;
    assert!(theirs["warning"].is_string() && theirs["connect_url"].is_null(), "{theirs}");
    app.advance(TimeDelta::minutes(1));
    app.install().await;
    assert_eq!(shaken().await["warning"], Value::Null);
}

/// The widget works even if the rights of its grant cannot be read.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn unknown_rights_of_a_grant_cause_no_failure(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    app.amocrm.control.script(Script::next("/api/v4/users/*", answer(502, "text/html", "<html>")));
    app.install().await;
    let (_, shaken) = app.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!((&shaken["status"], &shaken["warning"]), (&json!("active"), &Value::Null));
}

/// The user who granted access was disabled: amoCRM returns a login page, which is not an API response.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_login_page_is_not_an_api_response(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    granted_by_the_user(&app).await;
    app.amocrm.state.change_account(ACCOUNT, |account| account.users[1].is_active = false).unwrap();
    let (status, whose, problem) = gateway(&app, Method::GET, "/api/v4/account").await;
    assert_eq!((status, whose.as_str()), (StatusCode::BAD_GATEWAY, "flysk"), "{problem}");
    assert_eq!(problem["code"], "upstream_unavailable");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_ip_allow_list_is_not_mistaken_for_a_block(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let body = r#"{"title":"Forbidden","status":403,"detail":"IP is not allowed","error_code":113}"#;
    let act = answer(403, "application/problem+json", body);
    app.amocrm.control.script(Script::next("/api/v4/leads", act));
    let (status, whose, told) = gateway(&app, Method::GET, "/api/v4/leads").await;
    assert_eq!((status, whose.as_str(), &told["error_code"]), (StatusCode::FORBIDDEN, "amocrm", &json!(113)));
    let (status, ..) = gateway(&app, Method::GET, "/api/v4/account").await;
    assert_eq!(status, StatusCode::OK, "the account is not left alone for it");
}

/// Reads work for 30 days, writes fail at once, and the pair is renewed so that it is valid when the account is
/// paid.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unpaid_account_is_reported_and_keeps_its_tokens(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let now = app.clock.now();
    app.amocrm.state.change_account(ACCOUNT, |account| account.unpaid_since = Some(now)).unwrap();
    let (status, whose, _) = gateway(&app, Method::POST, "/api/v4/leads/notes").await;
    assert_eq!((status, whose.as_str()), (StatusCode::PAYMENT_REQUIRED, "amocrm"));
    assert_eq!(gateway(&app, Method::GET, "/api/v4/account").await.0, StatusCode::OK);
    app.advance(TimeDelta::days(31));
    assert_eq!(gateway(&app, Method::GET, "/api/v4/account").await.0, StatusCode::PAYMENT_REQUIRED);
    assert_eq!((app.status().await, state(&app).await), ("active", PairState::Good));
    app.amocrm.state.change_account(ACCOUNT, |account| account.unpaid_since = None).unwrap();
    app.advance(TimeDelta::days(1));
    assert_eq!(gateway(&app, Method::GET, "/api/v4/account").await.0, StatusCode::OK);
}

/// An ordinary user's code replaces the administrator's pair.
async fn granted_by_the_user(app: &TestApp) {
    let (_, shaken) = app.admin(Method::POST, "/v1/handshake", None).await;
    assert!(shaken["session"].is_object());
    let code = app.amocrm.state.issue_code(CLIENT_ID, ACCOUNT, Some(USER)).unwrap();
    let mut url: url::Url = format!("{}/oauth/amocrm/callback", app.api_url).parse().unwrap();
    url.query_pairs_mut().extend_pairs([
        ("code", code.as_str()),
        ("referer", "demo.amocrm.ru"),
        ("client_id", CLIENT_ID),
        ("from_widget", "1"),
    ]);
    assert_eq!(app.http.get(url).send().await.unwrap().status(), StatusCode::OK);
    app.run_due_jobs().await;
    let widget = app.widget().await;
    let install =
        installs::find_in_account(as_conn(&mut app.conn().await), widget.id, AccountId(ACCOUNT)).await;
    assert_eq!(install.unwrap().unwrap().status.as_str(), "active");
}
