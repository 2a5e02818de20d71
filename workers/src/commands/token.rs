//! `flysk-worker token:refresh-all`.

use std::io::Write as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use flysk_domain::id::{InstallId, JobId, WidgetId};
use flysk_domain::trace::Trace;
use flysk_jobs::platform::oauth::RefreshToken;
use flysk_queue::Outbox;
use flysk_store::platform::refresh_runs::{self, Progress};
use flysk_store::platform::tokens::{self, PairState};
use flysk_workers::config::Config;
use serde_json::{Value, json};

use super::by::OptionalBy;
use super::record::{Act, record};
use super::transaction::transact;
use super::widget::{find, open};

/// Token pairs enqueued per transaction.
const PAGE_SIZE: u32 = 200;
/// Interval between renewals. The default rate limit of token requests is 5/s; below it, renewals do not delay code
/// exchanges and scheduled renewals.
const ENQUEUE_INTERVAL: Duration = Duration::from_millis(220);
const PROGRESS_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Selects the token pairs to renew.
#[derive(Debug, Args)]
pub(super) struct RefreshAll {
    /// Renew only tokens of this widget, by its code.
    #[arg(long)]
    widget: Option<String>,
    /// Print the number of tokens that would be renewed, and renew none.
    #[arg(long)]
    dry_run: bool,
    /// Continue an interrupted run by its printed name.
    #[arg(long, value_name = "RUN")]
    resume: Option<String>,
    /// Return after enqueueing, without waiting for the outcomes.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    by: OptionalBy,
}

impl RefreshAll {
    /// Enqueues a renewal for each pair, waits for all of them and prints a summary.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let by = self.by.author()?;
        let (outbox, _) = open(config).await?;
        let widget = match &self.widget {
            Some(code) => Some(find(&mut *outbox.pool().acquire().await?, code).await?.id),
            None => None,
        };
        if self.dry_run {
            return print_count(&outbox, widget).await;
        }
        let is_resumed = self.resume.is_some();
        let run =
            self.resume.unwrap_or_else(|| format!("refresh-{}", JobId::generate(outbox.clock().as_ref())));
        print_line(&format!("Run {run}"))?;
        let after = by.named(json!({ "widget": self.widget, "resumed": is_resumed }));
        tell(&outbox, &run, by.reason, &after).await?;
        enqueue_all(&outbox, widget, &run).await?;
        if self.no_wait {
            return Ok(());
        }
        follow_run(&outbox, &run).await
    }
}

/// Records the run before it begins: it has many transactions, and may end after some of them.
async fn tell(outbox: &Outbox, run: &str, reason: &str, after: &Value) -> anyhow::Result<()> {
    let write = || async {
        let mut unit = outbox.begin(Trace { correlation_id: run.to_owned(), traceparent: None }).await?;
        let act = Act {
            action: "token.refresh_all",
            subject: ("refresh_run", run.to_owned()),
            reason,
            before: Value::Null,
            after: after.clone(),
        };
        record(&mut unit, outbox.clock().as_ref(), act).await?;
        Ok(unit.commit().await?)
    };
    transact(write).await
}

async fn print_count(outbox: &Outbox, widget: Option<WidgetId>) -> anyhow::Result<()> {
    let (mut good, mut refused, mut after) = (0_u64, 0_u64, None);
    let mut conn = outbox.pool().acquire().await?;
    loop {
        let page = tokens::list_page(&mut conn, after, widget, PAGE_SIZE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.install_id);
        let dead = page.iter().filter(|pair| pair.state == PairState::Refused).count() as u64;
        refused += dead;
        good += page.len() as u64 - dead;
    }
    print_line(&format!(
        "{good} pairs would be renewed; {refused} wait for a reconnect and would be skipped."
    ))
}

/// Enqueues a renewal for each pair. A resumed run continues after the last install it enqueued; an install with a
/// waiting renewal is not enqueued twice.
async fn enqueue_all(outbox: &Outbox, widget: Option<WidgetId>, run: &str) -> anyhow::Result<()> {
    let trace = Trace { correlation_id: run.to_owned(), traceparent: None };
    let mut after: Option<InstallId> =
        refresh_runs::find_last_install(&mut *outbox.pool().acquire().await?, run).await?;
    let requested_at = outbox.clock().now();
    let mut run_at: DateTime<Utc> = requested_at;
    let (mut enqueued, mut under_way, mut left_alone) = (0_u64, 0_u64, 0_u64);
    loop {
        let page = tokens::list_page(&mut *outbox.pool().acquire().await?, after, widget, PAGE_SIZE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.install_id);
        let (refused, renewed): (Vec<_>, Vec<_>) =
            page.iter().partition(|pair| pair.state == PairState::Refused);
        let enqueue = || async {
            let mut unit = outbox.begin(trace.clone()).await?;
            let (mut new, mut at) = (0, run_at);
            for pair in &renewed {
                let job = RefreshToken { install_id: pair.install_id, requested_at };
                new += u64::from(unit.enqueue_at(&job, at).await?.is_some());
                at += ENQUEUE_INTERVAL;
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
    print_line(&format!(
        "{enqueued} enqueued, {under_way} already waiting, {left_alone} wait for a reconnect."
    ))
}

async fn follow_run(outbox: &Outbox, run: &str) -> anyhow::Result<()> {
    let mut before = None;
    loop {
        let progress = refresh_runs::progress(&mut *outbox.pool().acquire().await?, run).await?;
        if before != Some(progress) {
            print_line(&progress_line(progress))?;
            before = Some(progress);
        }
        if progress.open == 0 {
            return print_line(&format!("Done: {}", progress_line(progress)));
        }
        tokio::time::sleep(PROGRESS_POLL_INTERVAL).await;
    }
}

fn progress_line(progress: Progress) -> String {
    let Progress { open, renewed, skipped, refused, failed } = progress;
    format!(
        "{renewed} renewed, {refused} refused (reconnect), {skipped} needed no renewal, {failed} failed, {open} left"
    )
}

fn print_line(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}
