//! What API processes answer from memory, and how soon they forget it: two processes, one database.

use std::time::{Duration, Instant};

use flysk_domain::Clock;
use flysk_simulators::{Act, Script};
use flysk_store::platform::changes::{self, Subject};
use flysk_suite::stand::{ACCOUNT, ADMIN};
use flysk_vault::Need;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::house::{House, on, read, trace};

/// What is promised.
const WITHIN: Duration = Duration::from_secs(1);

struct Processes<'a> {
    house: &'a House,
    urls: [String; 2],
}

impl<'a> Processes<'a> {
    /// Both, and each remembers the widget and its install.
    async fn start(house: &'a House) -> Self {
        let processes = Self { house, urls: [house.remembering_api().await, house.remembering_api().await] };
        // The first reading of changes has to be over before anything is kept.
        tokio::time::sleep(Duration::from_millis(300)).await;
        for process in 0..2 {
            assert_eq!(processes.pauth(process).await.0, StatusCode::OK);
        }
        processes
    }

    async fn pauth(&self, process: usize) -> (StatusCode, Value) {
        let request = self.house.http.post(format!("{}/v1/pauth", self.urls[process]));
        let request = request.header("X-Project-Token", &self.house.project_token);
        read(request.json(&json!({ "account_id": ACCOUNT })).send().await.unwrap()).await
    }

    /// Every process sees it in time.
    async fn soon(&self, what: &str, sees: impl Fn(&(StatusCode, Value)) -> bool) {
        let since = Instant::now();
        for process in 0..2 {
            while !sees(&self.pauth(process).await) {
                assert!(since.elapsed() < WITHIN, "{what}: process {process} does not know it");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_revoked_project_token_is_dead_within_a_second_on_all_processes(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let processes = Processes::start(&house).await;
    let mut tx = house.pool.begin().await.unwrap();
    house.vault.rotate_project_token(&mut tx, &house.widget().await, None).await.unwrap();
    tx.commit().await.unwrap();
    processes.soon("the token", |(status, _)| *status == StatusCode::UNAUTHORIZED).await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn what_one_process_changes_the_others_know_within_a_second(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let processes = Processes::start(&house).await;
    let body = json!({ "version": 0, "settings": { "tone": "formal" } });
    let path = format!("{}/v1/backend/settings?account_id={ACCOUNT}", processes.urls[0]);
    let put = house
        .http
        .put(path)
        .header("X-Project-Token", &house.project_token)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), StatusCode::OK);
    let (_, answered) = processes.pauth(0).await;
    assert_eq!(answered["settings"]["tone"], "formal", "who was told that it is written sees it");
    processes.soon("settings", |(_, answer)| answer["settings"]["tone"] == "formal").await;
    let (_, before) = processes.pauth(1).await;
    house.vault.renew(house.install_id().await, Need::NewerThan(house.clock.now()), &trace()).await.unwrap();
    let other = |(_, answer): &(StatusCode, Value)| answer["access_token"] != before["access_token"];
    processes.soon("the pair", other).await;
    let hint = json!({ "hint": "Token has been revoked", "title": "…", "status": 401, "detail": "…" });
    let headers = vec![("content-type".to_owned(), "application/problem+json".to_owned())];
    let refused = Act::Answer { status: 401, headers, body: hint.to_string() };
    house.amocrm.control.script(Script::next("/oauth2/access_token", refused));
    let _refused =
        house.vault.renew(house.install_id().await, Need::NewerThan(house.clock.now()), &trace()).await;
    processes.soon("the loss", |(_, answer)| answer["code"] == "reconnect_required").await;
}

/// The handshake remembers, too: a widget that is switched off is told so within a second, at every process.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_widget_that_is_switched_off_is_told_so_within_a_second(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let processes = Processes::start(&house).await;
    let shake = async |process: usize| {
        let request = house.http.post(format!("{}/v1/handshake", processes.urls[process]));
        read(request.header("X-Auth-Token", house.token(ADMIN)).send().await.unwrap()).await.1
    };
    for process in [0, 1, 0, 1] {
        assert_eq!(shake(process).await["status"], "active");
    }
    let off = json!({ "account_id": ACCOUNT, "on": false });
    assert_eq!(house.backend(Method::PUT, "/v1/backend/switch", Some(off)).await.0, StatusCode::OK);
    let since = Instant::now();
    for process in 0..2 {
        while shake(process).await["status"] != "inactive" {
            assert!(since.elapsed() < WITHIN, "process {process} does not know it");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Memory is really asked: a row that changes without a word is not noticed, and one word is enough.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn answers_come_from_memory_until_a_change_is_noted(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let processes = Processes::start(&house).await;
    sqlx::query("UPDATE installs SET settings = '{\"tone\": \"behind\"}'")
        .execute(&house.pool)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(processes.pauth(0).await.1["settings"], json!({}));
    let id = house.install_id().await;
    changes::note(on(&mut house.conn().await), Subject::Install(id)).await.unwrap();
    processes.soon("the word", |(_, answer)| answer["settings"]["tone"] == "behind").await;
}

/// A process that cannot read what changed trusts nothing it remembers.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_process_that_hears_nothing_asks_the_database(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let processes = Processes::start(&house).await;
    sqlx::query("RENAME TABLE platform_changes TO platform_changes_away").execute(&house.pool).await.unwrap();
    sqlx::query("UPDATE installs SET settings = '{\"tone\": \"fresh\"}'").execute(&house.pool).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let since = Instant::now();
    while processes.pauth(0).await.1["settings"]["tone"] != "fresh" {
        assert!(since.elapsed() < WITHIN, "it still trusts its memory");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
