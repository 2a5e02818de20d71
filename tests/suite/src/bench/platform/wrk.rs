//! wrk, which asks as fast as it is answered.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// Connections that ask at once; more only wait for the same two cores.
const CONNECTIONS: u32 = 32;

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// Where.
    pub(super) url: String,
    /// The header that carries a one-time token, if one does.
    pub(super) header: &'static str,
    /// The body; `%TOKEN%` stands for a one-time token.
    pub(super) body: &'static str,
    /// `X-Project-Token`, if it goes along.
    pub(super) project_token: String,
    /// A file with one-time tokens.
    pub(super) tokens: PathBuf,
}

/// What wrk found.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Found {
    /// Answers.
    pub(super) requests: u64,
    us: u64,
    failed: u64,
    /// Half took no longer, µs.
    pub(super) p50_us: u64,
    /// 99 of 100 took no longer, µs.
    pub(super) p99_us: u64,
}

impl Found {
    /// Answers a second.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn rate(&self) -> f64 {
        self.requests as f64 / (self.us.max(1) as f64 / 1e6)
    }
}

/// Asks for so long. A single failed answer is an error: failing is cheaper than working.
pub(super) fn ask(question: &Question, time: Duration) -> anyhow::Result<Found> {
    let wrk = xtask::programs::WRK.find().context("wrk is not installed")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench").join("api.lua");
    let output = Command::new(wrk)
        .args([
            "-t1",
            "-c",
            &CONNECTIONS.to_string(),
            "-d",
            &format!("{}s", time.as_secs().max(1)),
            "--latency",
            "-s",
        ])
        .arg(script)
        .arg(&question.url)
        .env("FLYSK_BENCH_TOKENS", &question.tokens)
        .env("FLYSK_BENCH_HEADER", question.header)
        .env("FLYSK_BENCH_BODY", question.body)
        .env("FLYSK_BENCH_PROJECT", &question.project_token)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().find_map(|line| line.strip_prefix("RESULT "));
    let result = result.with_context(|| format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
    let found: Found = serde_json::from_str(result)?;
    if found.failed > 0 || found.requests == 0 {
        bail!("{} of {} answers of {} failed", found.failed, found.requests, question.url);
    }
    Ok(found)
}
