//! Bounds of what one account or one address may write, and the deletion of history.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::Clock as _;
use flysk_jobs::platform::upkeep::PruneHistory;
use flysk_queue::Job;
use flysk_services::installs::MAX_SETTINGS_CHANGES;
use flysk_store::JsonText;
use flysk_store::jobs::JobState;
use flysk_store::platform::settings_history::{self, SettingsVersion};
use flysk_store::platform::token_audit::{self, TokenAuditEntry};
use flysk_suite::environment::ACCOUNT;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;
use url::Url;

use super::harness::{TestApp, WAIT_TIMEOUT, as_conn, trace};
use super::made_up_codes::behind_a_proxy;

/// Enqueues and runs a job.
async fn perform<J: Job>(app: &TestApp, job: &J) {
    let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
    let id = unit.enqueue(job).await.unwrap().expect("none waits");
    unit.commit().await.unwrap();
    app.run_due_jobs().await;
    let state = flysk_store::jobs::find(as_conn(&mut app.conn().await), id).await.unwrap().unwrap().state;
    assert_eq!(state, JobState::Done);
}

async fn count(app: &TestApp, rows: &'static str) -> i64 {
    sqlx::query_scalar(rows).fetch_one(&app.pool).await.unwrap()
}

/// Stores versions `1..=count` of the settings, each set at `at`.
async fn write_versions(app: &TestApp, count: u32, at: impl Fn(u32) -> DateTime<Utc>) {
    let install = app.install_id().await;
    let mut conn = app.conn().await;
    for version in 1..=count {
        let settings = JsonText::empty_object();
        let row =
            SettingsVersion { version, settings, changed_by: "backend".to_owned(), changed_at: at(version) };
        settings_history::insert(as_conn(&mut conn), install, &row).await.unwrap();
    }
    sqlx::query("UPDATE installs SET settings_version = ? WHERE id = ?")
        .bind(count)
        .bind(install.to_string())
        .execute(&app.pool)
        .await
        .unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn old_settings_are_deleted_beyond_the_newest_hundred_versions(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let now = app.clock.now();
    // Of the versions beyond the newest hundred, the first twenty are old.
    let age =
        |version: u32| if (21..=30).contains(&version) { TimeDelta::days(6) } else { TimeDelta::days(8) };
    write_versions(&app, 130, |version| now - age(version)).await;
    perform(&app, &PruneHistory {}).await;
    assert_eq!(count(&app, "SELECT COUNT(*) FROM settings_history").await, 110);
    assert_eq!(count(&app, "SELECT CAST(MIN(version) AS SIGNED) FROM settings_history").await, 21);
    let (_, history) = app.admin(Method::GET, "/v1/settings/history", None).await;
    assert_eq!(
        (&history["items"][0]["version"], history["items"].as_array().unwrap().len()),
        (&json!(130), 50)
    );
    app.advance(TimeDelta::days(2));
    perform(&app, &PruneHistory {}).await;
    assert_eq!(count(&app, "SELECT COUNT(*) FROM settings_history").await, 100);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_install_changes_its_settings_a_thousand_times_a_day(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let first = app.clock.now() - TimeDelta::hours(23);
    write_versions(&app, MAX_SETTINGS_CHANGES - 1, |_| first).await;
    let url = format!("{}/v1/backend/settings?account_id={ACCOUNT}", app.api_url);
    let put = async |version: u32| {
        let change = json!({ "version": version, "settings": { "tone": "formal" } });
        let request = app.http.put(&url).header("X-Project-Token", &app.project_token).json(&change);
        request.send().await.unwrap()
    };
    assert_eq!(put(MAX_SETTINGS_CHANGES - 1).await.status(), StatusCode::OK);
    let refused = put(MAX_SETTINGS_CHANGES).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: i64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&seconds), "{seconds}");
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "too_many_requests");
    let change = json!({ "version": MAX_SETTINGS_CHANGES, "settings": {} });
    let (status, problem) = app.admin(Method::PUT, "/v1/settings", Some(change.clone())).await;
    assert_eq!((status, &problem["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("too_many_requests")));
    let stored = count(&app, "SELECT COUNT(*) FROM settings_history").await;
    assert_eq!(stored, i64::from(MAX_SETTINGS_CHANGES));
    app.advance(TimeDelta::hours(1));
    assert_eq!(app.admin(Method::PUT, "/v1/settings", Some(change)).await.0, StatusCode::OK);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn disclosures_of_tokens_and_events_are_deleted_when_they_are_old(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (now, install_id) = (app.clock.now(), app.install_id().await);
    let entry = |read_at| TokenAuditEntry {
        install_id,
        reader: "backend:flysense".to_owned(),
        purpose: "test".to_owned(),
        correlation_id: "test".to_owned(),
        read_at,
    };
    let ages = [TimeDelta::days(91), TimeDelta::days(89), TimeDelta::days(92)];
    token_audit::insert(as_conn(&mut app.conn().await), &ages.map(|age| entry(now - age))).await.unwrap();
    let old = now - TimeDelta::days(181);
    // The first event ended long ago; the second one happened as early and was replayed lately.
    for (statement, settled_at) in [
        ("UPDATE lifecycle_events SET happened_at = ?, settled_at = ? WHERE type = 'install'", old),
        ("UPDATE lifecycle_events SET happened_at = ?, settled_at = ? WHERE type = 'activate'", now),
    ] {
        let changed = sqlx::query(statement).bind(old).bind(settled_at).execute(&app.pool).await.unwrap();
        assert_eq!(changed.rows_affected(), 1, "{statement}");
    }
    sqlx::query("UPDATE lifecycle_attempts a JOIN lifecycle_events e ON e.id = a.event_id SET a.started_at = e.settled_at")
        .execute(&app.pool)
        .await
        .unwrap();
    perform(&app, &PruneHistory {}).await;
    assert_eq!(count(&app, "SELECT COUNT(*) FROM token_audit WHERE purpose = 'test'").await, 1);
    assert_eq!(count(&app, "SELECT COUNT(*) FROM lifecycle_events WHERE type = 'install'").await, 0);
    assert_eq!(count(&app, "SELECT COUNT(*) FROM lifecycle_events WHERE type = 'activate'").await, 1);
    assert_eq!(count(&app, "SELECT COUNT(*) FROM lifecycle_attempts").await, 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn quotes_records_and_idle_dialogues_are_deleted_when_they_are_of_no_use(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let now = app.clock.now();
    let (month, half_year) = (now - TimeDelta::days(31), now - TimeDelta::days(181));
    for (id, created_at, applied_at) in
        [("qt_old", month, None), ("qt_applied", month, Some(month)), ("qt_new", now, None)]
    {
        sqlx::query(
            "INSERT INTO subscription_quotes (id, subscription_id, base_version, request, lines_json, total_kopecks,
                                              expires_at, requested_by, applied_at, created_at)
             VALUES (?, 'sub', 1, '{}', '[]', 1, ?, 'user:1', ?, ?)",
        )
        .bind(id)
        .bind(created_at)
        .bind(applied_at)
        .bind(created_at)
        .execute(&app.pool)
        .await
        .unwrap();
    }
    for (id, state, updated_at) in [
        ("a", "absent", month),
        ("b", "pending", month),
        ("c", "resolved", half_year),
        ("d", "resolved", month),
        ("e", "absent", now),
    ] {
        sqlx::query(
            "INSERT INTO flysense_events (account_id, event_id, state, created_at, updated_at) VALUES (1, ?, ?, ?, ?)",
        )
        .bind(id)
        .bind(state)
        .bind(updated_at)
        .bind(updated_at)
        .execute(&app.pool)
        .await
        .unwrap();
    }
    for (chat, updated_at) in [(1, month), (2, now)] {
        sqlx::query("INSERT INTO bot_chats (messenger, chat_id, updated_at) VALUES ('telegram', ?, ?)")
            .bind(chat)
            .bind(updated_at)
            .execute(&app.pool)
            .await
            .unwrap();
    }
    perform(&app, &PruneHistory {}).await;
    assert_eq!(count(&app, "SELECT COUNT(*) FROM subscription_quotes WHERE id = 'qt_old'").await, 0);
    assert_eq!(count(&app, "SELECT COUNT(*) FROM subscription_quotes").await, 2);
    assert_eq!(count(&app, "SELECT COUNT(*) FROM flysense_events WHERE event_id IN ('d', 'e')").await, 2);
    assert_eq!(count(&app, "SELECT COUNT(*) FROM flysense_events").await, 2);
    assert_eq!(count(&app, "SELECT chat_id FROM bot_chats").await, 2);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn reconnects_in_progress_are_limited_per_account_and_per_address(pool: MySqlPool) {
    let app = behind_a_proxy(pool).await;
    let (_, handshake) = app.admin(Method::POST, "/v1/handshake", None).await;
    let ours: Url = handshake["connect_url"].as_str().unwrap().parse().unwrap();
    let ticket = format!("{}{}?{}", app.api_url, ours.path(), ours.query().unwrap());
    let anybody = format!("{}/oauth/amocrm/connect?widget=flysense", app.api_url);
    let connect = async |url: &str, source: &str| {
        let request = app.http.get(url).header("X-Forwarded-For", source).timeout(WAIT_TIMEOUT);
        request.send().await.unwrap()
    };
    for number in 0..50 {
        let source = format!("203.0.113.{number}");
        assert_eq!(connect(&ticket, &source).await.status(), StatusCode::FOUND, "{number}");
    }
    let refused = connect(&ticket, "203.0.113.200").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "60");
    assert!(refused.text().await.unwrap().contains("слишком много подключений"));
    for number in 0..200 {
        assert_eq!(connect(&anybody, "198.51.100.7").await.status(), StatusCode::FOUND, "{number}");
    }
    assert_eq!(connect(&anybody, "198.51.100.7").await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(connect(&anybody, "198.51.100.8").await.status(), StatusCode::FOUND, "another address");
    assert_eq!(count(&app, "SELECT COUNT(*) FROM connect_states").await, 251);
    app.advance(TimeDelta::minutes(21));
    assert_eq!(connect(&ticket, "203.0.113.200").await.status(), StatusCode::FOUND);
    assert_eq!(connect(&anybody, "198.51.100.7").await.status(), StatusCode::FOUND);
}
