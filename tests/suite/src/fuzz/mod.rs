//! schemathesis over the OpenAPI document, against real processes and with real credentials of each kind.
//!
//! What fails it: a status of 500 or more, a status, content type or header that the document does not name for the
//! operation, a body that is not what the document says; and a run whose credentials opened nothing, because that
//! would prove nothing.

mod seen;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use serde_json::{Value, json};

use crate::stand::{ACCOUNT, ADMIN, CLIENT_ID, CLIENT_SECRET, HOST, Options, PUBLIC_ORIGIN, Stand};
use seen::Seen;

/// What schemathesis holds answers against.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";
/// Examples, then the edges of every parameter, then chance.
const PHASES: &str = "examples,coverage,fuzzing";
/// How callers let themselves in, each in a run of its own.
const CREDENTIALS: [&str; 3] = ["token", "session", "none"];
/// How long a call's transcription may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Sends what the document allows, and what it does not, and holds the answers against the document.
///
/// Uses the servers of `DATABASE_URL` and `REDIS_URL`; `cargo xtask fuzz-api` starts private ones.
#[derive(Debug, Parser)]
#[command(name = "flysk-fuzz-api")]
pub struct FuzzApi {
    /// The schemathesis executable.
    #[arg(long, value_name = "FILE")]
    schemathesis: PathBuf,
    /// Random examples of each operation, in each run.
    #[arg(long, default_value_t = 50)]
    examples: u32,
    /// The same seed sends the same requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this operation, by its id.
    #[arg(long, value_name = "OPERATION")]
    only: Option<String>,
}

impl FuzzApi {
    /// Runs it; whether everything was as the document says.
    pub async fn run(self) -> anyhow::Result<bool> {
        let stand = Stand::start(Options::with_fixtures(0.0)?).await.context("the stand does not start")?;
        let known = furnish(&stand).await.with_context(|| stand.logs())?;
        let mut good = true;
        for credential in CREDENTIALS {
            let seen = stand.scratch().join(format!("seen-{credential}.json"));
            let conforms = self.schemathesis(&stand, credential, &known, &seen)?;
            good &= conforms & tell(credential, &Seen::read(&seen)?);
        }
        if !good {
            let errors = stand.logs();
            errors.lines().filter(|line| line.contains("\"ERROR\"")).for_each(say);
        }
        stand.stop()?;
        Ok(good)
    }

    /// One run; whether nothing was found.
    fn schemathesis(
        &self,
        stand: &Stand,
        credential: &str,
        known: &Value,
        seen: &Path,
    ) -> anyhow::Result<bool> {
        let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let mut command = Command::new(&self.schemathesis);
        command
            .current_dir(stand.scratch())
            .args(["run", &format!("{}/openapi.json", stand.api_url), "--no-color", "--warnings", "off"])
            .args(["--checks", CHECKS, "--phases", PHASES, "--continue-on-failure"])
            .args(["--max-examples", &self.examples.to_string(), "--seed", &self.seed.to_string()])
            .args(["--generation-database", "none", "--request-timeout", "30"])
            .args(self.only.iter().flat_map(|id| ["--include-operation-id", id.as_str()]))
            .env("PYTHONPATH", &hooks)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SCHEMATHESIS_HOOKS", "flysk_hooks")
            .env("FLYSK_FUZZ_STAND", known.to_string())
            .env("FLYSK_FUZZ_CREDENTIAL", credential)
            .env("FLYSK_FUZZ_SEEN", seen)
            .env("FLYSK_FUZZ_SEED", self.seed.to_string())
            .stdin(Stdio::null());
        say(&format!("==> schemathesis with {}", described(credential)));
        Ok(command.status().context("schemathesis cannot be started")?.success())
    }
}

/// Says which statuses came, and whether the credentials opened what they open.
fn tell(credential: &str, seen: &Seen) -> bool {
    say(&seen.to_string());
    let (what, wrong) = match credential {
        "none" => ("opened without a credential", seen.opened()),
        _ => ("never opened, so nothing was shown of them", seen.never_opened()),
    };
    if !wrong.is_empty() {
        say(&format!("{what}: {}", wrong.join(", ")));
    }
    wrong.is_empty()
}

fn described(credential: &str) -> &'static str {
    match credential {
        "token" => "one-time tokens of amoCRM and the project token",
        "session" => "a session of a handshake and the project token",
        _ => "no credential but made-up ones",
    }
}

/// An installed widget with a transcribed call, and what the hooks must know of it.
async fn furnish(stand: &Stand) -> anyhow::Result<Value> {
    stand.install().await?;
    let link = stand.outside.recording_url("support-mono-opus.ogg");
    let note = stand.outside.call_arrives(Some(link), 42)?;
    let call = stand.client()?.wait_for_end(note, PATIENCE).await?;
    let events: Vec<String> =
        sqlx::query_scalar("SELECT id FROM lifecycle_events").fetch_all(&stand.pool).await?;
    Ok(json!({
        "api_url": stand.api_url,
        "host": HOST,
        "audience": PUBLIC_ORIGIN,
        "account_id": ACCOUNT,
        "user_id": ADMIN,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "project_token": stand.project_token,
        "ids": { "events": events, "transcriptions": [call.id] },
        "amocrm_paths": ["account", "users", "leads/notes", "contacts/notes", "events"],
    }))
}

#[expect(clippy::print_stdout, reason = "a tool talks to whoever called it")]
fn say(line: &str) {
    println!("{line}");
}
