//! Load by wrk, which sends the next request as soon as the last one is answered (closed loop).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// Concurrent connections. More would only wait for the same two cores.
const CONNECTIONS: u32 = 32;

/// Request sent by wrk.
#[derive(Debug, Clone)]
pub(in crate::bench) struct LoadRequest {
    pub(in crate::bench) url: String,
    /// Header that carries the one-time token; empty if none does.
    pub(in crate::bench) header: &'static str,
    /// Body; `%TOKEN%` is replaced by a one-time token.
    pub(in crate::bench) body: String,
    /// `X-Project-Token`; empty if not sent.
    pub(in crate::bench) project_token: String,
    /// File with one-time tokens, one per line.
    pub(in crate::bench) tokens: PathBuf,
}

/// Result of a run.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(in crate::bench) struct LoadResult {
    /// Number of responses.
    pub(in crate::bench) requests: u64,
    us: u64,
    failed: u64,
    /// Median latency, µs.
    pub(in crate::bench) p50_us: u64,
    /// 99th percentile of latency, µs.
    pub(in crate::bench) p99_us: u64,
}

impl LoadResult {
    /// Responses per second.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(in crate::bench) fn rate(&self) -> f64 {
        self.requests as f64 / (self.us.max(1) as f64 / 1e6)
    }
}

/// Sends requests during `time`. A single failed response is an error, because failures are cheaper than
/// successes.
pub(in crate::bench) fn run_wrk(question: &LoadRequest, time: Duration) -> anyhow::Result<LoadResult> {
    let wrk = xtask::tools::WRK.find().context("wrk is not installed")?;
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
        .env("FLYSK_BENCH_BODY", &question.body)
        .env("FLYSK_BENCH_PROJECT", &question.project_token)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().find_map(|line| line.strip_prefix("RESULT "));
    let result = result.with_context(|| format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
    let found: LoadResult = serde_json::from_str(result)?;
    if found.failed > 0 || found.requests == 0 {
        bail!("{} of {} responses of {} failed", found.failed, found.requests, question.url);
    }
    Ok(found)
}
