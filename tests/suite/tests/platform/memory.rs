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

use super::harness::{TestApp, WAIT_TIMEOUT, as_conn, read, trace};
use super::subscriptions::{buy, sell};

struct Processes<'a> {
    app: &'a TestApp,
    urls: [String; 2],
}

impl<'a> Processes<'a> {
    /// Two processes, both with the widget and its install in the cache.
    async fn start(app: &'a TestApp) -> Self {
        let processes = Self { app, urls: [app.remembering_api().await, app.remembering_api().await] };
        for process in 0..2 {
            processes.fill_cache(process).await;
        }
        for process in 0..2 {
            assert_eq!(processes.pauth(process).await.0, StatusCode::OK);
        }
        processes
    }

    /// Returns when a process answers from its cache: it does not notice a change that nobody tells it of. A process uses its cache
    /// once it has read the changes, and not while it could not read them for a second, as on a busy machine. Leaves the tone of
    /// the install `behind`.
    async fn fill_cache(&self, process: usize) {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        for round in 0.. {
            assert!(Instant::now() < deadline, "process {process} does not use its cache");
            let tone = format!("cached-{round}");
            self.set_tone(&tone).await;
            self.invalidate().await;
            while self.pauth(process).await.1["settings"]["tone"] != *tone {
                assert!(Instant::now() < deadline, "process {process} does not know the tone");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            self.set_tone("behind").await;
            let (status, answer) = self.pauth(process).await;
            assert_eq!(status, StatusCode::OK);
            if answer["settings"]["tone"] == *tone {
                return;
            }
        }
    }

    /// Changes the install behind the back of the processes.
    async fn set_tone(&self, tone: &str) {
        let set = sqlx::query("UPDATE installs SET settings = ?").bind(json!({ "tone": tone }).to_string());
        set.execute(&self.app.pool).await.unwrap();
    }

    async fn invalidate(&self) {
        let (id, mut conn) = (self.app.install_id().await, self.app.conn().await);
        cache_invalidations::record(as_conn(&mut conn), Subject::Install(id)).await.unwrap();
    }

    async fn pauth(&self, process: usize) -> (StatusCode, Value) {
        let request = self.app.http.post(format!("{}/v1/pauth", self.urls[process]));
        let request = request.header("X-Project-Token", &self.app.project_token);
        read(request.json(&json!({ "account_id": ACCOUNT })).send().await.unwrap()).await
    }

    /// Waits until every process returns the new state. A process that cannot read the changes for a second does not use its cache.
    async fn soon(&self, what: &str, sees: impl Fn(&(StatusCode, Value)) -> bool) {
        let since = Instant::now();
        for process in 0..2 {
            while !sees(&self.pauth(process).await) {
                assert!(since.elapsed() < WAIT_TIMEOUT, "{what}: process {process} does not know it");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_revoked_project_token_is_rejected_soon_on_all_processes(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let processes = Processes::start(&app).await;
    let mut tx = app.pool.begin().await.unwrap();
    app.vault.widgets().rotate_project_token(&mut tx, &app.widget().await, None).await.unwrap();
    tx.commit().await.unwrap();
    processes.soon("the token", |(status, _)| *status == StatusCode::UNAUTHORIZED).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_change_in_one_process_reaches_the_others_soon(pool: MySqlPool) {
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

/// The handshake uses the cache as well: a switched-off widget is reported soon by every process.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_switched_off_widget_is_reported_soon(pool: MySqlPool) {
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
            assert!(since.elapsed() < WAIT_TIMEOUT, "process {process} has not applied the change");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The cache is used: a row changed without an invalidation is not noticed, and one invalidation suffices.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn responses_come_from_the_cache_until_an_invalidation(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    // It does not notice `behind`.
    let processes = Processes::start(&app).await;
    processes.invalidate().await;
    processes.soon("the word", |(_, answer)| answer["settings"]["tone"] == "behind").await;
}

/// A process that cannot read invalidations does not use its cache.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_process_without_invalidations_reads_the_database(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let processes = Processes::start(&app).await;
    sqlx::query("RENAME TABLE cache_invalidations TO cache_invalidations_away")
        .execute(&app.pool)
        .await
        .unwrap();
    processes.set_tone("fresh").await;
    let since = Instant::now();
    while processes.pauth(0).await.1["settings"]["tone"] != "fresh" {
        assert!(since.elapsed() < WAIT_TIMEOUT, "it still trusts its memory");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Handshakes tell of a subscription from the cache. Writes reach it within the limit, and time needs no write.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_handshake_follows_a_subscription_by_writes_and_by_time(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let plan = sell(&app).await;
    app.install().await;
    let url = app.remembering_api().await;
    let shake = async || {
        let request = app.http.post(format!("{url}/v1/handshake")).header("X-Auth-Token", app.token(ADMIN));
        read(request.send().await.unwrap()).await.1
    };
    let soon = async |what: &str, sees: &dyn Fn(&Value) -> bool| {
        let since = Instant::now();
        while !sees(&shake().await) {
            assert!(since.elapsed() < WAIT_TIMEOUT, "{what} is not known");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(shake().await["subscription"]["access"]["reason"], "trial");
    // Without an invalidation nothing is read. A process that could not read the changes for a second reads it nevertheless.
    let (widget, since) = (app.widget().await.id, Instant::now());
    let is_stored = |shaken: &Value| {
        shaken["subscription"]["state"] == "trialing" && shaken["plans"][0]["title"] == "Про"
    };
    loop {
        assert!(since.elapsed() < WAIT_TIMEOUT, "the cache is not used");
        cache_invalidations::record(as_conn(&mut app.conn().await), Subject::Widget(widget)).await.unwrap();
        soon("what is stored", &is_stored).await;
        write_subscription(&app, "cancelled", "behind").await;
        let shaken = shake().await;
        write_subscription(&app, "trialing", "Про").await;
        if is_stored(&shaken) {
            break;
        }
    }

    buy(&app, &plan, 1).await;
    soon("the purchase", &|shaken| shaken["subscription"]["access"]["reason"] == "paid").await;
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

/// Changes the subscription and the title of its plan behind the back of the processes.
async fn write_subscription(app: &TestApp, state: &str, title: &str) {
    sqlx::query("UPDATE subscription_plans SET title = ?").bind(title).execute(&app.pool).await.unwrap();
    sqlx::query("UPDATE subscriptions SET state = ?").bind(state).execute(&app.pool).await.unwrap();
}
