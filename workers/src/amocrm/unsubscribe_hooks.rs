//! Performs `amocrm.unsubscribe_hooks`. Harmless when run twice: a hook that is gone is fine.

use flysk_jobs::amocrm::UnsubscribeHooks;
use flysk_jobs::{Handle, JobError, JobResult, Run};
use flysk_runtime::hook_address;
use flysk_store::flysense::accounts;

use crate::App;
use crate::flysense::Refusal;
use crate::outcome::HasOutcome;

impl Handle<App> for UnsubscribeHooks {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        // Without access amoCRM's deliveries go on until they disable themselves; we answer them politely.
        match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => {
                let host = flysense.host(&access)?;
                let (tenant, job) = (self.account_id.to_string(), run.job_id().to_string());
                app.limits.pass(&flysense.amocrm_rate(self.account_id), &tenant, &job).await?;
                let destination =
                    hook_address::address(&app.config().http.public_url, &app.keyring, access.install_id)
                        .map_err(|error| {
                            JobError::give_up(format!("the public address cannot carry hooks: {error}"))
                        })?;
                let gone = flysense.amocrm.unsubscribe(&host, &access.access_token, &destination).await;
                gone.map_err(HasOutcome::into_job_error)?;
            }
            Err(Refusal::Disconnected) => {
                tracing::info!(account.id = %self.account_id, "no access left to remove our hook");
            }
            Err(Refusal::Job(error)) => return Err(error),
        }
        let mut unit = run.begin().await?;
        accounts::set_hooks_state(&mut unit, self.account_id, "unsubscribed", run.now()).await?;
        run.done(unit).await
    }
}
