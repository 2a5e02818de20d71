//! Performs `activation.enable`.
//!
//! Harmless when run twice: switching on what is on changes nothing. The platform activates the install in a transaction of
//! its own and sends the `activate` event, after which FlySense subscribes its hooks. The person is told in the transaction
//! that ends the job, so once.

use flysk_clients::flysk_api::{FlyskApiError, InstallStatus};
use flysk_domain::flysense::activation::link::{EnableFailure, LinkState};
use flysk_domain::flysense::activation::message::Outgoing;
use flysk_domain::flysense::activation::texts;
use flysk_jobs::flysense::activation::Enable;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::activation::queue_message;
use flysk_store::flysense::accounts;
use flysk_store::flysense::activation::links::{self, LinkRow};

use crate::App;
use crate::flysense::payment_error::payment_job_error;

impl JobHandler<App> for Enable {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let Some(link) = links::find(&mut *run.pool().acquire().await?, self.link_id).await? else {
            return Ok(JobOutcome::skip("the link is gone"));
        };
        if link.state != LinkState::Bound {
            return Ok(JobOutcome::skip("the link is not bound"));
        }
        let failure = match flysense.platform.switch(self.account_id, true, Some(run.trace())).await {
            Ok(switched) => failure_of_status(&switched.status),
            Err(error) if is_not_installed(&error) => Some(EnableFailure::NotInstalled),
            Err(error) => return Err(payment_job_error(&error)),
        };
        let mut unit = run.begin().await?;
        tell(&mut unit, app, &link, failure).await?;
        run.done(unit).await
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        match links::find(unit, self.link_id).await? {
            Some(link) if link.state == LinkState::Bound => {
                tell(unit, app, &link, Some(EnableFailure::Refused)).await
            }
            _ => Ok(()),
        }
    }
}

/// Stores the result and queues the answer to the person.
async fn tell(
    unit: &mut UnitOfWork,
    app: &App,
    link: &LinkRow,
    failure: Option<EnableFailure>,
) -> Result<(), JobError> {
    let now = app.clock().now();
    let account = accounts::find(unit, link.account_id).await?;
    let host = account.map_or_else(|| format!("№ {}", link.account_id), |account| account.host);
    let message: Outgoing = match failure {
        None => texts::enabled(&host),
        Some(failure) => {
            tracing::warn!(account.id = %link.account_id, link.id = %link.id, failure = %failure, "FlySense was not switched on");
            links::mark_failed(unit, link.id, failure, now).await?;
            texts::enable_failed(&host, failure)
        }
    };
    if let (Some(who), Some(chat_id)) = (link.opened_by(), link.chat_id) {
        queue_message(unit, app.clock(), who.messenger, chat_id, &message).await?;
    }
    Ok(())
}

fn failure_of_status(status: &InstallStatus) -> Option<EnableFailure> {
    match status {
        InstallStatus::Active => None,
        InstallStatus::Reconnect => Some(EnableFailure::AccessLost),
        InstallStatus::Installing | InstallStatus::Uninstalled => Some(EnableFailure::NotInstalled),
        InstallStatus::Inactive | InstallStatus::Other(_) => Some(EnableFailure::Refused),
    }
}

fn is_not_installed(error: &FlyskApiError) -> bool {
    error.code() == Some("install_not_found")
}
