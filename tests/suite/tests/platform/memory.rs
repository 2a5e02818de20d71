//! The in-process cache and its invalidation: two API processes, one database.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_simulators::{Act, Script};
use flysk_store::platform::cache_invalidations::{self, Subject};
use flysk_store::platform::subscriptions;
use flysk_suite::environment::{ACCOUNT, ADMIN};
use flysk_tokens::Freshness;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{TestApp, as_conn, read, trace};
use super::subscriptions::{buy, sell};

/// Documented maximum staleness of the cache.
const MAX_STALENESS: Duration = Duration::from_secs(1);

struct Processes<'a> {
    app: &'a TestApp,
    urls: [String; 2],
}

impl<'a> Processes<'a> {
    /// Two processes, both with the widget and its install in the cache.
    async fn start(app: &'a TestApp) -> Self {
        let processes = Self { app, urls: [app.remembering_api().await, app.remembering_api().await] };
        // The first read of changes must complete before anything is cached.
        tokio::time::sleep(Duration::from_millis(300)).await;
        for process in 0..2 {
            assert_eq!(processes.pauth(process).await.0, StatusCode::OK);
        }
        processes
    }

    async fn pauth(&self, process: usize) -> (StatusCode, Value) {
        let request = self.app.http.post(format!("{}/v1/pauth", self.urls[process]));
        let request = request.header("X-Project-Token", &self.app.project_token);
        read(request.json(&json!({ "account_id": ACCOUNT })).send().await.unwrap()).await
    }

    /// Waits until every process returns the new state within the limit.
    async fn soon(&self, what: &str, sees: impl Fn(&(StatusCode, Value)) -> bool) {
        let since = Instant::now();
        for process in 0..2 {
            while !sees(&self.pauth(process).await) {
                assert!(since.elapsed() < MAX_STALENESS, "{what}: process {process} does not know it");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_revoked_project_token_is_rejected_within_a_second_on_all_processes(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let processes = Processes::start(&app).await;
    let mut tx = app.pool.begin().await.unwrap();
    app.vault.widgets().rotate_project_token(&mut tx, &app.widget().await, None).await.unwrap();
    tx.commit().await.unwrap();
    processes.soon("the token", |(status, _)| *status == StatusCode::UNAUTHORIZED).await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_change_in_one_process_reaches_the_others_within_a_second(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let processes = Processes::start(&app).await;
    let body = json!({ "version": 0, "settings": { "tone": "formal" } });
    let path = format!("{}/v1/backend/settings?account_id={ACCOUNT}", processes.urls[0]);
    let put =
        app.http.put(path).header("X-Project-Token", &app.project_token).json(&body).send().await.unwrap();
    assert_eq!(put.status(), StatusCode::OK);
    let (_, answered) = processes.pauth(0).await;
    assert_eq!(answered["settings"]["tone"], "formal", "a caller that got success can read the write");
    processes.soon("settings", |(_, answer)| answer["settings"]["tone"] == "formal").await;
    let (_, before) = processes.pauth(1).await;
    app.vault.renew(app.install_id().await, Freshness::IssuedAfter(app.clock.now()), &trace()).await.unwrap();
    let other = |(_, answer): &(StatusCode, Value)| answer["access_token"] != before["access_token"];
    processes.soon("the pair", other).await;
    let hint = json!({ "hint": "Token has been revoked", "title": "…", "status": 401, "detail": "…" });
    let headers = vec![("content-type".to_owned(), "application/problem+json".to_owned())];
    let refused = Act::Answer { status: 401, headers, body: hint.to_string() };
    app.amocrm.control.script(Script::next("/oauth2/access_token", refused));
    let _refused =
        app.vault.renew(app.install_id().await, Freshness::IssuedAfter(app.clock.now()), &trace()).await;
    processes.soon("the loss", |(_, answer)| answer["code"] == "reconnect_required").await;
}

/// The handshake uses the cache as well: a switched-off widget is reported within a second by every process.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_switched_off_widget_is_reported_within_a_second(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let processes = Processes::start(&app).await;
    let shake = async |process: usize| {
        let request = app.http.post(format!("{}/v1/handshake", processes.urls[process]));
        read(request.header("X-Auth-Token", app.token(ADMIN)).send().await.unwrap()).await.1
    };
    for process in [0, 1, 0, 1] {
        assert_eq!(shake(process).await["status"], "active");
    }
    let off = json!({ "account_id": ACCOUNT, "on": false });
    assert_eq!(app.backend(Method::PUT, "/v1/backend/switch", Some(off)).await.0, StatusCode::OK);
    let since = Instant::now();
    for process in 0..2 {
        while shake(process).await["status"] != "inactive" {
            assert!(since.elapsed() < MAX_STALENESS, "process {process} has not applied the change");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The cache is used: a row changed without an invalidation is not noticed, and one invalidation suffices.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn responses_come_from_the_cache_until_an_invalidation(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let processes = Processes::start(&app).await;
    sqlx::query("UPDATE installs SET settings = '{\"tone\": \"behind\"}'").execute(&app.pool).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(processes.pauth(0).await.1["settings"], json!({}));
    let id = app.install_id().await;
    cache_invalidations::record(as_conn(&mut app.conn().await), Subject::Install(id)).await.unwrap();
    processes.soon("the word", |(_, answer)| answer["settings"]["tone"] == "behind").await;
}

/// A process that cannot read invalidations does not use its cache.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_process_without_invalidations_reads_the_database(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let processes = Processes::start(&app).await;
    sqlx::query("RENAME TABLE cache_invalidations TO cache_invalidations_away")
        .execute(&app.pool)
        .await
        .unwrap();
    sqlx::query("UPDATE installs SET settings = '{\"tone\": \"fresh\"}'").execute(&app.pool).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let since = Instant::now();
    while processes.pauth(0).await.1["settings"]["tone"] != "fresh" {
        assert!(since.elapsed() < MAX_STALENESS, "it still trusts its memory");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Handshakes tell of a subscription from the cache. Writes reach it within the limit, and time needs no write.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_handshake_follows_a_subscription_by_writes_and_by_time(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let plan = sell(&app).await;
    app.install().await;
    let url = app.remembering_api().await;
    // The first read of changes must complete before anything is cached.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let shake = async || {
        let request = app.http.post(format!("{url}/v1/handshake")).header("X-Auth-Token", app.token(ADMIN));
        read(request.send().await.unwrap()).await.1
    };
    let soon = async |what: &str, sees: &dyn Fn(&Value) -> bool| {
        let since = Instant::now();
        while !sees(&shake().await) {
            assert!(since.elapsed() < MAX_STALENESS, "{what} is not known");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(shake().await["subscription"]["access"]["reason"], "trial");
    // Without an invalidation nothing is read.
    sqlx::query("UPDATE subscription_plans SET title = 'behind'").execute(&app.pool).await.unwrap();
    sqlx::query("UPDATE subscriptions SET state = 'cancelled'").execute(&app.pool).await.unwrap();
    let shaken = shake().await;
    assert_eq!(
        (&shaken["subscription"]["state"], &shaken["plans"][0]["title"]),
        (&json!("trialing"), &json!("Про"))
    );
    sqlx::query("UPDATE subscriptions SET state = 'trialing'").execute(&app.pool).await.unwrap();

    buy(&app, &plan, 1).await;
    soon("the purchase", &|shaken| shaken["subscription"]["access"]["reason"] == "paid").await;
    let widget = app.widget().await.id;
    let mut conn = app.conn().await;
    assert!(subscriptions::retire_plan(as_conn(&mut conn), widget, &"pro".parse().unwrap()).await.unwrap());
    drop(conn);
    soon("the offer", &|shaken| shaken["plans"] == json!([])).await;

    app.advance(TimeDelta::days(90));
    // No job has run: the invoice of the next period is not written yet, so the access stays and its reason changes.
    let access = shake().await["subscription"]["access"].clone();
    assert_eq!(
        (&access["level"], &access["reason"], &access["until"]),
        (&json!("allowed"), &json!("renewing"), &Value::Null)
    );
}
