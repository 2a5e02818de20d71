//! Installing, disabling, reinstalling; genuine disconnect hooks, and replayed ones.

use chrono::TimeDelta;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_suite::environment::{ACCOUNT, CLIENT_ID, PUBLIC_ORIGIN};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::TestApp;

async fn run_retries(app: &TestApp) {
    for _ in 0..6 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(1));
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_disabled_integration_is_uninstalled_and_can_be_restored(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let body = json!({ "version": 0, "settings": { "tone": "formal" } });
    assert_eq!(app.admin(Method::PUT, "/v1/settings", Some(body)).await.0, StatusCode::OK);
    app.advance(TimeDelta::minutes(1));
    let hook = app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    assert_eq!(hook.status, Some(204));
    run_retries(&app).await;
    assert_eq!(app.status().await, "uninstalled");
    assert_eq!(app.delivered_events(), ["install", "activate", "deactivate"]);
    let (_, handshake) = app.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(handshake["status"], "uninstalled");
    assert!(handshake["reason"].as_str().unwrap().contains("отключена"));
    app.install().await;
    assert_eq!(app.status().await, "active");
    assert_eq!(app.delivered_events(), ["install", "activate", "deactivate", "install", "activate"]);
    let (_, handshake) = app.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(
        (&handshake["settings"]["tone"], &handshake["settings_version"]),
        (&json!("formal"), &json!(1))
    );
}

/// The hook's signature never expires, so that anyone who has seen it can replay it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_replayed_hook_changes_nothing(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.advance(TimeDelta::minutes(1));
    let url = app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap().url.unwrap();
    run_retries(&app).await;
    app.install().await;
    let replayed = url.replace(PUBLIC_ORIGIN, &app.api_url);
    for _ in 0..3 {
        assert_eq!(app.http.get(&replayed).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    }
    for _ in 0..10 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(10));
    }
    assert_eq!(app.status().await, "active");
    assert!(app.jobs(JobState::Dead).await.is_empty());
    let forged = replayed.replace("signature=", "signature=0");
    assert_eq!(app.http.get(&forged).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let unsigned =
        format!("{}/oauth/amocrm/disconnect?account_id={ACCOUNT}&client_uuid={CLIENT_ID}", app.api_url);
    assert_eq!(app.http.get(&unsigned).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
}

/// amoCRM may be down for an hour just after the integration was disabled: unanswered checks end nothing.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_disconnection_is_detected_after_an_outage_of_amocrm(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.advance(TimeDelta::minutes(1));
    let ill = Act::Answer { status: 502, headers: Vec::new(), body: String::new() };
    app.amocrm.control.script(Script::next("/api/v4/account", ill).times(10_000));
    let hook = app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    assert_eq!(hook.status, Some(204));
    for _ in 0..60 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(1));
    }
    assert_eq!(app.status().await, "active");
    app.amocrm.control.clear_scripts();
    for _ in 0..11 {
        app.advance(TimeDelta::minutes(1));
        app.run_due_jobs().await;
    }
    assert_eq!(app.status().await, "uninstalled");
}

/// The hook of an ended grant is still being checked when the next grant is disabled: its hook is not mistaken
/// for the first.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_second_disconnection_is_detected_during_the_first(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.advance(TimeDelta::minutes(1));
    app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    let code = app.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    assert_eq!(code.status, Some(200));
    for job in app.jobs(JobState::Queued).await {
        if job.kind == "oauth.exchange_code" {
            app.executor.execute(job.id).await.unwrap();
        }
    }
    app.advance(TimeDelta::seconds(1));
    app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    run_retries(&app).await;
    assert_eq!(app.status().await, "uninstalled");
}

/// A lost hook is detected by the next renewal.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn silently_revoked_access_is_detected(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.state.disable(CLIENT_ID, ACCOUNT, true).await.unwrap();
    app.advance(TimeDelta::hours(24));
    let (status, problem) = app.pauth().await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (403, Some("reconnect_required")));
    assert_eq!(app.status().await, "reconnect");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn events_are_numbered_without_gaps(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    for _ in 0..3 {
        app.advance(TimeDelta::minutes(1));
        app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
        run_retries(&app).await;
        app.install().await;
    }
    let (_, page) = app.backend(Method::GET, "/v1/backend/events", None).await;
    let numbers: Vec<(u64, u64)> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["number"].as_u64().unwrap(), event["sequence"].as_u64().unwrap()))
        .collect();
    assert_eq!(numbers, (1..=11).map(|n| (n, n)).collect::<Vec<_>>());
    let (_, rest) = app.backend(Method::GET, "/v1/backend/events?after_number=9&limit=1", None).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &json!("10")));
}

/// A widget that the vendor switched off stays off after a reinstall, until the vendor switches it on.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_switched_off_widget_stays_off_after_a_reinstall(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let switch = async |on: bool| {
        app.advance(TimeDelta::seconds(1));
        let body = json!({ "account_id": ACCOUNT, "on": on });
        let (status, answer) = app.backend(Method::PUT, "/v1/backend/switch", Some(body)).await;
        app.run_due_jobs().await;
        (status, answer["status"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(switch(false).await, (StatusCode::OK, "inactive".to_owned()));
    assert_eq!(switch(false).await, (StatusCode::OK, "inactive".to_owned()));
    let (_, shaken) = app.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!((shaken["status"].as_str(), shaken["connect_url"].is_null()), (Some("inactive"), true));
    app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    run_retries(&app).await;
    app.install().await;
    assert_eq!(app.status().await, "inactive");
    assert_eq!(switch(true).await, (StatusCode::OK, "active".to_owned()));
    let told = app.delivered_events();
    assert_eq!(told, ["install", "activate", "deactivate", "deactivate", "install", "activate"]);
}
