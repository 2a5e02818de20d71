//! Performs `amocrm.check_hooks`.
//!
//! Harmless when run twice: the second run finds the subscription as the first left it. A subscription that had to
//! be repaired may have missed calls, so the account's log is read at once.

use flysk_jobs::amocrm::CheckHooks;
use flysk_jobs::calls::ReconcileAccount;
use flysk_jobs::{Handle, JobResult, Run, Verdict};
use flysk_store::flysense::accounts;

use super::subscription::{Desk, Subscription};
use super::turns::Turns;
use crate::App;
use crate::flysense::Refusal;

impl Handle<App> for CheckHooks {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let account = accounts::find(&mut *run.pool().acquire().await?, self.account_id).await?;
        let Some(account) = account.filter(|account| account.status == "active") else {
            return Ok(Verdict::skip("FlySense is not active in the account"));
        };
        let access = match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => access,
            Err(Refusal::Disconnected) => return Ok(Verdict::skip("the account has to be connected again")),
            Err(Refusal::Job(error)) => return Err(error),
        };
        let key = app.keyring.current_id();
        let is_current = account.hooks_key.as_deref() == Some(key);
        let turns = Turns::new(app, flysense, self.account_id, run);
        let settled = Desk::new(app, flysense, &access, turns)?.settle(self.account_id, is_current).await?;
        let state = if settled == Subscription::Refused { "refused" } else { "subscribed" };
        let mut unit = run.begin().await?;
        accounts::set_hooks_state(&mut unit, self.account_id, state, Some(key), run.now()).await?;
        if settled == Subscription::Repaired {
            unit.enqueue(&ReconcileAccount::up_to_now(self.account_id)).await?;
        }
        run.done(unit).await
    }
}
