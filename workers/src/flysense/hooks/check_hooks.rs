//! Performs `amocrm.check_hooks`.
//!
//! Harmless when run twice: the second run finds a correct subscription. A repaired subscription may have missed calls,
//! so the account is reconciled at once. An account that is not accessible any more is asked about at the platform: its
//! event may have been lost.

use flysk_clients::flysk_api::InstallStatus;
use flysk_domain::flysense::account::AccountStatus;
use flysk_jobs::flysense::activation::FollowDeactivation;
use flysk_jobs::flysense::calls::ReconcileAccount;
use flysk_jobs::flysense::hooks::{CheckHooks, UnsubscribeHooks};
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::accounts::{self, AccountRow};

use super::rate_limited::RateLimitedCalls;
use super::subscription::{HookManager, SyncResult};
use crate::App;
use crate::flysense::AccessError;
use crate::flysense::payment_error::payment_job_error;

impl JobHandler<App> for CheckHooks {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let account = accounts::find(&mut *run.pool().acquire().await?, self.account_id).await?;
        let Some(account) = account.filter(|account| account.status == AccountStatus::Active) else {
            return Ok(JobOutcome::skip("FlySense is not active in the account"));
        };
        let access = match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => access,
            Err(AccessError::Disconnected) => return deactivate(run, app, &account).await,
            Err(AccessError::Job(error)) => return Err(error),
        };
        let key = app.keyring.current_id();
        let is_current = account.hooks_key.as_deref() == Some(key);
        let limiter = RateLimitedCalls::new(app, flysense, self.account_id, run);
        let synced =
            HookManager::new(app, flysense, &access, limiter)?.sync(self.account_id, is_current).await?;
        let state = synced.hooks_state();
        let mut unit = run.begin().await?;
        accounts::set_hooks_state(&mut unit, self.account_id, state, Some(key), run.now()).await?;
        if synced == SyncResult::Repaired {
            unit.enqueue(&ReconcileAccount::up_to_now(self.account_id)).await?;
        }
        run.done(unit).await
    }
}

/// What the event of the deactivation does, if the account still counts as active: all attempts to deliver the event may have failed.
/// Otherwise people stay bound, and an erasure waits in vain.
async fn deactivate(run: &JobContext, app: &App, account: &AccountRow) -> JobResult {
    let account_id = account.account_id;
    match app.flysense()?.platform.install_status(account_id, Some(run.trace())).await {
        Ok(InstallStatus::Active) => return Ok(JobOutcome::skip("FlySense is active again")),
        Ok(_) => {}
        Err(error) if error.code() == Some("install_not_found") => {}
        Err(error) => return Err(payment_job_error(&error)),
    }
    let mut unit = run.begin().await?;
    if !accounts::deactivate(&mut unit, account_id, account.last_event, run.now()).await? {
        return Ok(JobOutcome::skip("an event has arrived meanwhile"));
    }
    tracing::warn!(account.id = %account_id, "no event has told that FlySense is not active any more");
    unit.enqueue(&UnsubscribeHooks { account_id }).await?;
    unit.enqueue(&FollowDeactivation { account_id }).await?;
    run.done(unit).await
}
