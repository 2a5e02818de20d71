//! The SDKs of `sdk/` against the API and against `flysk-sandbox`. `cargo xtask clients` and CI build and install them, and name the
//! directory.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use chrono::TimeDelta;
use flysk_config::Env;
use flysk_crypto::aad;
use flysk_domain::Clock as _;
use flysk_simulators::{Control, SimClock, vendor};
use flysk_suite::environment::{ACCOUNT, ADMIN, Options, SandboxProcess, connect_as_in_production};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use sqlx::MySqlPool;

use super::charging::WalletClient;
use super::harness::{TestApp, as_conn};

/// The SDKs, by their directories.
const SDKS: [&str; 2] = ["sdk-python", "sdk-node"];
/// Price of a minute, micro-Flycoins.
const PRICE_MICRO: i64 = 2_500_000;
/// Service of the sandbox's widget.
const SANDBOX_SERVICE: &str = "my-widget.talk";

/// The Flysk that an SDK is tested against.
struct SdkEnv<'a> {
    url: &'a str,
    project_token: &'a str,
    /// A one-time token of the administrator's page.
    page_token: String,
    /// Priced at [`PRICE_MICRO`] a minute.
    service: &'a str,
    /// File with a delivered event.
    event: &'a Path,
    /// Control API, if Flysk is a sandbox.
    control_url: Option<&'a str>,
}

pub(crate) fn directory() -> PathBuf {
    let folder = Env::from_process().secret_named("FLYSK_GENERATED_CLIENTS");
    let folder = folder.expect("FLYSK_GENERATED_CLIENTS names the directory of the SDKs");
    PathBuf::from(folder.expose_secret())
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
#[ignore = "needs the SDKs that `cargo xtask clients` builds"]
async fn the_sdks_pass_their_tests_against_the_api(pool: MySqlPool) {
    let folder = directory();
    // The SDKs compare the time of a signature with the system's.
    let pool = connect_as_in_production(&pool, 20).await.unwrap();
    let app = TestApp::build_at(SimClock::default(), pool).await;
    let client = WalletClient::open_in(app).await;
    let event = folder.join("delivered-event.json");
    std::fs::write(&event, delivered_event(&client.app).await.to_string()).unwrap();
    for name in SDKS {
        let env = SdkEnv {
            url: &client.app.api_url,
            project_token: &client.app.project_token,
            page_token: client.app.token(ADMIN),
            service: "flysense.recognition",
            event: &event,
            control_url: None,
        };
        run(&env, &folder.join(name)).await;
    }
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the SDKs that `cargo xtask clients` builds"]
async fn the_sdks_pass_their_tests_against_the_sandbox() -> anyhow::Result<()> {
    let folder = directory();
    let mut widget = tempfile::NamedTempFile::new()?;
    let definition = json!({
        "services": [{ "code": SANDBOX_SERVICE, "per_minute_micro": PRICE_MICRO }],
        "billing": { "flycoins": { "welcome_bonus": { "amount_micro": 1_000_000_000 } } },
        "uses_subscriptions": false,
        "plans": [],
    });
    widget.write_all(definition.to_string().as_bytes())?;
    let path = widget.path().to_str().context("a path")?;
    let sandbox = SandboxProcess::start(&Options::with_fixtures(0.0)?, &["--widget", path])?;
    let event = folder.join("delivered-event-sandbox.json");
    std::fs::write(&event, delivered_event_of_sandbox(&sandbox).await?.to_string())?;
    for name in SDKS {
        let env = SdkEnv {
            url: sandbox.text("/url"),
            project_token: sandbox.text("/project_token"),
            page_token: sandbox.token(ACCOUNT, ADMIN).await?,
            service: SANDBOX_SERVICE,
            event: &event,
            control_url: Some(sandbox.text("/control_url")),
        };
        let told = run(&env, &folder.join(name)).await;
        // Without the control API some tests are skipped; here none may be.
        ensure!(!told.contains(" skipped") || told.contains("skipped 0"), "{name}:\n{told}");
    }
    sandbox.stop()
}

/// Runs the tests of an SDK; returns what they printed.
async fn run(env: &SdkEnv<'_>, sdk: &Path) -> String {
    let mut command = tokio::process::Command::new("sh");
    command
        .arg(sdk.join("run"))
        .env("FLYSK_URL", env.url)
        .env("PROJECT_TOKEN", env.project_token)
        .env("ACCOUNT_ID", ACCOUNT.to_string())
        .env("USER_ID", ADMIN.to_string())
        .env("PAGE_TOKEN", &env.page_token)
        .env("SERVICE", env.service)
        .env("PRICE_MICRO", PRICE_MICRO.to_string())
        .env("DELIVERED_EVENT", env.event)
        .env_remove("SANDBOX_CONTROL_URL");
    if let Some(url) = env.control_url {
        command.env("SANDBOX_CONTROL_URL", url);
    }
    let output = command.output().await.unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}:\n{told}\n{errors}", sdk.display());
    told.into_owned()
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
    described([former.expose_secret(), new.expose_secret()], &call)
}

/// The same of a sandbox.
async fn delivered_event_of_sandbox(sandbox: &SandboxProcess) -> anyhow::Result<Value> {
    let backend = vendor::start(None, None, Control::with_clock(SimClock::default())).await?;
    let url = json!({ "url": format!("{}/events", backend.url) });
    sandbox.control(Method::PUT, "/event-url", Some(&url)).await?;
    let rotation = json!({ "secret": "event_secret", "keep": "1d" });
    let rotated = sandbox.control(Method::POST, "/secrets/rotate", Some(&rotation)).await?;
    let token = [("X-Project-Token", sandbox.text("/project_token"))];
    let body = json!({ "account_id": ACCOUNT });
    let (status, sent) = sandbox.api(Method::POST, "/v1/backend/events/test", &token, Some(&body)).await?;
    ensure!(status == StatusCode::ACCEPTED, "{sent}");
    // Everything that is due runs to rest.
    sandbox.control(Method::POST, "/clock/advance", Some(&json!({ "by": "0s" }))).await?;
    let call = backend.control.calls_to("POST", "/events").pop().context("the event arrives")?;
    sandbox.control(Method::PUT, "/event-url", Some(&json!({ "url": null }))).await?;
    let new = rotated["event_secret"].as_str().context("the new secret")?;
    Ok(described([sandbox.text("/event_secret"), new], &call))
}

/// An event for the tests of the SDKs.
fn described(secrets: [&str; 2], call: &flysk_simulators::Call) -> Value {
    let headers: Map<String, Value> =
        call.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({ "secrets": secrets, "headers": headers, "body": call.body })
}
