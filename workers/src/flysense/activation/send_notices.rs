//! Performs `activation.send_notices_due` and `activation.send_notices`.
//!
//! Harmless when run twice: a notice of a kind is queued once for a person and day.

use chrono::TimeDelta;
use flysk_clients::flysk_api::FlycoinRefusal;
use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::flysense::activation::notices::{self as rules, NoticeKind, SPENDING_PERIOD_DAYS};
use flysk_domain::id::AccountId;
use flysk_jobs::flysense::activation::{SendNotices, SendNoticesDue};
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::activation::notify_account;
use flysk_store::flysense::accounts;
use flysk_store::flysense::activation::notices;

use crate::App;
use crate::flysense::payment_error::payment_job_error;

const ACCOUNTS_PER_TRANSACTION: u32 = 200;

impl JobHandler<App> for SendNoticesDue {
    async fn handle(&self, run: &JobContext, _: &App) -> JobResult {
        let mut after: Option<AccountId> = None;
        loop {
            let mut conn = run.pool().acquire().await?;
            let page = notices::list_accounts(&mut conn, after, ACCOUNTS_PER_TRANSACTION).await?;
            drop(conn);
            let Some(last) = page.last() else { return Ok(JobOutcome::Done) };
            after = Some(*last);
            let mut unit = run.begin().await?;
            for account_id in &page {
                unit.enqueue(&SendNotices { account_id: *account_id }).await?;
            }
            unit.commit().await?;
        }
    }
}

impl JobHandler<App> for SendNotices {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let balance = read_balance(run, app, self.account_id).await?;
        let now = run.now();
        let since = now - TimeDelta::days(SPENDING_PERIOD_DAYS);
        let mut unit = run.begin().await?;
        let account = accounts::find(&mut unit, self.account_id).await?;
        let Some(account) = account.filter(|account| account.status == AccountStatus::Active) else {
            return Ok(JobOutcome::skip("FlySense is not active in the account"));
        };
        let host = account.host.clone();
        let waiting = notices::count_waiting_calls(&mut unit, self.account_id).await?;
        if waiting > 0 {
            let text = rules::calls_wait(&host, waiting);
            notify_account(&mut unit, app.clock(), &account, NoticeKind::CallsWait, &text).await?;
        } else if let Some(available) = balance {
            let spent = notices::spent_since(&mut unit, self.account_id, since).await?;
            if let Some(days) = rules::low_balance_days(available, spent) {
                let text = rules::balance_low(&host, days, available);
                notify_account(&mut unit, app.clock(), &account, NoticeKind::BalanceLow, &text).await?;
            }
        }
        if rules::is_digest_day(now, account.utc_offset_minutes) {
            let week = notices::week_of_calls(&mut unit, self.account_id, since).await?;
            if week.done > 0 {
                let text = rules::digest(&host, week);
                notify_account(&mut unit, app.clock(), &account, NoticeKind::Digest, &text).await?;
            }
        }
        run.done(unit).await
    }
}

/// The account's balance in micro-Flycoins; `None` if FlySense is not paid in Flycoins.
async fn read_balance(run: &JobContext, app: &App, account_id: AccountId) -> Result<Option<i64>, JobError> {
    match app.flysense()?.platform.balance(account_id, Some(run.trace())).await {
        Ok(balance) => Ok(Some(balance.available_micro)),
        Err(error) if error.flycoins() == Some(FlycoinRefusal::NotUsed) => Ok(None),
        Err(error) => Err(payment_job_error(&error)),
    }
}
