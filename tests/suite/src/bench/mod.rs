//! Benches: each part measures something a budget speaks of, beside a peer in the same run where there is one.
//!
//! ```text
//! cargo xtask bench                              every part
//! cargo xtask bench -- audio jobs                some of them; the page keeps the others' last numbers
//! cargo xtask bench -- --with-schedule           and the promised retries, in real time (6 min, beside the rest)
//! ```

mod audio;
mod call;
mod child;
mod flycoins;
mod jobs;
mod machine;
mod page;
mod platform;
mod recognitions;
mod servers;
mod table;
mod times;

use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use flysk_domain::{Clock as _, SystemClock};

use page::{Page, Section};
use servers::Servers;

/// Measures, prints tables, and writes `docs/benchmarks.md`.
///
/// Uses the servers of `DATABASE_URL` and `REDIS_URL`; `cargo xtask bench` starts private ones.
#[derive(Debug, Parser)]
#[command(name = "flysk-bench")]
pub struct Bench {
    /// What to measure; everything if nothing is named.
    parts: Vec<Part>,
    /// Let a job fail on the schedule promised to vendors, with its worker killed in between (371 s).
    #[arg(long)]
    with_schedule: bool,
    /// Minutes of audio in each recording.
    #[arg(long, default_value_t = 60)]
    minutes: u32,
    /// Seconds of each turn of the platform's part.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Handshakes after which the memory of `web` is looked at.
    #[arg(long, default_value_t = 1_000_000)]
    handshakes: u64,
    /// Written beside the numbers, such as what else the machine did.
    #[arg(long)]
    note: Option<String>,
    /// Be one of the processes that are measured; the role as JSON.
    #[arg(long, hide = true)]
    role: Option<String>,
}

/// What can be measured on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Preparing recordings, beside ffmpeg and sox.
    Audio,
    /// Both lanes of jobs, beside BullMQ.
    Jobs,
    /// Ten thousand recognitions in flight.
    Recognitions,
    /// From the hook to the transcript.
    Call,
    /// The HTTP API and events, beside a bare handler.
    Platform,
    /// Charges of Flycoins, beside a plain row lock.
    Flycoins,
}

impl Bench {
    /// Measures the chosen parts. A part that cannot be run is listed as not run, with the reason.
    pub async fn run(self) -> anyhow::Result<()> {
        if let Some(role) = &self.role {
            return jobs::role::Role::parse(role)?.run().await;
        }
        let servers = Servers::from_process()?;
        let page = Page::default();
        let schedule = self.with_schedule.then(|| {
            let servers = servers.clone();
            tokio::spawn(async move { measured(jobs::schedule::run(&servers)).await })
        });
        for part in self.chosen() {
            let section = match part {
                Part::Audio => measured(audio::run(self.minutes)).await,
                Part::Jobs => measured(jobs::run(&servers)).await,
                Part::Recognitions => measured(recognitions::run(&servers)).await,
                Part::Call => measured(Box::pin(call::run(&servers))).await,
                Part::Platform => measured(Box::pin(platform::run(&servers, self.extent()))).await,
                Part::Flycoins => measured(flycoins::run(&servers)).await,
            };
            page.put(part.name(), &self.noted(section))?;
        }
        if let Some(schedule) = schedule {
            let section = schedule.await.context("the schedule's run ended badly")?;
            page.put("schedule", &self.noted(section))?;
        }
        Ok(())
    }

    /// In the order of the page.
    fn chosen(&self) -> Vec<Part> {
        let all = Part::value_variants().iter().copied();
        all.filter(|part| self.parts.is_empty() || self.parts.contains(part)).collect()
    }

    fn extent(&self) -> platform::Extent {
        platform::Extent { turn: Duration::from_secs(self.seconds), handshakes: self.handshakes }
    }

    fn noted(&self, mut section: Section) -> Section {
        section.note.clone_from(&self.note);
        section
    }
}

impl Part {
    /// As on the command line and on the page.
    fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Jobs => "jobs",
            Self::Recognitions => "recognitions",
            Self::Call => "call",
            Self::Platform => "platform",
            Self::Flycoins => "flycoins",
        }
    }
}

/// When it was measured and how busy the machine was, around what came out.
async fn measured(part: impl Future<Output = anyhow::Result<String>>) -> Section {
    let (at, load_before) = (SystemClock.now(), machine::load());
    let body = match part.await {
        Ok(body) => body,
        Err(error) => format!("**Not run**: {error:#}.\n"),
    };
    Section { at, load_before, load_after: machine::load(), note: None, body }
}
