//! Handshake, session and settings.

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_store::platform::widget_schemas;
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::{ADMIN, USER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{TestApp, as_conn};

async fn session(app: &TestApp, user: u64) -> String {
    let token = app.token(user);
    let (status, shaken) = app.ask(Method::POST, "/v1/handshake", ("X-Auth-Token", &token), None).await;
    assert_eq!(status, StatusCode::OK, "{shaken}");
    format!("Bearer {}", shaken["session"]["token"].as_str().unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "requests take an optional body")]
fn change(version: u32, settings: &Value) -> Option<Value> {
    Some(json!({ "version": version, "settings": settings }))
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_handshake_returns_everything_a_widget_needs(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let (status, before) = app.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(
        (status, &before["status"], &before["session"]),
        (StatusCode::OK, &json!("reconnect"), &Value::Null)
    );
    app.install().await;
    let (_, shaken) = app.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(
        (&shaken["status"], &shaken["reason"], &shaken["connect_url"]),
        (&json!("active"), &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&shaken["user_id"], &shaken["is_admin"], &shaken["plans"]),
        (&json!(ADMIN), &json!(true), &json!([]))
    );
}

/// A session lasts at most 15 minutes and gives access to its own install only.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_session_is_short_and_limited_to_its_install(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let session = session(&app, USER).await;
    let ask =
        async |session: &str| app.ask(Method::GET, "/v1/settings", ("Authorization", session), None).await;
    assert_eq!(ask(&session).await.0, StatusCode::OK);
    let mut forged = session.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    assert_eq!(ask(&forged).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask("Bearer fss_v1.k1.AAAA").await.0, StatusCode::UNAUTHORIZED);
    app.advance(TimeDelta::minutes(16));
    let (status, problem) = ask(&session).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("token_expired")));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn settings_are_versioned_and_can_be_restored(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let put = async |version, settings: Value| {
        app.admin(Method::PUT, "/v1/settings", change(version, &settings)).await
    };
    assert_eq!(put(0, json!({ "tone": "formal" })).await.1["version"], 1);
    assert_eq!(put(1, json!({ "tone": "friendly" })).await.1["version"], 2);
    let (status, problem) = put(1, json!({ "tone": "late" })).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("version_conflict")));
    let back = json!({ "version": 2, "to": 1 });
    let (_, now) = app.admin(Method::POST, "/v1/settings/restore", Some(back)).await;
    assert_eq!((&now["version"], &now["settings"]["tone"]), (&json!(3), &json!("formal")));
    let (_, history) = app.admin(Method::GET, "/v1/settings/history", None).await;
    let told: Vec<(&Value, &Value)> =
        history["items"].as_array().unwrap().iter().map(|v| (&v["version"], &v["changed_by"])).collect();
    let by = json!(format!("user {ADMIN}"));
    assert_eq!(told, [(&json!(3), &by), (&json!(2), &by), (&json!(1), &by)]);
    let missing = json!({ "version": 3, "to": 9 });
    assert_eq!(app.admin(Method::POST, "/v1/settings/restore", Some(missing)).await.0, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn settings_need_an_administrator_and_a_valid_schema(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let user = session(&app, USER).await;
    let body = change(0, &json!({}));
    let (status, problem) = app.ask(Method::PUT, "/v1/settings", ("Authorization", &user), body).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("admin_only")));
    let schema = json!({ "type": "object", "required": ["tone"],
        "properties": { "tone": { "enum": ["formal", "friendly"] }, "limit": { "type": "integer", "maximum": 10 } } });
    let changes = Changes { settings_schema: Some(Some(schema)), ..Changes::default() };
    let widget = app.widget().await;
    widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, app.clock.now()).await.unwrap();
    for (settings, finding) in [
        (json!({}), "tone"),
        (json!({ "tone": "rude" }), "/tone"),
        (json!({ "tone": "formal", "limit": 11 }), "/limit"),
        (json!([]), "object"),
        (json!({ "tone": "formal", "long": "x".repeat(70_000) }), "bytes"),
    ] {
        let (status, problem) = app.admin(Method::PUT, "/v1/settings", change(0, &settings)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{finding}");
        assert!(problem["detail"].as_str().unwrap().contains(finding), "{finding}: {problem}");
    }
    let (status, _) = app.admin(Method::PUT, "/v1/settings", change(0, &json!({ "tone": "formal" }))).await;
    assert_eq!(status, StatusCode::OK);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_backend_reads_and_writes_the_same_settings(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let path = format!("/v1/backend/settings?account_id={}", flysk_suite::environment::ACCOUNT);
    let (_, written) = app.backend(Method::PUT, &path, change(0, &json!({ "tone": "formal" }))).await;
    assert_eq!(written["version"], 1);
    let (_, read) = app.admin(Method::GET, "/v1/settings", None).await;
    assert_eq!(read["settings"]["tone"], "formal");
    let (status, _) = app.backend(Method::GET, "/v1/backend/settings?account_id=404", None).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

/// A new schema does not apply to pages of the previous version if that version has its own schema.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_page_of_an_older_version_uses_its_own_schema(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let requires = |field: &str| json!({ "type": "object", "required": [field] });
    let changes = Changes { settings_schema: Some(Some(requires("new"))), ..Changes::default() };
    let (widget, now) = (app.widget().await.id, app.clock.now());
    let mut conn = app.conn().await;
    widgets::update(as_conn(&mut conn), widget, &changes, now).await.unwrap();
    widget_schemas::put(as_conn(&mut conn), widget, "1.3.0", &requires("old"), now).await.unwrap();
    let put = async |version: Value, settings: Value| {
        let body = json!({ "version": 0, "settings": settings, "widget_version": version });
        app.admin(Method::PUT, "/v1/settings", Some(body)).await.0
    };
    let (refused, old, new) = (StatusCode::UNPROCESSABLE_ENTITY, json!({ "old": 1 }), json!({ "new": 1 }));
    for version in [Value::Null, json!("1.4.0"), json!("1.2.0")] {
        assert_eq!(put(version, old.clone()).await, refused, "the one that holds for all");
    }
    assert_eq!(put(json!("1.3.0"), new).await, refused);
    assert_eq!(put(json!("1.3.0"), old).await, StatusCode::OK);
    assert_eq!(put(json!("1 OR 1"), json!({})).await, StatusCode::BAD_REQUEST);
}
