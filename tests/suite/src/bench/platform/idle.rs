//! Processes that do nothing: how soon they are ready, and what they hold.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::bench::machine::memory_kib;
use crate::bench::servers::Servers;
use crate::bench::table::{Table, at_most};
use crate::stand::Stand;

/// What a process holds is read after it had this long to settle.
const SETTLE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(30);
const RSS_MIB: f64 = 60.0;
const READY_S: f64 = 1.0;

/// Starts each of ours once more beside the stand, and looks at it.
pub(super) async fn run(servers: &Servers, stand: &Stand, verdicts: &mut Table) -> anyhow::Result<String> {
    let mut table = Table::new(&["idle process", "ready after", "holds"]);
    let (mut most_mib, mut slowest) = (0.0_f64, Duration::ZERO);
    for (name, binary, args) in [
        ("`web`", "flysk-api", &["serve"][..]),
        ("`worker`, all queues", "flysk-worker", &["run"][..]),
        ("`scheduler`", "flysk-worker", &["scheduler"][..]),
    ] {
        let (ready, rss_kib) = one(servers, stand, binary, args).await.with_context(|| name.to_owned())?;
        let mib = f64::from(u32::try_from(rss_kib)?) / 1024.0;
        table.row(vec![
            name.to_owned(),
            format!("{:.0} ms", ready.as_secs_f64() * 1_000.0),
            format!("{mib:.1} MiB"),
        ]);
        (most_mib, slowest) = (most_mib.max(mib), slowest.max(ready));
    }
    let why = "what it holds is the code it touched, and buffers of connections";
    verdicts.row(vec![
        "idle process < 60 MiB RSS".to_owned(),
        format!("{most_mib:.1} MiB at most"),
        at_most(most_mib, RSS_MIB, why),
    ]);
    let seconds = slowest.as_secs_f64();
    let why = "connections are opened first, one after the other";
    verdicts.row(vec![
        "idle process ready < 1 s".to_owned(),
        format!("{seconds:.2} s at most"),
        at_most(seconds, READY_S, why),
    ]);
    Ok(format!(
        "{table}\nReady is what the process says of itself (`ready` in its log), from before it was started.\n"
    ))
}

async fn one(
    servers: &Servers,
    stand: &Stand,
    binary: &str,
    args: &[&str],
) -> anyhow::Result<(Duration, u64)> {
    let log = stand.scratch().join("idle.log");
    let file = std::fs::File::create(&log)?;
    let began = Instant::now();
    let child = Command::new(servers.binaries.join(binary))
        .args(args)
        .envs(stand.environment())
        .env("FLYSK_LISTEN", "127.0.0.1:0")
        .env("FLYSK_LOG", "info")
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()?;
    let child = Ended(child);
    while !says_ready(&log) {
        if began.elapsed() > PATIENCE {
            bail!("not ready after {} s: {}", PATIENCE.as_secs(), std::fs::read_to_string(&log)?);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let ready = began.elapsed();
    tokio::time::sleep(SETTLE).await;
    Ok((ready, memory_kib(child.0.id(), "VmRSS").context("memory is known on Linux only")?))
}

fn says_ready(log: &Path) -> bool {
    std::fs::read_to_string(log).is_ok_and(|text| text.lines().any(|line| line.contains("ready")))
}

/// A process that ends with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _ = self.0.wait();
    }
}
