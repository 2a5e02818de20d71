//! Performs `amocrm.subscribe_hooks`. Harmless when run twice: see [`super::subscription`].

use flysk_jobs::flysense::hooks::SubscribeHooks;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::accounts;

use super::rate_limited::RateLimitedCalls;
use super::subscription::HookManager;
use crate::App;
use crate::flysense::AccessError;

impl JobHandler<App> for SubscribeHooks {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let access = match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => access,
            Err(AccessError::Disconnected) => {
                return Ok(JobOutcome::skip("FlySense is not active in the account"));
            }
            Err(AccessError::Job(error)) => return Err(error),
        };
        let limiter = RateLimitedCalls::new(app, flysense, self.account_id, run);
        // Also removes hooks that an earlier activation left under a previous key.
        let synced = HookManager::new(app, flysense, &access, limiter)?.sync(self.account_id, false).await?;
        let state = synced.hooks_state();
        let mut unit = run.begin().await?;
        let key = Some(app.keyring.current_id());
        accounts::set_hooks_state(&mut unit, self.account_id, state, key, run.now()).await?;
        run.done(unit).await
    }
}
