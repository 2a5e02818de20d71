//! Performs `amocrm.unsubscribe_hooks`. Harmless when run twice: removing a missing hook succeeds.

use flysk_domain::flysense::account::{AccountStatus, HooksState};
use flysk_jobs::flysense::hooks::UnsubscribeHooks;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::accounts;

use super::rate_limited::RateLimitedCalls;
use super::subscription::HookManager;
use crate::App;
use crate::flysense::AccessError;

impl JobHandler<App> for UnsubscribeHooks {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        // An attempt may run after FlySense was activated again, which wants the hooks.
        let mut unit = run.begin().await?;
        let account = accounts::find(&mut unit, self.account_id).await?;
        drop(unit);
        if account.is_some_and(|account| account.status == AccountStatus::Active) {
            return Ok(JobOutcome::skip("FlySense is active again"));
        }
        // Without access the hook stays in amoCRM until it is disabled there; its requests are answered with success.
        match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => {
                let limiter = RateLimitedCalls::new(app, flysense, self.account_id, run);
                HookManager::new(app, flysense, &access, limiter)?.remove_all().await?;
            }
            Err(AccessError::Disconnected) => {
                tracing::info!(account.id = %self.account_id, "no access: the hook was not removed");
            }
            Err(AccessError::Job(error)) => return Err(error),
        }
        let mut unit = run.begin().await?;
        accounts::set_hooks_state(&mut unit, self.account_id, HooksState::Unsubscribed, None, run.now())
            .await?;
        run.done(unit).await
    }
}
