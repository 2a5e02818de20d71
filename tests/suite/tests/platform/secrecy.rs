//! Secrets are absent from logs and `Debug` and unreadable in rows, and the audit log of tokens is permanent.
//! Alerts are log lines, so they are tested here, too.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use flysk_crypto::aad;
use flysk_domain::Clock;
use flysk_simulators::{Act, Script};
use flysk_store::platform::{token_audit, tokens};
use flysk_suite::environment::{ACCOUNT, ADMIN, CLIENT_SECRET};
use flysk_tokens::{Freshness, TokenRequester};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, MySqlPool};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::harness::{TestApp, as_conn, trace};

/// All log output of this thread, which runs the whole application.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("debug"))
            .with_writer(self.clone())
            .with_ansi(false)
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A full day of an account: everything that uses a secret, with success and failure. Returns the secrets.
async fn a_day(app: &TestApp) -> Vec<(&'static str, String)> {
    app.install().await;
    let token = app.token(ADMIN);
    let (_, shaken) = app.ask(Method::POST, "/v1/handshake", ("X-Auth-Token", &token), None).await;
    let session = shaken["session"]["token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {session}");
    let body = json!({ "version": 0, "settings": { "tone": "formal" } });
    assert_eq!(
        app.ask(Method::PUT, "/v1/settings", ("Authorization", &bearer), Some(body)).await.0,
        StatusCode::OK
    );
    let (status, access) = app.backend(Method::POST, "/v1/pauth", Some(json!({ "token": token }))).await;
    assert_eq!(status, StatusCode::OK);
    let gateway = app.http.get(format!("{}/v1/amocrm/api/v4/account", app.api_url));
    let gateway =
        gateway.header("X-Project-Token", &app.project_token).header("X-Account-Id", ACCOUNT.to_string());
    assert_eq!(gateway.send().await.unwrap().status(), StatusCode::OK);
    let refresh = refresh_token(app).await;
    let id = app.install_id().await;
    app.amocrm.control.script(Script::next("/oauth2/access_token", Act::ServeThenCut));
    for _ in 0..2 {
        let _goes_wrong = app.vault.renew(id, Freshness::IssuedAfter(app.clock.now()), &trace()).await;
        app.advance(chrono::TimeDelta::seconds(11));
    }
    let codes = app.amocrm.control.calls_to("POST", "/oauth2/access_token");
    let code: Value = serde_json::from_str(&codes[0].body).unwrap();
    let widget = app.widget().await;
    let sealed = widget.event_secret_sealed.clone().unwrap();
    let event_secret = app.vault.keyring().open(&sealed, &aad::event_secret(widget.id)).unwrap();
    vec![
        ("the integration's secret", CLIENT_SECRET.to_owned()),
        ("the project token", app.project_token.clone()),
        ("the event secret", event_secret.expose_secret().to_owned()),
        ("a one-time token", token),
        ("a session", session),
        ("an authorization code", code["code"].as_str().unwrap().to_owned()),
        ("an access token", access["access_token"].as_str().unwrap().to_owned()),
        ("a refresh token", refresh),
    ]
}

async fn refresh_token(app: &TestApp) -> String {
    let id = app.install_id().await;
    let pair = tokens::find(as_conn(&mut app.conn().await), id).await.unwrap().unwrap();
    let opened = app.vault.keyring().open(&pair.refresh_sealed, &aad::refresh_token(id)).unwrap();
    opened.expose_secret().to_owned()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn no_secret_is_logged_shown_or_readable_at_rest(pool: MySqlPool) {
    let log = Log::default();
    let guard = log.listen();
    let app = TestApp::build(pool).await;
    let secrets = a_day(&app).await;
    drop(guard);
    let logged = log.text();
    assert!(
        logged.contains("access was granted") && logged.contains("refused the grant"),
        "nothing was logged"
    );
    let shown = shown(&app).await;
    for (what, secret) in &secrets {
        assert!(!logged.contains(secret.as_str()), "{what} is logged");
        assert!(!shown.contains(secret.as_str()), "{what} is shown by Debug");
        assert_eq!(found_in_rows(&app, secret).await, Vec::<String>::new(), "{what} is readable at rest");
    }
    let seeing = found_in_rows(&app, "demo.amocrm.ru").await;
    assert!(
        seeing.iter().any(|column| column == "accounts.host"),
        "the search does not find texts in rows: {seeing:?}"
    );
}

/// `Debug` of the values that handlers pass around.
async fn shown(app: &TestApp) -> String {
    let any = Freshness::ValidFor(std::time::Duration::ZERO);
    let held =
        app.vault.access_token(app.install_id().await, any, &TokenRequester::flysk("test"), &trace()).await;
    let credentials = app.vault.credentials(&app.widget().await).unwrap();
    let pair = tokens::find(as_conn(&mut app.conn().await), app.install_id().await).await.unwrap();
    format!(
        "{held:?} {credentials:?} {pair:?} {:?} {:?} {:?} {:?}",
        app.widget().await,
        app.vault,
        app.executor,
        app.executor.app()
    )
}

/// Columns that contain a text.
async fn found_in_rows(app: &TestApp, secret: &str) -> Vec<String> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.columns
         WHERE table_schema = DATABASE() AND data_type IN ('char', 'varchar', 'text', 'mediumtext', 'longtext', 'json', 'blob', 'mediumblob', 'longblob')",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    let mut found = Vec::new();
    for (table, column) in columns {
        let sql =
            format!("SELECT COUNT(*) FROM `{table}` WHERE INSTR(CONVERT(`{column}` USING utf8mb4), ?) > 0");
        let count: i64 =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(secret).fetch_one(&app.pool).await.unwrap();
        if count > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    found
}

/// Each entry of the audit log is kept for its time whatever happens to the install: no code in the store changes one, and the
/// only one that deletes them deletes the oldest.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_audit_log_of_tokens_loses_nothing_but_its_oldest_entries(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    for _ in 0..3 {
        assert_eq!(app.pauth().await.0, StatusCode::OK);
    }
    let id = app.install_id().await;
    app.amocrm.state.disable(flysk_suite::environment::CLIENT_ID, ACCOUNT, false).await.unwrap();
    for _ in 0..6 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(1));
    }
    app.install().await;
    let reads = token_audit::list_latest(as_conn(&mut app.conn().await), id, 10).await.unwrap();
    let mut purposes: Vec<&str> = reads.iter().map(|read| read.purpose.as_str()).collect();
    purposes.reverse();
    let (ours, theirs) = ("oauth.exchange_code", "background");
    assert_eq!(purposes, [ours, theirs, theirs, theirs, "oauth.confirm_disconnect", ours]);
    let store = std::path::Path::new("../../shared/store/src");
    for (path, text) in sources(store) {
        for statement in ["UPDATE token_audit", "TRUNCATE"] {
            assert!(!text.contains(statement), "{path}: {statement}");
        }
        let deleting = text.matches("DELETE FROM token_audit").count();
        let by_age = text.matches("DELETE FROM token_audit WHERE id <= ? AND read_at < ?").count();
        assert_eq!((deleting, deleting), (by_age, usize::from(path.ends_with("token_audit.rs"))), "{path}");
    }
}

fn sources(folder: &std::path::Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(sources(&entry.path()));
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            found.push((entry.path().display().to_string(), std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
    found
}

/// Names of fields with a credential.
const CREDENTIALS: [&str; 6] = ["token", "access_token", "refresh_token", "secret", "ticket", "csrf"];

/// Name and type of a field, whoever may see it.
fn field_of(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let declared = match line.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ")?.1,
        None => line.strip_prefix("pub ").unwrap_or(line),
    };
    declared.split_once(": ")
}

/// The structs of a source that derive `Debug`, with their fields.
fn shown_structs(source: &str) -> Vec<&str> {
    let derives = source.match_indices("#[derive(").map(|(at, _)| &source[at..]);
    let shown = derives.filter(|rest| rest.split(")]").next().is_some_and(|list| list.contains("Debug")));
    let items = shown.filter_map(|rest| rest.split("\n}").next());
    items.filter(|item| item.split_once('{').is_some_and(|(head, _)| head.contains("struct "))).collect()
}

/// A field of a struct that is a credential as plain text.
fn plain_credential(item: &str) -> Option<&str> {
    let is_plain = |line: &&str| {
        let field = field_of(line).filter(|(_, kind)| kind.contains("String"));
        field.is_some_and(|(name, kind)| CREDENTIALS.contains(&name) && !kind.contains("SecretString"))
    };
    item.split_once('{')?.1.lines().find(is_plain)
}

#[test]
fn a_credential_is_found_whoever_may_see_the_field() {
    for field in
        ["token", "pub token", "pub(crate) token", "pub(super) token", "pub(in crate::billing_page) token"]
    {
        for (derive, kind, is_shown) in [
            ("Debug", "String", true),
            ("Clone, Debug", "Option<String>", true),
            ("Debug", "SecretString", false),
            ("Clone", "String", false),
        ] {
            let source = format!("#[derive({derive})]\nstruct Button {{\n    {field}: {kind},\n}}\n");
            let found = shown_structs(&source).into_iter().any(|item| plain_credential(item).is_some());
            assert_eq!(found, is_shown, "{source}");
        }
    }
}

/// Types with a credential as plain text must not derive `Debug`, however private they are: what contains them would show it, too.
#[test]
fn types_with_credentials_do_not_derive_debug() {
    const FOLDERS: [&str; 6] =
        ["api", "admin", "workers", "shared/services", "shared/tokens", "shared/clients"];
    let mut looked_at = 0;
    for folder in FOLDERS {
        for (path, text) in sources(&std::path::Path::new("../..").join(folder).join("src")) {
            for item in shown_structs(&text) {
                assert!(plain_credential(item).is_none(), "{path}: {item}");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 200, "{looked_at}");
}

/// Ten consecutive failures cause one alert to operators.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_backend_that_keeps_failing_causes_an_alert(pool: MySqlPool) {
    let log = Log::default();
    let guard = log.listen();
    let app = TestApp::build(pool).await;
    let changes = flysk_store::platform::widgets::Changes {
        delivery_delays: Some(Some(vec![1; 20])),
        ..Default::default()
    };
    let widget = app.widget().await;
    let mut conn = app.conn().await;
    flysk_store::platform::widgets::update(as_conn(&mut conn), widget.id, &changes, app.clock.now())
        .await
        .unwrap();
    let ill = Act::Answer { status: 500, headers: Vec::new(), body: String::new() };
    app.vendor.control.script(Script::next("/events", ill).times(12));
    app.install().await;
    for _ in 0..200 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::seconds(1));
    }
    drop(guard);
    let alerts = log.text().lines().filter(|line| line.contains("backend_down")).count();
    assert_eq!(alerts, 1);
}
