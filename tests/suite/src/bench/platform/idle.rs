//! Idle processes: start time and memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::bench::child::ChildGuard;
use crate::bench::machine::memory_kib;
use crate::bench::servers::Servers;
use crate::bench::table::{Table, at_most};
use crate::environment::Environment;

/// Time between readiness and the memory reading.
const IDLE_TIME: Duration = Duration::from_secs(2);
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_RSS_MIB: f64 = 30.0;
const MAX_START_SECONDS: f64 = 1.0;

/// Starts each process once more beside the environment and measures it.
pub(super) async fn run(
    servers: &Servers,
    env: &Environment,
    verdicts: &mut Table,
) -> anyhow::Result<String> {
    let mut table = Table::new(&["idle process", "ready after", "memory"]);
    let (mut most_mib, mut slowest) = (0.0_f64, Duration::ZERO);
    for (name, binary, args) in [
        ("`web`", "flysk-api", &["serve"][..]),
        ("`worker`, all queues", "flysk-worker", &["run"][..]),
        ("`scheduler`", "flysk-worker", &["scheduler"][..]),
    ] {
        let (ready, rss_kib) = one(servers, env, binary, args).await.with_context(|| name.to_owned())?;
        let mib = f64::from(u32::try_from(rss_kib)?) / 1024.0;
        table.row(vec![
            name.to_owned(),
            format!("{:.0} ms", ready.as_secs_f64() * 1_000.0),
            format!("{mib:.1} MiB"),
        ]);
        (most_mib, slowest) = (most_mib.max(mib), slowest.max(ready));
    }
    let why = "memory is touched code and connection buffers";
    verdicts.row(vec![
        "idle process < 30 MiB RSS".to_owned(),
        format!("{most_mib:.1} MiB at most"),
        at_most(most_mib, MAX_RSS_MIB, why),
    ]);
    let seconds = slowest.as_secs_f64();
    let why = "connections are opened sequentially at the start";
    verdicts.row(vec![
        "idle process ready < 1 s".to_owned(),
        format!("{seconds:.2} s at most"),
        at_most(seconds, MAX_START_SECONDS, why),
    ]);
    Ok(format!("{table}\nTime from before the start to `ready` in the process' log.\n"))
}

async fn one(
    servers: &Servers,
    env: &Environment,
    binary: &str,
    args: &[&str],
) -> anyhow::Result<(Duration, u64)> {
    let log = env.scratch().join("idle.log");
    let file = std::fs::File::create(&log)?;
    let began = Instant::now();
    let child = Command::new(servers.binaries.join(binary))
        .args(args)
        .envs(env.variables())
        .env("FLYSK_LISTEN", "127.0.0.1:0")
        .env("FLYSK_LOG", "info")
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()?;
    let child = ChildGuard(child);
    while !says_ready(&log) {
        if began.elapsed() > WAIT_TIMEOUT {
            bail!("not ready after {} s: {}", WAIT_TIMEOUT.as_secs(), std::fs::read_to_string(&log)?);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let ready = began.elapsed();
    tokio::time::sleep(IDLE_TIME).await;
    Ok((ready, memory_kib(child.0.id(), "VmRSS").context("memory can be measured on Linux only")?))
}

fn says_ready(log: &Path) -> bool {
    std::fs::read_to_string(log).is_ok_and(|text| text.lines().any(|line| line.contains("ready")))
}
