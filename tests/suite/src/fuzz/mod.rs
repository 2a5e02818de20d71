//! Runs schemathesis on the OpenAPI document, against real processes, with real credentials of each kind.
//!
//! Fails on a status ≥ 500; on a status, content type or header that the document does not list for the
//! operation; on a body that does not match its schema; and if a run's credentials were never accepted, because
//! such a run proves nothing.

mod seen;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use serde_json::{Value, json};

use crate::environment::{
    ACCOUNT, ADMIN, CLIENT_ID, CLIENT_SECRET, Environment, HOST, Options, PUBLIC_ORIGIN,
};
use seen::StatusCounts;

/// Checks of schemathesis.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";
/// Phases: examples, then boundary values of every parameter, then random values.
const PHASES: &str = "examples,coverage,fuzzing";
/// Kinds of credentials, each tested in its own run.
const CREDENTIALS: [&str; 3] = ["token", "session", "none"];
/// Timeout for the transcription of a call.
const WAIT_TIMEOUT: Duration = Duration::from_mins(1);

/// Sends requests that the OpenAPI document allows and ones it forbids, and checks the responses against it
///
/// Uses the servers of `DATABASE_URL` and `REDIS_URL`; `cargo xtask fuzz-api` starts private ones.
#[derive(Debug, Parser)]
#[command(name = "flysk-fuzz-api")]
pub struct FuzzApi {
    /// The schemathesis executable
    #[arg(long, value_name = "FILE")]
    schemathesis: PathBuf,
    /// Random examples per operation and run
    #[arg(long, default_value_t = 50)]
    examples: u32,
    /// Seed; the same seed sends the same requests
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this operation, by its id
    #[arg(long, value_name = "OPERATION")]
    only: Option<String>,
}

impl FuzzApi {
    /// Runs all credentials; returns whether every check passed.
    pub async fn run(self) -> anyhow::Result<bool> {
        let env = Environment::start(Options::with_fixtures(0.0)?)
            .await
            .context("the environment does not start")?;
        let known = furnish(&env).await.with_context(|| env.logs())?;
        let mut good = true;
        for credential in CREDENTIALS {
            let seen = env.scratch().join(format!("seen-{credential}.json"));
            let conforms = self.schemathesis(&env, credential, &known, &seen)?;
            good &= conforms & tell(credential, &StatusCounts::read(&seen)?);
        }
        if !good {
            let errors = env.logs();
            errors.lines().filter(|line| line.contains("\"ERROR\"")).for_each(say);
        }
        env.stop()?;
        Ok(good)
    }

    /// Runs schemathesis once; returns whether it found nothing.
    fn schemathesis(
        &self,
        env: &Environment,
        credential: &str,
        known: &Value,
        seen: &Path,
    ) -> anyhow::Result<bool> {
        let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let mut command = Command::new(&self.schemathesis);
        command
            .current_dir(env.scratch())
            .args(["run", &format!("{}/openapi.json", env.api_url), "--no-color", "--warnings", "off"])
            .args(["--checks", CHECKS, "--phases", PHASES, "--continue-on-failure"])
            .args(["--max-examples", &self.examples.to_string(), "--seed", &self.seed.to_string()])
            .args(["--generation-database", "none", "--request-timeout", "30"])
            .args(self.only.iter().flat_map(|id| ["--include-operation-id", id.as_str()]))
            .env("PYTHONPATH", &hooks)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SCHEMATHESIS_HOOKS", "flysk_hooks")
            .env("FLYSK_FUZZ_ENVIRONMENT", known.to_string())
            .env("FLYSK_FUZZ_CREDENTIAL", credential)
            .env("FLYSK_FUZZ_SEEN", seen)
            .env("FLYSK_FUZZ_SEED", self.seed.to_string())
            .stdin(Stdio::null());
        say(&format!("==> schemathesis with {}", described(credential)));
        Ok(command.status().context("cannot start schemathesis")?.success())
    }
}

/// Prints the observed statuses; returns whether the credentials were accepted where they should be.
fn tell(credential: &str, seen: &StatusCounts) -> bool {
    say(&seen.to_string());
    let (what, wrong) = match credential {
        "none" => ("accepted without credentials", seen.opened()),
        _ => ("never accepted, so the run proves nothing about them", seen.never_opened()),
    };
    if !wrong.is_empty() {
        say(&format!("{what}: {}", wrong.join(", ")));
    }
    wrong.is_empty()
}

fn described(credential: &str) -> &'static str {
    match credential {
        "token" => "one-time tokens of amoCRM and the project token",
        "session" => "a session from a handshake and the project token",
        _ => "invalid credentials only",
    }
}

/// Installs the widget, transcribes a call and returns the data that the hooks need.
async fn furnish(env: &Environment) -> anyhow::Result<Value> {
    env.install().await?;
    let link = env.simulators.recording_url("support-mono-opus.ogg");
    let note = env.simulators.call_arrives(Some(link), 42)?;
    let call = env.client()?.wait_for_end(note, WAIT_TIMEOUT).await?;
    let events: Vec<String> =
        sqlx::query_scalar("SELECT id FROM lifecycle_events").fetch_all(&env.pool).await?;
    Ok(json!({
        "api_url": env.api_url,
        "host": HOST,
        "audience": PUBLIC_ORIGIN,
        "account_id": ACCOUNT,
        "user_id": ADMIN,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "project_token": env.project_token,
        "ids": { "events": events, "transcriptions": [call.id] },
        "amocrm_paths": ["account", "users", "leads/notes", "contacts/notes", "events"],
    }))
}

#[expect(clippy::print_stdout, reason = "a command line tool prints to the terminal")]
fn say(line: &str) {
    println!("{line}");
}
