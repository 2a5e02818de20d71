//! Performs `amocrm.subscribe_hooks`.
//!
//! Harmless when run twice: at amoCRM the address is the hook's key, and posting it again only sets its
//! events.

use flysk_clients::amocrm::{NoteEvent, RejectionKind};
use flysk_jobs::amocrm::SubscribeHooks;
use flysk_jobs::{Handle, JobError, JobResult, Run, Verdict};
use flysk_runtime::hook_address;
use flysk_store::flysense::accounts;

use crate::App;
use crate::flysense::Refusal;
use crate::outcome::HasOutcome;

impl Handle<App> for SubscribeHooks {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let access = match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => access,
            Err(Refusal::Disconnected) => return Ok(Verdict::skip("FlySense is not active in the account")),
            Err(Refusal::Job(error)) => return Err(error),
        };
        let host = flysense.host(&access)?;
        let (tenant, job) = (self.account_id.to_string(), run.job_id().to_string());
        app.limits.pass(&flysense.amocrm_rate(self.account_id), &tenant, &job).await?;
        let destination =
            hook_address::address(&app.config().http.public_url, &app.keyring, access.install_id).map_err(
                |error| JobError::give_up(format!("the public address cannot carry hooks: {error}")),
            )?;
        let subscribed =
            flysense.amocrm.subscribe(&host, &access.access_token, &destination, &NoteEvent::ALL).await;
        let state = match subscribed {
            Ok(()) => "subscribed",
            // The account's plan has no hooks, or the token is not an administrator's: calls are found by
            // asking for them, or transcribed by hand.
            Err(error)
                if matches!(
                    error.kind(),
                    Some(RejectionKind::NoRights | RejectionKind::Invalid | RejectionKind::Unpaid)
                ) =>
            {
                tracing::warn!(account.id = %self.account_id, error = %error, "amoCRM refuses our hook");
                "refused"
            }
            Err(error) => return Err(error.into_job_error()),
        };
        let mut unit = run.begin().await?;
        accounts::set_hooks_state(&mut unit, self.account_id, state, run.now()).await?;
        run.done(unit).await
    }
}
