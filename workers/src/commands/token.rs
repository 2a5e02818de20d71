//! `flysk-worker token:refresh-all`.

use std::io::Write as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use flysk_domain::id::{InstallId, JobId, WidgetId};
use flysk_domain::trace::Trace;
use flysk_jobs::Outbox;
use flysk_jobs::oauth::RefreshToken;
use flysk_store::platform::refresh_runs::{self, Progress};
use flysk_store::platform::tokens::{self, PairState};
use flysk_workers::config::Config;

use super::transaction::transact;
use super::widget::{find, open};

/// Pairs enqueued in one transaction.
const PAGE: u32 = 200;
/// Token requests are made 5 a second at most, unless configured otherwise; enqueued at that pace renewals do not stand
/// before codes and scheduled ones.
const APART: Duration = Duration::from_millis(220);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Which pairs to renew.
#[derive(Debug, Args)]
pub(super) struct RefreshAll {
    /// Renew only tokens of this widget, by its code.
    #[arg(long)]
    widget: Option<String>,
    /// Say how many tokens would be renewed, and renew none.
    #[arg(long)]
    dry_run: bool,
    /// Go on with an interrupted run, by the name that it printed.
    #[arg(long, value_name = "RUN")]
    resume: Option<String>,
    /// Return once everything is enqueued, without waiting for the outcome.
    #[arg(long)]
    no_wait: bool,
}

impl RefreshAll {
    /// Enqueues a renewal for each pair, follows them and sums up.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let (outbox, _) = open(config).await?;
        let widget = match &self.widget {
            Some(code) => Some(find(&mut *outbox.pool().acquire().await?, code).await?.id),
            None => None,
        };
        if self.dry_run {
            return count(&outbox, widget).await;
        }
        let run =
            self.resume.unwrap_or_else(|| format!("refresh-{}", JobId::generate(outbox.clock().as_ref())));
        say(&format!("Run {run}"))?;
        enqueue_all(&outbox, widget, &run).await?;
        if self.no_wait {
            return Ok(());
        }
        follow(&outbox, &run).await
    }
}

async fn count(outbox: &Outbox, widget: Option<WidgetId>) -> anyhow::Result<()> {
    let (mut good, mut refused, mut after) = (0_u64, 0_u64, None);
    let mut conn = outbox.pool().acquire().await?;
    loop {
        let page = tokens::list_page(&mut conn, after, widget, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.install_id);
        let dead = page.iter().filter(|pair| pair.state == PairState::Refused).count() as u64;
        refused += dead;
        good += page.len() as u64 - dead;
    }
    say(&format!("{good} pairs would be renewed; {refused} wait for a reconnect and would be left alone."))
}

/// A run that is resumed goes on after the last install it enqueued; installs enqueued by others meanwhile
/// are not enqueued twice.
async fn enqueue_all(outbox: &Outbox, widget: Option<WidgetId>, run: &str) -> anyhow::Result<()> {
    let trace = Trace { correlation_id: run.to_owned(), traceparent: None };
    let mut after: Option<InstallId> =
        refresh_runs::find_last_install(&mut *outbox.pool().acquire().await?, run).await?;
    let wished_at = outbox.clock().now();
    let mut run_at: DateTime<Utc> = wished_at;
    let (mut enqueued, mut under_way, mut left_alone) = (0_u64, 0_u64, 0_u64);
    loop {
        let page = tokens::list_page(&mut *outbox.pool().acquire().await?, after, widget, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.install_id);
        let (refused, renewed): (Vec<_>, Vec<_>) =
            page.iter().partition(|pair| pair.state == PairState::Refused);
        let enqueue = || async {
            let mut unit = outbox.begin(trace.clone()).await?;
            let (mut new, mut at) = (0, run_at);
            for pair in &renewed {
                let job = RefreshToken { install_id: pair.install_id, wished_at };
                new += u64::from(unit.enqueue_at(&job, at).await?.is_some());
                at += APART;
            }
            unit.commit().await?;
            Ok((new, at))
        };
        let (new, next_at) = transact(enqueue).await?;
        run_at = next_at;
        enqueued += new;
        under_way += renewed.len() as u64 - new;
        left_alone += refused.len() as u64;
    }
    say(&format!("{enqueued} enqueued, {under_way} wait already, {left_alone} wait for a reconnect."))
}

async fn follow(outbox: &Outbox, run: &str) -> anyhow::Result<()> {
    let mut before = None;
    loop {
        let progress = refresh_runs::progress(&mut *outbox.pool().acquire().await?, run).await?;
        if before != Some(progress) {
            say(&line(progress))?;
            before = Some(progress);
        }
        if progress.open == 0 {
            return say(&format!("Done: {}", line(progress)));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn line(progress: Progress) -> String {
    let Progress { open, renewed, skipped, refused, failed } = progress;
    format!(
        "{renewed} renewed, {refused} refused (reconnect), {skipped} needed nothing, {failed} failed, {open} to go"
    )
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}
