//! Runs `docs/integrate.md`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use flysk_simulators::amocrm::{Amocrm, Integration, Platform, WidgetTokenShape};
use flysk_simulators::{Control, Running, SimClock, vendor};
use flysk_suite::environment::{ACCOUNT, ADMIN, Environment, Options, PUBLIC_ORIGIN};
use serde_json::Value;

use super::document::{Reader, steps};

/// The document for vendors.
pub(crate) const DOCUMENT: &str = "../../docs/integrate.md";
/// Client id of the integration.
pub(crate) const CLIENT: &str = "00000000-0000-4000-8000-000000000000";
const SECRET: &str = "acme-simulated-secret";

impl Reader {
    /// Actions of a reader between the steps: installs the widget, copies ids and tokens from a response into the
    /// next command.
    pub(crate) async fn live_on(&mut self, step: &str, answer: &str) {
        let amocrm = self.env.simulators.amocrm.state.clone();
        match step {
            "register" | "rotate" => {
                let token = answer.split_whitespace().find(|word| word.starts_with("fpt_")).unwrap();
                if step == "register" {
                    self.variables.insert("PROJECT_TOKEN", token.to_owned());
                    assert_eq!(amocrm.install(CLIENT, ACCOUNT, None).await.unwrap().status, Some(200));
                    self.wait_for_events(&amocrm).await;
                }
            }
            "handshake" => {
                let shaken: Value = serde_json::from_str(answer).unwrap();
                self.variables.insert("SESSION", shaken["session"]["token"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
    }

    async fn wait_for_events(&mut self, amocrm: &Amocrm) {
        let settled = "SELECT COUNT(*) FROM lifecycle_events WHERE state = 'delivered'";
        self.env.wait_for(settled, 2).await.unwrap();
        let id: String = sqlx::query_scalar("SELECT id FROM lifecycle_events WHERE number = 1")
            .fetch_one(&self.env.pool)
            .await
            .unwrap();
        self.variables.insert("EVENT", id);
        let token = amocrm.widget_token(CLIENT, ACCOUNT, ADMIN, &WidgetTokenShape::default()).unwrap();
        self.variables.insert("AUTH_TOKEN", token);
    }
}

/// A reader with an account and a listening backend; nothing is registered yet.
pub(crate) async fn reader(backend: &Running<vendor::Vendor>) -> anyhow::Result<Reader> {
    reader_of(&backend.url, &backend.addr.to_string()).await
}

/// The same with the address of a backend, and the addresses that events may be sent to.
pub(crate) async fn reader_of(backend: &str, allowed: &str) -> anyhow::Result<Reader> {
    let mut options = Options::with_fixtures(0.0)?;
    options.more.insert("FLYSK_OUTBOUND_ALLOW".to_owned(), allowed.to_owned());
    let binaries = options.binaries.clone();
    let env = Environment::start(options).await?;
    add_integration(&env.simulators.amocrm.state);
    let variables = BTreeMap::from([
        ("FLYSK", env.api_url.clone()),
        ("BACKEND", backend.to_owned()),
        ("ACCOUNT", ACCOUNT.to_string()),
        ("ACME_CLIENT_SECRET", SECRET.to_owned()),
    ]);
    Reader::new(env, variables, binaries)
}

/// A vendor's backend that receives events.
pub(crate) async fn backend() -> anyhow::Result<Running<vendor::Vendor>> {
    Ok(vendor::start(None, None, Control::with_clock(SimClock::default())).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_for_vendors_is_correct() -> anyhow::Result<()> {
    let backend = backend().await?;
    let mut reader = reader(&backend).await?;
    let steps = steps(&std::fs::read_to_string(DOCUMENT)?);
    assert!(steps.len() >= 18, "steps of the document are not found: {}", steps.len());
    for step in &steps {
        let answer = reader.follow(step);
        reader.live_on(&step.name, &answer).await;
    }
    tells_the_backend(&reader, &backend.state).await;
    reader.env.stop()
}

/// Checks that the backend received all events of switching off and on, including the replayed one.
async fn tells_the_backend(reader: &Reader, backend: &vendor::Vendor) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while backend.received().len() < 6 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut told: Vec<(u64, String)> = backend
        .received()
        .iter()
        .map(|event| {
            (event.body["number"].as_u64().unwrap(), event.body["type"].as_str().unwrap().to_owned())
        })
        .collect();
    told.sort();
    let kinds: Vec<&str> = told.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["install", "install", "activate", "test", "deactivate", "activate"],
        "{}",
        reader.env.logs()
    );
    let installs = backend.installs();
    assert_eq!((installs.len(), installs[0].active, installs[0].sequence), (1, true, 5));
}

fn add_integration(amocrm: &Amocrm) {
    amocrm.add_integration(Integration {
        client_id: CLIENT.to_owned(),
        client_secret: SECRET.to_owned(),
        redirect_uri: format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback"),
        disconnect_url: Some(format!("{PUBLIC_ORIGIN}/oauth/amocrm/disconnect")),
        code: "acme_notes".to_owned(),
        scopes: vec!["crm".to_owned()],
        platform: Platform::Amocrm,
        only_account: None,
    });
}
