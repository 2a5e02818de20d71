//! Rotation of secrets during operation.

use chrono::TimeDelta;
use flysk_clients::amocrm::AmoCrm;
use flysk_crypto::Keyring;
use flysk_crypto::aad;
use flysk_domain::Clock;
use flysk_domain::platform::signature;
use flysk_services::widgets::{MAX_FORMER_SECRETS, RegistrationError};
use flysk_simulators::Call;
use flysk_store::platform::widgets::{self, Changes};
use flysk_store::platform::{cache_invalidations, former_credentials, tokens};
use flysk_suite::environment::ACCOUNT;
use flysk_tokens::{Freshness, Vault, VaultError};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use sqlx::MySqlPool;

use super::harness::{TestApp, as_conn, trace};

const OLD: &str = "k1:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=";
const NEW: &str = "k2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

async fn asks(app: &TestApp, token: &str) -> StatusCode {
    app.ask(Method::GET, "/v1/backend/events", ("X-Project-Token", token), None).await.0
}

/// Replaces the project token as `widget:rotate --project-token` does; the current one stays valid for `kept` hours.
async fn rotate(app: &TestApp, kept: i64) -> String {
    let widget = app.widget().await;
    let until = (kept > 0).then(|| app.clock.now() + TimeDelta::hours(kept));
    let mut conn = app.conn().await;
    let token = app.vault.widgets().rotate_project_token(as_conn(&mut conn), &widget, until).await.unwrap();
    token.expose_secret().to_owned()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn two_project_tokens_are_valid_during_a_rotation(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let old = app.project_token.clone();
    let new = rotate(&app, 24).await;
    assert_eq!((asks(&app, &old).await, asks(&app, &new).await), (StatusCode::OK, StatusCode::OK));
    app.advance(TimeDelta::hours(25));
    assert_eq!((asks(&app, &old).await, asks(&app, &new).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    let newest = rotate(&app, 0).await;
    assert_eq!(asks(&app, &new).await, StatusCode::UNAUTHORIZED, "revoked at once");
    rotate(&app, 1).await;
    assert_eq!(asks(&app, &newest).await, StatusCode::OK);
    let (widget, now) = (app.widget().await, app.clock.now());
    former_credentials::revoke_tokens(as_conn(&mut app.conn().await), widget.id, now).await.unwrap();
    assert_eq!(asks(&app, &newest).await, StatusCode::UNAUTHORIZED);
    assert_eq!(asks(&app, "").await, StatusCode::UNAUTHORIZED);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_second_rotation_keeps_the_promise_of_the_first(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let remembering = app.remembering_api().await;
    let first = app.project_token.clone();
    let second = rotate(&app, 24).await;
    app.advance(TimeDelta::hours(1));
    let third = rotate(&app, 0).await;
    for (token, valid) in [(&first, true), (&second, false), (&third, true)] {
        let expected = if valid { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(asks(&app, token).await, expected);
        // Twice: from the database, and from the cache.
        for _ in 0..2 {
            let request = app.http.get(format!("{remembering}/v1/backend/events"));
            let answer = request.header("X-Project-Token", token).send().await.unwrap();
            assert_eq!(answer.status(), expected);
        }
    }
    app.advance(TimeDelta::hours(23));
    assert_eq!(asks(&app, &first).await, StatusCode::UNAUTHORIZED, "its 24 hours are over");
    assert_eq!(asks(&app, &third).await, StatusCode::OK);
}

/// Switches the widget off or on, and returns the headers of the event that this causes.
async fn event_headers(app: &TestApp, token: &str, on: bool) -> Call {
    app.advance(TimeDelta::milliseconds(10));
    let body = serde_json::json!({ "account_id": ACCOUNT, "on": on });
    let switched = app.ask(Method::PUT, "/v1/backend/switch", ("X-Project-Token", token), Some(body)).await;
    assert_eq!(switched.0, StatusCode::OK);
    app.run_due_jobs().await;
    app.vendor.control.calls_to("POST", "/events").pop().unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn events_carry_a_new_token_only_after_the_backend_has_used_it(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let old = app.project_token.clone();
    assert_eq!(asks(&app, &old).await, StatusCode::OK);
    let unused = rotate(&app, 24).await;
    let new = rotate(&app, 24).await;
    let carried = |call: Call| call.header("x-project-token").map(str::to_owned);
    assert_eq!(carried(event_headers(&app, &old, false).await), Some(old.clone()));
    assert_eq!(asks(&app, &new).await, StatusCode::OK);
    assert_eq!(carried(event_headers(&app, &old, true).await), Some(new.clone()), "the backend has it now");
    let last = rotate(&app, 24).await;
    assert_eq!(carried(event_headers(&app, &new, false).await), Some(new.clone()));
    app.advance(TimeDelta::hours(25));
    let call = event_headers(&app, &last, true).await;
    assert_eq!(carried(call), Some(last), "it is the only valid one");
    assert_eq!(asks(&app, &unused).await, StatusCode::UNAUTHORIZED);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn events_are_signed_with_all_valid_secrets(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let widget = app.widget().await;
    let sealed = widget.event_secret_sealed.clone().unwrap();
    let old = app.vault.keyring().open(&sealed, &aad::event_secret(widget.id)).unwrap();
    let until = app.clock.now() + TimeDelta::hours(24);
    let mut conn = app.conn().await;
    let registry = app.vault.widgets();
    let new = registry.rotate_event_secret(as_conn(&mut conn), &widget, Some(until)).await.unwrap();
    let token = app.project_token.clone();
    let signatures = |call: &Call, secrets: &[&SecretString]| {
        let (id, at) = (call.header("webhook-id").unwrap(), call.header("webhook-timestamp").unwrap());
        let sign = |secret: &&SecretString| {
            signature::sign(secret.expose_secret(), id, at.parse().unwrap(), &call.body).unwrap()
        };
        secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
    };
    let call = event_headers(&app, &token, false).await;
    assert_eq!(call.header("webhook-signature"), Some(signatures(&call, &[&new, &old]).as_str()));
    // A backend that still has the old secret accepts it.
    app.vendor.state.expect_signature(Some(old.expose_secret().to_owned()));
    event_headers(&app, &token, true).await;
    assert_eq!(app.delivered_events().last().map(String::as_str), Some("activate"));
    app.vendor.state.expect_signature(None);
    app.advance(TimeDelta::hours(25));
    let call = event_headers(&app, &token, false).await;
    assert_eq!(call.header("webhook-signature"), Some(signatures(&call, &[&new]).as_str()));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_number_of_valid_event_secrets_is_limited_and_the_refusal_names_an_end(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let mut conn = app.conn().await;
    let until = app.clock.now() + TimeDelta::hours(24);
    let mut outcomes = Vec::new();
    for n in 0..=MAX_FORMER_SECRETS {
        app.advance(TimeDelta::seconds(1));
        let widget = app.widget().await;
        let end = Some(until + TimeDelta::hours(i64::try_from(n).unwrap()));
        let mut tx = sqlx::Connection::begin(&mut *conn).await.unwrap();
        let rotated = app.vault.widgets().rotate_event_secret(&mut tx, &widget, end).await;
        if rotated.is_ok() {
            tx.commit().await.unwrap();
        }
        outcomes.push(rotated);
    }
    let refused = outcomes.pop().unwrap().unwrap_err();
    assert!(outcomes.iter().all(Result::is_ok));
    assert!(matches!(refused, RegistrationError::TooManySecrets { .. }), "{refused}");
    assert!(refused.to_string().contains(&until.format("%Y-%m-%d %H:%M").to_string()), "{refused}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_may_choose_signatures_without_its_token(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (widget, token) = (app.widget().await, app.project_token.clone());
    let changes = Changes { events_carry_token: Some(false), ..Changes::default() };
    widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, app.clock.now()).await.unwrap();
    let call = event_headers(&app, &token, false).await;
    assert_eq!(call.header("x-project-token"), None);
    assert!(call.header("webhook-signature").is_some_and(|signature| signature.starts_with("v1,")));
}

/// With a new current key, everything is re-encrypted; then the old key decrypts nothing.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn everything_is_reencrypted_with_the_new_key(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm
        .state
        .issue_code(flysk_suite::environment::CLIENT_ID, flysk_suite::environment::ACCOUNT, None)
        .unwrap();
    let mut conn = app.conn().await;
    let both = vault(&app, &format!("{NEW},{OLD}"));
    let noted = cache_invalidations::newest(as_conn(&mut conn)).await.unwrap();
    let moved = both.reencrypt_all(as_conn(&mut conn)).await.unwrap();
    assert_eq!((moved.reencrypted, moved.skipped), (2, 0), "the widget and its pair");
    assert_eq!(
        cache_invalidations::newest(as_conn(&mut conn)).await.unwrap(),
        noted,
        "nothing that is remembered became untrue"
    );
    let again = both.reencrypt_all(as_conn(&mut conn)).await.unwrap();
    // The vendor is scanned, too, and has no secret.
    assert_eq!((again.scanned, again.reencrypted, again.former_tokens_until), (3, 0, None));
    let (new, old) = (vault(&app, NEW), vault(&app, OLD));
    let widget = app.widget().await;
    assert!(new.client_secret(&widget).is_ok());
    assert!(matches!(old.client_secret(&widget), Err(VaultError::Keyring(_))));
    let pair = tokens::find(as_conn(&mut conn), app.install_id().await).await.unwrap().unwrap();
    let aad = aad::access_token(pair.install_id);
    assert!(new.keyring().open(&pair.access_sealed, &aad).is_ok());
    // Neither a changed text nor that of another row decrypts.
    assert!(new.keyring().open(&pair.refresh_sealed, &aad).is_err());
    let hash = new.keyring().blind_index(&app.project_token).to_string();
    assert_eq!(widget.project_token_hash, hash);
}

fn vault(app: &TestApp, ring: &str) -> Vault {
    let keyring = Keyring::parse(ring).unwrap();
    let amocrm = AmoCrm::new(flysk_clients::amocrm::Config::default()).unwrap();
    Vault::new(app.executor.outbox().clone(), keyring.into(), amocrm, vec!["amocrm.ru".to_owned()])
}

/// A pair that a process cannot decrypt waits before the next attempt, and does not stay the first that is due.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_pair_under_a_missing_key_waits_before_it_is_tried_again(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (id, stranger) = (app.install_id().await, vault(&app, NEW));
    let wish = Freshness::IssuedAfter(app.clock.now());
    let failed = stranger.renew(id, wish, &trace()).await;
    assert!(matches!(failed, Err(VaultError::Keyring(_))), "{failed:?}");
    let pair = tokens::find(as_conn(&mut app.conn().await), id).await.unwrap().unwrap();
    assert_eq!((pair.state, pair.lease_until), (tokens::PairState::Good, None), "no lease is left behind");
    assert!(pair.retry_at.is_some_and(|at| at > app.clock.now() + TimeDelta::minutes(4)), "{pair:?}");
    let early = stranger.renew(id, wish, &trace()).await;
    assert!(matches!(early, Err(VaultError::NotNow { after: Some(_), .. })), "{early:?}");
    app.advance(TimeDelta::minutes(6));
    assert!(app.vault.renew(id, wish, &trace()).await.is_ok());
}

/// Replaced credentials that are still valid are re-encrypted, too, and work without the former key.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn replaced_credentials_outlive_their_key(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let old = app.project_token.clone();
    rotate(&app, 24).await;
    let mut conn = app.conn().await;
    let (widget, until) = (app.widget().await, app.clock.now() + TimeDelta::hours(24));
    app.vault.widgets().rotate_event_secret(as_conn(&mut conn), &widget, Some(until)).await.unwrap();
    let both = vault(&app, &format!("{NEW},{OLD}"));
    let moved = both.reencrypt_all(as_conn(&mut conn)).await.unwrap();
    assert_eq!((moved.reencrypted, moved.skipped), (3, 0), "the widget, its former token, its former secret");
    assert_eq!(moved.former_tokens_until, None);
    let again = both.reencrypt_all(as_conn(&mut conn)).await.unwrap();
    // The vendor is scanned, too, and has no secret.
    assert_eq!((again.scanned, again.reencrypted), (4, 0));
    let api = app.api_in(|env| env.with("FLYSK_KEYRING", NEW)).await;
    let request = app.http.get(format!("{api}/v1/backend/events")).header("X-Project-Token", &old);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
}

/// Of a token that 0.1.0 replaced there is only a hash under the former key: the operator is told to keep that key.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_token_replaced_by_an_earlier_release_requires_its_key_in_the_ring(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    rotate(&app, 24).await;
    sqlx::query("UPDATE former_project_tokens SET token_sealed = NULL").execute(&app.pool).await.unwrap();
    let both = vault(&app, &format!("{NEW},{OLD}"));
    let mut conn = app.conn().await;
    let kept = both.reencrypt_all(as_conn(&mut conn)).await.unwrap().former_tokens_until;
    assert!(kept.is_some_and(|kept| kept > app.clock.now() + TimeDelta::hours(23)), "{kept:?}");
}
