//! Performs `amocrm.unsubscribe_hooks`. Harmless when run twice: a hook that is gone is fine.

use flysk_jobs::amocrm::UnsubscribeHooks;
use flysk_jobs::{Handle, JobResult, Run};
use flysk_store::flysense::accounts;

use super::subscription::Desk;
use super::turns::Turns;
use crate::App;
use crate::flysense::Refusal;

impl Handle<App> for UnsubscribeHooks {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        // Without access amoCRM's deliveries go on until they disable themselves; we answer them politely.
        match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => {
                let turns = Turns::new(app, flysense, self.account_id, run);
                Desk::new(app, flysense, &access, turns)?.leave().await?;
            }
            Err(Refusal::Disconnected) => {
                tracing::info!(account.id = %self.account_id, "no access left to remove our hook");
            }
            Err(Refusal::Job(error)) => return Err(error),
        }
        let mut unit = run.begin().await?;
        accounts::set_hooks_state(&mut unit, self.account_id, "unsubscribed", None, run.now()).await?;
        run.done(unit).await
    }
}
