//! Secrets stay where they belong: not in logs, not in `Debug`, not readable in rows; and who was given a token is never
//! forgotten. Alerts are log lines, so they are looked for here, too.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_simulators::{Act, Script};
use flysk_store::platform::{token_reads, tokens};
use flysk_suite::stand::{ACCOUNT, ADMIN, CLIENT_SECRET};
use flysk_vault::{Need, Reader, places};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, MySqlPool};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::house::{House, on, trace};

/// Everything that is logged on this thread, which all of the house lives on.
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

/// A full day of an account: everything that touches a secret, going well and going wrong. What must not be seen.
async fn a_day(house: &House) -> Vec<(&'static str, String)> {
    house.install().await;
    let token = house.token(ADMIN);
    let (_, shaken) = house.ask(Method::POST, "/v1/handshake", ("X-Auth-Token", &token), None).await;
    let session = shaken["session"]["token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {session}");
    let body = json!({ "version": 0, "settings": { "tone": "formal" } });
    assert_eq!(
        house.ask(Method::PUT, "/v1/settings", ("Authorization", &bearer), Some(body)).await.0,
        StatusCode::OK
    );
    let (status, access) = house.backend(Method::POST, "/v1/pauth", Some(json!({ "token": token }))).await;
    assert_eq!(status, StatusCode::OK);
    let gateway = house.http.get(format!("{}/v1/amocrm/api/v4/account", house.api_url));
    let gateway =
        gateway.header("X-Project-Token", &house.project_token).header("X-Account-Id", ACCOUNT.to_string());
    assert_eq!(gateway.send().await.unwrap().status(), StatusCode::OK);
    let refresh = refresh_token(house).await;
    let id = house.install_id().await;
    house.amocrm.control.script(Script::next("/oauth2/access_token", Act::ServeThenCut));
    for _ in 0..2 {
        let _goes_wrong = house.vault.renew(id, Need::NewerThan(house.clock.now()), &trace()).await;
        house.advance(chrono::TimeDelta::seconds(11));
    }
    let codes = house.amocrm.control.calls_to("POST", "/oauth2/access_token");
    let code: Value = serde_json::from_str(&codes[0].body).unwrap();
    let widget = house.widget().await;
    let sealed = widget.event_secret_sealed.clone().unwrap();
    let event_secret = house.vault.keyring().open(&sealed, &places::event_secret(widget.id)).unwrap();
    vec![
        ("the integration's secret", CLIENT_SECRET.to_owned()),
        ("the project token", house.project_token.clone()),
        ("the event secret", event_secret.expose_secret().to_owned()),
        ("a one-time token", token),
        ("a session", session),
        ("an authorization code", code["code"].as_str().unwrap().to_owned()),
        ("an access token", access["access_token"].as_str().unwrap().to_owned()),
        ("a refresh token", refresh),
    ]
}

async fn refresh_token(house: &House) -> String {
    let id = house.install_id().await;
    let pair = tokens::find(on(&mut house.conn().await), id).await.unwrap().unwrap();
    let opened = house.vault.keyring().open(&pair.refresh_sealed, &places::refresh_token(id)).unwrap();
    opened.expose_secret().to_owned()
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn no_secret_is_logged_shown_or_readable_at_rest(pool: MySqlPool) {
    let log = Log::default();
    let guard = log.listen();
    let house = House::build(pool).await;
    let secrets = a_day(&house).await;
    drop(guard);
    let logged = log.text();
    assert!(
        logged.contains("access was granted") && logged.contains("refused the grant"),
        "nothing was logged"
    );
    let shown = shown(&house).await;
    for (what, secret) in &secrets {
        assert!(!logged.contains(secret.as_str()), "{what} is logged");
        assert!(!shown.contains(secret.as_str()), "{what} is shown by Debug");
        assert_eq!(found_in_rows(&house, secret).await, Vec::<String>::new(), "{what} is readable at rest");
    }
    let seeing = found_in_rows(&house, "demo.amocrm.ru").await;
    assert!(seeing.iter().any(|column| column == "accounts.host"), "rows are not looked through: {seeing:?}");
}

/// `Debug` of what handlers pass around.
async fn shown(house: &House) -> String {
    let any = Need::AliveFor(std::time::Duration::ZERO);
    let held = house.vault.access(house.install_id().await, any, &Reader::flysk("test"), &trace()).await;
    let credentials = house.vault.credentials(&house.widget().await).unwrap();
    let pair = tokens::find(on(&mut house.conn().await), house.install_id().await).await.unwrap();
    format!(
        "{held:?} {credentials:?} {pair:?} {:?} {:?} {:?} {:?}",
        house.widget().await,
        house.vault,
        house.engine,
        house.engine.app()
    )
}

/// Columns in which a text occurs.
async fn found_in_rows(house: &House, secret: &str) -> Vec<String> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.columns
         WHERE table_schema = DATABASE() AND data_type IN ('char', 'varchar', 'text', 'mediumtext', 'longtext', 'json', 'blob', 'mediumblob', 'longblob')",
    )
    .fetch_all(&house.pool)
    .await
    .unwrap();
    let mut found = Vec::new();
    for (table, column) in columns {
        let sql =
            format!("SELECT COUNT(*) FROM `{table}` WHERE INSTR(CONVERT(`{column}` USING utf8mb4), ?) > 0");
        let count: i64 =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(secret).fetch_one(&house.pool).await.unwrap();
        if count > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    found
}

/// Each disclosure stays, whatever becomes of the install, and nothing in the store changes or deletes one.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn who_was_given_a_token_is_never_forgotten(pool: MySqlPool) {
    let house = House::installed(pool).await;
    for _ in 0..3 {
        assert_eq!(house.pauth().await.0, StatusCode::OK);
    }
    let id = house.install_id().await;
    house.amocrm.state.disable(flysk_suite::stand::CLIENT_ID, ACCOUNT, false).await.unwrap();
    for _ in 0..6 {
        house.run_due_jobs().await;
        house.advance(TimeDelta::minutes(1));
    }
    house.install().await;
    let reads = token_reads::list_latest(on(&mut house.conn().await), id, 10).await.unwrap();
    let mut purposes: Vec<&str> = reads.iter().map(|read| read.purpose.as_str()).collect();
    purposes.reverse();
    let (ours, theirs) = ("oauth.exchange_code", "background");
    assert_eq!(purposes, [ours, theirs, theirs, theirs, "oauth.confirm_disconnect", ours]);
    let store = std::path::Path::new("../../shared/store/src");
    for (path, text) in sources(store) {
        for statement in ["UPDATE token_reads", "DELETE FROM token_reads", "TRUNCATE"] {
            assert!(!text.contains(statement), "{path}: {statement}");
        }
    }
}

fn sources(folder: &std::path::Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(sources(&entry.path()));
        } else {
            found.push((entry.path().display().to_string(), std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
    found
}

/// Nothing that carries a credential as plain text can be shown by a derived `Debug`.
#[test]
fn what_carries_a_credential_has_no_derived_debug() {
    const CREDENTIALS: [&str; 5] = ["token", "access_token", "refresh_token", "secret", "ticket"];
    let mut looked_at = 0;
    for folder in ["api", "workers", "shared/vault", "shared/clients"] {
        for (path, text) in sources(&std::path::Path::new("../..").join(folder).join("src")) {
            for (at, _) in text.match_indices("#[derive(Debug") {
                let item = text[at..].split("\n}").next().unwrap();
                let Some((_, fields)) = item.split_once('{').filter(|(head, _)| head.contains("struct "))
                else {
                    continue;
                };
                let plain = fields.lines().find(|line| {
                    let line = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
                    let field = line.split_once(": ").filter(|(_, kind)| kind.contains("String"));
                    field.is_some_and(|(name, kind)| {
                        CREDENTIALS.contains(&name) && !kind.contains("SecretString")
                    })
                });
                assert!(plain.is_none(), "{path}: {item}");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 100, "{looked_at}");
}

/// Ten failures in a row are told to our operators, once.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_backend_that_fails_again_and_again_is_an_alert(pool: MySqlPool) {
    let log = Log::default();
    let guard = log.listen();
    let house = House::build(pool).await;
    let changes = flysk_store::platform::widgets::Changes {
        delivery_delays: Some(Some(vec![1; 20])),
        ..Default::default()
    };
    let widget = house.widget().await;
    let mut conn = house.conn().await;
    flysk_store::platform::widgets::update(on(&mut conn), widget.id, &changes, house.clock.now())
        .await
        .unwrap();
    let ill = Act::Answer { status: 500, headers: Vec::new(), body: String::new() };
    house.vendor.control.script(Script::next("/events", ill).times(12));
    house.install().await;
    for _ in 0..200 {
        house.run_due_jobs().await;
        house.advance(TimeDelta::seconds(1));
    }
    drop(guard);
    let alerts = log.text().lines().filter(|line| line.contains("backend_down")).count();
    assert_eq!(alerts, 1);
}
