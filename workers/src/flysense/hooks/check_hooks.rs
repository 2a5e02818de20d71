//! Performs `amocrm.check_hooks`.
//!
//! Harmless when run twice: the second run finds a correct subscription. A repaired subscription may have missed calls,
//! so the account is reconciled at once.

use flysk_domain::flysense::account::AccountStatus;
use flysk_jobs::flysense::calls::ReconcileAccount;
use flysk_jobs::flysense::hooks::CheckHooks;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::accounts;

use super::rate_limited::RateLimitedCalls;
use super::subscription::{HookManager, SyncResult};
use crate::App;
use crate::flysense::AccessError;

impl JobHandler<App> for CheckHooks {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let account = accounts::find(&mut *run.pool().acquire().await?, self.account_id).await?;
        let Some(account) = account.filter(|account| account.status == AccountStatus::Active) else {
            return Ok(JobOutcome::skip("FlySense is not active in the account"));
        };
        let access = match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => access,
            Err(AccessError::Disconnected) => {
                return Ok(JobOutcome::skip("the account must be reconnected"));
            }
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
