//! Benches: each part measures something a budget speaks of, beside a peer in the same run where there is one.
//!
//! ```text
//! cargo xtask bench                              every part
//! cargo xtask bench -- audio jobs                some of them; the page keeps the others' last numbers
//! cargo xtask bench -- --with-schedule           and the promised retries, in real time (6 min, beside the rest)
//! cargo xtask bench -- admin --rows 10000000     the panel on a larger database (30 min more, 20 GB)
//! cargo xtask bench -- portal --rows 10000000   the delivery log of the vendors' portal, of as many attempts
//! cargo xtask bench -- growth --rows 10000000    hot paths on a larger database (20 GB)
//! cargo xtask bench -- --beside 91b64ac jobs     and the same by the build of an earlier revision
//! ```

mod admin;
mod audio;
mod bare;
mod bots;
mod broadcast;
mod call;
mod child;
mod earlier;
pub mod fill;
mod flycoins;
mod growth;
mod jobs;
mod machine;
mod measured_process;
mod page;
mod platform;
mod recognitions;
mod role;
mod sandbox;
mod servers;
mod subscriptions;
mod table;
mod times;
mod transfers;
mod widget;
mod workers;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use flysk_domain::{Clock as _, SystemClock};

use earlier::EarlierBuild;
use page::{Page, Section};
use role::Role;
use servers::Servers;

/// Runs benchmarks, prints tables and writes `docs/benchmarks.md`.
///
/// Uses the servers of `DATABASE_URL` and `REDIS_URL`; `cargo xtask bench` starts private ones.
#[derive(Debug, Parser)]
#[command(name = "flysk-bench")]
pub struct Bench {
    /// Parts to measure; all if none is named
    parts: Vec<Part>,
    /// Also test the documented retry delays, with the worker killed in between (371 s)
    #[arg(long)]
    with_schedule: bool,
    /// Minutes of audio in each recording.
    #[arg(long, default_value_t = 60)]
    minutes: u32,
    /// Seconds per round of the `platform` part
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Handshakes after which the memory of `web` is read
    #[arg(long, default_value_t = 1_000_000)]
    handshakes: u64,
    /// People that the broadcast of the `bots` part reaches in Telegram
    #[arg(long, default_value_t = 10_000)]
    people: u32,
    /// Calls, ledger entries and jobs of the `admin` and `growth` parts, each; a tenth as many installs, or a hundredth. Attempts of
    /// the `portal` part
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// Remark printed with the results, for example other load on the machine
    #[arg(long)]
    note: Option<String>,
    /// Also run the parts `jobs`, `flycoins` and `platform` of an earlier build, and compare. `cargo xtask bench` takes a revision,
    /// such as 91b64ac, and builds it; this is the directory of its executables
    #[arg(long, value_name = "REVISION")]
    beside: Option<PathBuf>,
    /// Run as one of the measured processes; the role as JSON
    #[arg(long, hide = true)]
    role: Option<String>,
}

/// Parts that can be measured separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Audio preparation, compared with ffmpeg and sox
    Audio,
    /// Durable and ephemeral jobs, compared with BullMQ
    Jobs,
    /// 10,000 recognitions in flight
    Recognitions,
    /// From the webhook to the transcript
    Call,
    /// The HTTP API and events, compared with a bare handler
    Platform,
    /// Charges of Flycoins, compared with a plain row lock
    Flycoins,
    /// The widget in Chromium, compared with a naive variant and a published component
    Widget,
    /// Finding what is due among many subscriptions, and a year of renewals
    Subscriptions,
    /// Updates of Telegram's bot, and broadcasts in both messengers (8 min)
    #[value(alias = "messengers")]
    Bots,
    /// The admin panel on a database with many rows, compared with Django admin
    Admin,
    /// The delivery log of the vendors' portal over many attempts
    Portal,
    /// Matching of a statement with open invoices, compared with a nested loop
    Transfers,
    /// Hot paths on a database with many rows, compared with an empty one
    Growth,
    /// The sandbox for vendors: its start, and a year over HTTP
    Sandbox,
}

impl Bench {
    /// Measures the chosen parts. A part that cannot run is reported as not run, with the reason.
    pub async fn run(self) -> anyhow::Result<()> {
        if let Some(role) = &self.role {
            return measured_process::run(Role::parse(role)?).await;
        }
        let servers = Servers::from_process()?;
        let earlier = self.beside.as_deref().map(EarlierBuild::in_directory).transpose()?;
        let page = Page::default();
        let schedule = self.with_schedule.then(|| {
            let servers = servers.clone();
            tokio::spawn(async move { measured(jobs::schedule::run(&servers)).await })
        });
        for part in self.chosen() {
            let mut section = match part {
                Part::Audio => measured(audio::run(self.minutes)).await,
                Part::Jobs => measured(jobs::run(&servers)).await,
                Part::Recognitions => measured(recognitions::run(&servers)).await,
                Part::Call => measured(Box::pin(call::run(&servers))).await,
                Part::Platform => measured(Box::pin(platform::run(&servers, self.scale()))).await,
                Part::Flycoins => measured(flycoins::run(&servers)).await,
                Part::Widget => measured(widget::run()).await,
                Part::Subscriptions => {
                    measured(Box::pin(subscriptions::run(&servers, self.scale().load_time))).await
                }
                Part::Bots => measured(Box::pin(bots::run(&servers, self.people))).await,
                Part::Admin => measured(Box::pin(admin::run(&servers, self.rows))).await,
                Part::Portal => measured(Box::pin(admin::portal::run(&servers, self.rows))).await,
                Part::Transfers => measured(transfers::run()).await,
                Part::Growth => measured(Box::pin(growth::run(&servers, self.rows))).await,
                Part::Sandbox => measured(sandbox::run(&servers)).await,
            };
            if let Some(earlier) = &earlier
                && let Some(compared) = earlier.compare(part, &section.body, self.scale().load_time).await
            {
                section.body = format!("{}\n\n{compared}", section.body.trim_end());
            }
            page.put(part.name(), &self.noted(section))?;
        }
        if let Some(schedule) = schedule {
            let section = schedule.await.context("the schedule test panicked")?;
            page.put("schedule", &self.noted(section))?;
        }
        Ok(())
    }

    /// The chosen parts, in the order of the page.
    fn chosen(&self) -> Vec<Part> {
        let all = Part::value_variants().iter().copied();
        all.filter(|part| self.parts.is_empty() || self.parts.contains(part)).collect()
    }

    fn scale(&self) -> platform::Scale {
        platform::Scale { load_time: Duration::from_secs(self.seconds), handshakes: self.handshakes }
    }

    fn noted(&self, mut section: Section) -> Section {
        section.note.clone_from(&self.note);
        section
    }
}

impl Part {
    /// Name on the command line and on the page.
    fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Jobs => "jobs",
            Self::Recognitions => "recognitions",
            Self::Call => "call",
            Self::Platform => "platform",
            Self::Flycoins => "flycoins",
            Self::Widget => "widget",
            Self::Subscriptions => "subscriptions",
            Self::Bots => "bots",
            Self::Admin => "admin",
            Self::Portal => "portal",
            Self::Transfers => "transfers",
            Self::Growth => "growth",
            Self::Sandbox => "sandbox",
        }
    }
}

/// Runs a part and records its time and the load average before and after.
async fn measured(part: impl Future<Output = anyhow::Result<String>>) -> Section {
    let (at, load_before) = (SystemClock.now(), machine::load());
    let body = match part.await {
        Ok(body) => body,
        Err(error) => format!("**Not run**: {error:#}.\n"),
    };
    Section { at, load_before, load_after: machine::load(), note: None, body }
}
