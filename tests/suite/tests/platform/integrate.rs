//! `docs/integrate.md`, run: its commands in their order, by a shell, with the real executables, and its answers
//! compared with the real ones.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use flysk_simulators::amocrm::{Amocrm, Integration, Platform, WidgetTokenShape};
use flysk_simulators::{Control, SimClock, vendor};
use flysk_suite::stand::{ACCOUNT, ADMIN, Options, PUBLIC_ORIGIN, Stand};
use serde_json::Value;

const CLIENT: &str = "00000000-0000-4000-8000-000000000000";
const SECRET: &str = "acme-simulated-secret";

/// Commands of the document, and what it says they answer.
#[derive(Debug)]
struct Step {
    /// What the test does around it.
    name: String,
    commands: String,
    answer: Option<(String, String)>,
}

/// Steps are marked `<!-- run -->`, so that everything else may be told without being run.
fn steps(document: &str) -> Vec<Step> {
    let fence = |text: &str| -> Option<(String, String)> {
        let (kind, rest) = text.trim_start().strip_prefix("```")?.split_once('\n')?;
        Some((kind.to_owned(), rest.split_once("\n```")?.0.to_owned()))
    };
    document
        .split("<!-- run")
        .skip(1)
        .map(|part| {
            let (name, rest) = part.split_once("-->").unwrap();
            let (kind, commands) = fence(rest).expect("a step begins with its commands");
            assert_eq!(kind, "sh", "{name}");
            let after = rest.split_once("\n```\n").map(|(_, after)| after).unwrap_or_default();
            let answer = after.trim_start().starts_with("```").then(|| fence(after)).flatten();
            Step { name: name.trim_matches([':', ' ']).to_owned(), commands, answer }
        })
        .collect()
}

/// What a reader of the document has at hand.
struct Reader {
    stand: Stand,
    variables: BTreeMap<&'static str, String>,
    binaries: PathBuf,
}

impl Reader {
    fn run(&self, commands: &str) -> String {
        let commands = format!("PATH=\"$BINARIES:$PATH\"\n{commands}");
        let output = Command::new("bash")
            .args(["-eu", "-o", "pipefail", "-c", &commands])
            .current_dir(self.stand.scratch())
            .envs(self.stand.environment())
            .envs(&self.variables)
            .env("BINARIES", &self.binaries)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{commands}\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A reader installs the widget, and copies ids and tokens from one answer into the next command.
    async fn live_on(&mut self, step: &str, amocrm: &Amocrm, answer: &str) {
        match step {
            "register" | "rotate" => {
                let token = answer.split_whitespace().find(|word| word.starts_with("fpt_")).unwrap();
                if step == "register" {
                    self.variables.insert("PROJECT_TOKEN", token.to_owned());
                    assert_eq!(amocrm.install(CLIENT, ACCOUNT, None).await.unwrap().status, Some(200));
                    self.wait_for_events(amocrm).await;
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
        self.stand.wait_for(settled, 2).await.unwrap();
        let id: String = sqlx::query_scalar("SELECT id FROM lifecycle_events WHERE number = 1")
            .fetch_one(&self.stand.pool)
            .await
            .unwrap();
        self.variables.insert("EVENT", id);
        let token = amocrm.widget_token(CLIENT, ACCOUNT, ADMIN, &WidgetTokenShape::default()).unwrap();
        self.variables.insert("AUTH_TOKEN", token);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_for_vendors_tells_the_truth() -> anyhow::Result<()> {
    let backend = vendor::start(None, None, Control::with_clock(SimClock::default())).await?;
    let mut options = Options::with_fixtures(0.0)?;
    options.more.insert("FLYSK_OUTBOUND_ALLOW".to_owned(), backend.addr.to_string());
    let binaries = options.binaries.clone();
    let stand = Stand::start(options).await?;
    let amocrm = stand.outside.amocrm.state.clone();
    add_integration(&amocrm);
    let variables = BTreeMap::from([
        ("FLYSK", stand.api_url.clone()),
        ("BACKEND", backend.url.clone()),
        ("ACCOUNT", ACCOUNT.to_string()),
        ("ACME_CLIENT_SECRET", SECRET.to_owned()),
    ]);
    let mut reader = Reader { stand, variables, binaries };
    let steps = steps(&std::fs::read_to_string("../../docs/integrate.md")?);
    assert!(steps.len() >= 18, "steps of the document are not found: {}", steps.len());
    for step in &steps {
        let answer = reader.run(&step.commands);
        if let Some((kind, told)) = &step.answer {
            let agree = if kind == "json" { same_json(told, &answer) } else { same_text(told, &answer) };
            assert!(agree, "{}\nthe document says:\n{told}\nit is:\n{answer}", step.commands);
        }
        reader.live_on(&step.name, &amocrm, &answer).await;
    }
    tells_the_backend(&reader, &backend.state).await;
    reader.stand.stop()
}

/// The switch went off and on: the backend was told all of it, the event that was replayed included.
async fn tells_the_backend(reader: &Reader, backend: &vendor::Vendor) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while backend.received().len() < 5 && Instant::now() < deadline {
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
        ["install", "install", "activate", "deactivate", "activate"],
        "{}",
        reader.stand.logs()
    );
    let installs = backend.installs();
    assert_eq!((installs.len(), installs[0].active, installs[0].sequence), (1, true, 4));
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

fn same_json(told: &str, real: &str) -> bool {
    let (Ok(told), Ok(real)) = (serde_json::from_str(told), serde_json::from_str(real)) else { return false };
    agree(&told, &real)
}

/// Everything the document shows is there and as it shows it; the answer may say more.
fn agree(told: &Value, real: &Value) -> bool {
    match (told, real) {
        (Value::Object(told), Value::Object(real)) => told.iter().all(|(name, told)| {
            real.get(name).is_some_and(|real| name.ends_with("_ms") && real.is_number() || agree(told, real))
        }),
        (Value::Array(told), Value::Array(real)) => {
            told.len() == real.len() && told.iter().zip(real).all(|(told, real)| agree(told, real))
        }
        (Value::String(told), Value::String(real)) => same_text(told, real),
        _ => told == real,
    }
}

/// `…` stands for anything.
fn same_text(told: &str, real: &str) -> bool {
    let (told, mut real) = (told.trim(), real.trim());
    let mut parts = told.split('…');
    let Some(rest) = parts.next().and_then(|first| real.strip_prefix(first)) else { return false };
    real = rest;
    for part in parts {
        let Some(at) = (if part.is_empty() { Some(real.len()) } else { real.find(part) }) else {
            return false;
        };
        real = real.get(at + part.len()..).unwrap_or_default();
    }
    real.is_empty()
}

#[test]
fn answers_are_really_compared() {
    assert!(same_text("Rotated `x`.\n  token  fpt_…", "Rotated `x`.\n  token  fpt_abc\n"));
    assert!(!same_text("202", "409") && !same_text("202", "2020") && !same_text("a…c", "abd"));
    assert!(same_json(r#"{"a": [{"b": "…"}]}"#, r#"{"a": [{"b": "x", "c": 1}], "d": 2}"#));
    for other in [r#"{"a": []}"#, r#"{"a": [{"b": 1}]}"#, r"{}", r#"{"a": [{"c": "x"}]}"#] {
        assert!(!same_json(r#"{"a": [{"b": "…"}]}"#, other), "{other}");
    }
}
