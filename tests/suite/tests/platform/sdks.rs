//! The SDKs of `sdk/` against the API. `cargo xtask clients` and CI build and install them, and name the directory.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use flysk_config::Env;
use flysk_crypto::aad;
use flysk_domain::Clock as _;
use flysk_suite::environment::{ACCOUNT, ADMIN};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use sqlx::MySqlPool;

use super::charging::WalletClient;
use super::harness::{TestApp, as_conn};

/// The SDKs, by their directories.
const SDKS: [&str; 2] = ["sdk-python", "sdk-node"];
/// Price of a minute of recognition, micro-Flycoins.
const PRICE_MICRO: i64 = 2_500_000;

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
#[ignore = "needs the SDKs that `cargo xtask clients` builds"]
async fn the_sdks_pass_their_tests_against_the_api(pool: MySqlPool) {
    let folder = Env::from_process().secret_named("FLYSK_GENERATED_CLIENTS");
    let folder = folder.expect("FLYSK_GENERATED_CLIENTS names the directory of the SDKs");
    let folder = PathBuf::from(folder.expose_secret());
    let client = WalletClient::open(pool).await;
    let event = folder.join("delivered-event.json");
    std::fs::write(&event, delivered_event(&client.app).await.to_string()).unwrap();
    for name in SDKS {
        run(&client.app, &folder.join(name), &event).await;
    }
    client.close().await;
}

/// Runs the tests of an SDK.
async fn run(app: &TestApp, sdk: &Path, event: &Path) {
    let output = tokio::process::Command::new("sh")
        .arg(sdk.join("run"))
        .env("FLYSK_URL", &app.api_url)
        .env("PROJECT_TOKEN", &app.project_token)
        .env("ACCOUNT_ID", ACCOUNT.to_string())
        .env("USER_ID", ADMIN.to_string())
        .env("PAGE_TOKEN", app.token(ADMIN))
        .env("SERVICE", "flysense.recognition")
        .env("PRICE_MICRO", PRICE_MICRO.to_string())
        .env("DELIVERED_EVENT", event)
        .output()
        .await
        .unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}:\n{told}\n{errors}", sdk.display());
}

/// A test event as it arrives while the event secret is being replaced: with the former secret and the new one.
async fn delivered_event(app: &TestApp) -> Value {
    let widget = app.widget().await;
    let sealed = widget.event_secret_sealed.clone().unwrap();
    let former = app.vault.keyring().open(&sealed, &aad::event_secret(widget.id)).unwrap();
    let until = app.clock.now() + TimeDelta::hours(24);
    let mut conn = app.conn().await;
    let registry = app.vault.widgets();
    let new = registry.rotate_event_secret(as_conn(&mut conn), &widget, Some(until)).await.unwrap();
    let body = json!({ "account_id": ACCOUNT });
    let (status, sent) = app.backend(Method::POST, "/v1/backend/events/test", Some(body)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{sent}");
    app.run_due_jobs().await;
    let call = app.vendor.control.calls_to("POST", "/events").pop().unwrap();
    let headers: Map<String, Value> =
        call.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let secrets = [former.expose_secret(), new.expose_secret()];
    json!({ "secrets": secrets, "headers": headers, "body": call.body })
}
