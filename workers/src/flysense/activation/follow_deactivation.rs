//! Performs `activation.follow_deactivation`.
//!
//! Harmless when run twice: deleted bindings stay deleted, and a notice is queued once a day. A deactivation may have several
//! reasons, so the platform is asked for the status: people who can grant lost access again must stay bound.

use flysk_clients::flysk_api::InstallStatus;
use flysk_domain::flysense::activation::notices::{NoticeKind, access_lost};
use flysk_domain::id::AccountId;
use flysk_jobs::flysense::activation::FollowDeactivation;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_services::activation::{forget_account, notify_account};
use flysk_store::flysense::accounts;

use crate::App;
use crate::flysense::payment_error::payment_job_error;

impl JobHandler<App> for FollowDeactivation {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let asked = app.flysense()?.platform.install_status(self.account_id, Some(run.trace())).await;
        match asked {
            Ok(InstallStatus::Uninstalled) => forget(run, app, self.account_id).await,
            Ok(InstallStatus::Reconnect) => tell_lost_access(run, app, self.account_id).await,
            Ok(_) => Ok(JobOutcome::skip("FlySense is still installed")),
            Err(error) if error.code() == Some("install_not_found") => {
                forget(run, app, self.account_id).await
            }
            Err(error) => Err(payment_job_error(&error)),
        }
    }
}

async fn forget(run: &JobContext, app: &App, account_id: AccountId) -> JobResult {
    let mut unit = run.begin().await?;
    let forgotten = forget_account(&mut unit, app.clock(), account_id).await?;
    tracing::info!(account.id = %account_id, bindings = forgotten, "bindings of an uninstalled account were deleted");
    run.done(unit).await
}

/// The account has lost access: the people who are bound can grant it again.
async fn tell_lost_access(run: &JobContext, app: &App, account_id: AccountId) -> JobResult {
    let mut unit = run.begin().await?;
    let Some(account) = accounts::find(&mut unit, account_id).await? else {
        return Ok(JobOutcome::skip("FlySense does not know the account"));
    };
    let message = access_lost(&account.host);
    notify_account(&mut unit, app.clock(), &account, NoticeKind::AccessLost, &message).await?;
    run.done(unit).await
}
