//! Installing, switching off, coming back; hooks that are true, and old ones played again.

use chrono::TimeDelta;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_suite::stand::{ACCOUNT, CLIENT_ID, PUBLIC_ORIGIN};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use super::house::House;

async fn patience(house: &House) {
    for _ in 0..6 {
        house.run_due_jobs().await;
        house.advance(TimeDelta::minutes(1));
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_disabled_integration_is_uninstalled_and_comes_back_as_it_was(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let body = json!({ "version": 0, "settings": { "tone": "formal" } });
    assert_eq!(house.admin(Method::PUT, "/v1/settings", Some(body)).await.0, StatusCode::OK);
    house.advance(TimeDelta::minutes(1));
    let hook = house.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    assert_eq!(hook.status, Some(204));
    patience(&house).await;
    assert_eq!(house.status().await, "uninstalled");
    assert_eq!(house.told(), ["install", "activate", "deactivate"]);
    let (_, handshake) = house.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(handshake["status"], "uninstalled");
    assert!(handshake["reason"].as_str().unwrap().contains("отключена"));
    house.install().await;
    assert_eq!(house.status().await, "active");
    assert_eq!(house.told(), ["install", "activate", "deactivate", "install", "activate"]);
    let (_, handshake) = house.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(
        (&handshake["settings"]["tone"], &handshake["settings_version"]),
        (&json!("formal"), &json!(1))
    );
}

/// The hook's signature never goes stale: anybody who saw it once can send it for ever.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_old_hook_played_again_changes_nothing(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.advance(TimeDelta::minutes(1));
    let url = house.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap().url.unwrap();
    patience(&house).await;
    house.install().await;
    let replayed = url.replace(PUBLIC_ORIGIN, &house.api_url);
    for _ in 0..3 {
        assert_eq!(house.http.get(&replayed).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    }
    for _ in 0..10 {
        house.run_due_jobs().await;
        house.advance(TimeDelta::minutes(10));
    }
    assert_eq!(house.status().await, "active");
    assert!(house.jobs(JobState::Dead).await.is_empty());
    let forged = replayed.replace("signature=", "signature=0");
    assert_eq!(house.http.get(&forged).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let unsigned =
        format!("{}/oauth/amocrm/disconnect?account_id={ACCOUNT}&client_uuid={CLIENT_ID}", house.api_url);
    assert_eq!(house.http.get(&unsigned).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
}

/// amoCRM may be ill for an hour just when it disables us: questions without an answer end nothing.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_disconnection_is_found_out_after_amocrm_was_ill_for_an_hour(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.advance(TimeDelta::minutes(1));
    let ill = Act::Answer { status: 502, headers: Vec::new(), body: String::new() };
    house.amocrm.control.script(Script::next("/api/v4/account", ill).times(10_000));
    let hook = house.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    assert_eq!(hook.status, Some(204));
    for _ in 0..60 {
        house.run_due_jobs().await;
        house.advance(TimeDelta::minutes(1));
    }
    assert_eq!(house.status().await, "active");
    house.amocrm.control.clear_scripts();
    for _ in 0..11 {
        house.advance(TimeDelta::minutes(1));
        house.run_due_jobs().await;
    }
    assert_eq!(house.status().await, "uninstalled");
}

/// A hook of a grant that is over still waits to be found out: the next grant's own hook is not taken for it.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_second_disconnection_is_not_lost_behind_the_first(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.advance(TimeDelta::minutes(1));
    house.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    let code = house.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    assert_eq!(code.status, Some(200));
    for job in house.jobs(JobState::Queued).await {
        if job.kind == "oauth.exchange_code" {
            house.engine.perform(job.id).await.unwrap();
        }
    }
    house.advance(TimeDelta::seconds(1));
    house.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    patience(&house).await;
    assert_eq!(house.status().await, "uninstalled");
}

/// A lost hook is noticed by the next renewal.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn access_that_was_withdrawn_silently_is_noticed(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.state.disable(CLIENT_ID, ACCOUNT, true).await.unwrap();
    house.advance(TimeDelta::hours(24));
    let (status, problem) = house.pauth().await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (403, Some("reconnect_required")));
    assert_eq!(house.status().await, "reconnect");
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn events_are_numbered_without_gaps(pool: MySqlPool) {
    let house = House::installed(pool).await;
    for _ in 0..3 {
        house.advance(TimeDelta::minutes(1));
        house.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
        patience(&house).await;
        house.install().await;
    }
    let (_, page) = house.backend(Method::GET, "/v1/backend/events?after=0", None).await;
    let numbers: Vec<(u64, u64)> = page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["number"].as_u64().unwrap(), event["sequence"].as_u64().unwrap()))
        .collect();
    assert_eq!(numbers, (1..=11).map(|n| (n, n)).collect::<Vec<_>>());
    let (_, rest) = house.backend(Method::GET, "/v1/backend/events?after=9&limit=1", None).await;
    assert_eq!((rest["events"].as_array().unwrap().len(), &rest["next"]), (1, &json!(10)));
}

/// What a vendor switched off stays off, through a reinstall, until the vendor switches it on.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_widget_that_was_switched_off_comes_back_switched_off(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let switch = async |on: bool| {
        house.advance(TimeDelta::seconds(1));
        let body = json!({ "account_id": ACCOUNT, "on": on });
        let (status, answer) = house.backend(Method::PUT, "/v1/backend/switch", Some(body)).await;
        house.run_due_jobs().await;
        (status, answer["status"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(switch(false).await, (StatusCode::OK, "inactive".to_owned()));
    assert_eq!(switch(false).await, (StatusCode::OK, "inactive".to_owned()));
    let (_, shaken) = house.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!((shaken["status"].as_str(), shaken["connect_url"].is_null()), (Some("inactive"), true));
    house.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    patience(&house).await;
    house.install().await;
    assert_eq!(house.status().await, "inactive");
    assert_eq!(switch(true).await, (StatusCode::OK, "active".to_owned()));
    assert_eq!(house.told(), ["install", "activate", "deactivate", "install", "activate"]);
}
