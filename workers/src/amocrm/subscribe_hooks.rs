//! Performs `amocrm.subscribe_hooks`. Harmless when run twice: see [`super::subscription`].

use flysk_jobs::amocrm::SubscribeHooks;
use flysk_jobs::{Handle, JobResult, Run, Verdict};
use flysk_store::flysense::accounts;

use super::subscription::{Desk, Subscription};
use super::turns::Turns;
use crate::App;
use crate::flysense::Refusal;

impl Handle<App> for SubscribeHooks {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let access = match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => access,
            Err(Refusal::Disconnected) => return Ok(Verdict::skip("FlySense is not active in the account")),
            Err(Refusal::Job(error)) => return Err(error),
        };
        let turns = Turns::new(app, flysense, self.account_id, run);
        // What an earlier activation left under a former key goes too.
        let settled = Desk::new(app, flysense, &access, turns)?.settle(self.account_id, false).await?;
        let state = if settled == Subscription::Refused { "refused" } else { "subscribed" };
        let mut unit = run.begin().await?;
        let key = Some(app.keyring.current_id());
        accounts::set_hooks_state(&mut unit, self.account_id, state, key, run.now()).await?;
        run.done(unit).await
    }
}
