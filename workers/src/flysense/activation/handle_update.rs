//! Performs `activation.handle_update`.
//!
//! Harmless when run twice: the update is marked as handled in the transaction of its effect, which also queues the answers.

use chrono::TimeDelta;
use flysk_crypto::aad;
use flysk_domain::id::BotUpdateId;
use flysk_jobs::flysense::activation::HandleUpdate;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::activation::handle_message;
use flysk_store::flysense::activation::updates;
use secrecy::ExposeSecret;

use crate::App;
use crate::job_error::IntoJobError;

/// Delay until an update looks again whether the earlier ones of its dialogue are handled.
const ORDER_RECHECK_INTERVAL: TimeDelta = TimeDelta::milliseconds(200);

impl JobHandler<App> for HandleUpdate {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let id = self.update_id;
        let mut conn = run.pool().acquire().await?;
        let Some(update) = updates::find_new(&mut conn, id).await? else {
            return Ok(JobOutcome::skip("the update was already handled"));
        };
        if let Some(chat_id) = update.chat_id
            && updates::is_behind_another(&mut conn, update.messenger, chat_id, id).await?
        {
            return Ok(JobOutcome::snooze(
                run.now() + ORDER_RECHECK_INTERVAL,
                "an earlier update of the dialogue waits",
            ));
        }
        drop(conn);
        let body = app.keyring.open(&update.body_sealed, &aad::bot_update(id));
        let body = body.map_err(|error| JobError::retry(format!("the update cannot be opened: {error}")))?;
        let incoming = app.flysense()?.bots.parse(update.messenger, body.expose_secret().as_bytes())?;
        let Some(message) = incoming.ok().and_then(|incoming| incoming.message) else {
            return finish(run, id, "ignored").await;
        };
        let mut unit = run.begin().await?;
        if !updates::finish(&mut unit, id, "handled").await? {
            return Ok(JobOutcome::skip("the update was already handled"));
        }
        let handled = handle_message(&mut unit, app.clock(), &app.keyring, update.messenger, &message).await;
        handled.map_err(IntoJobError::into_job_error)?;
        run.done(unit).await
    }

    /// The next updates of the dialogue must not wait for it.
    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, _app: &App) -> Result<(), JobError> {
        updates::finish(unit, self.update_id, "failed").await?;
        Ok(())
    }
}

async fn finish(run: &JobContext, id: BotUpdateId, how: &'static str) -> JobResult {
    let mut unit = run.begin().await?;
    updates::finish(&mut unit, id, how).await?;
    run.done(unit).await
}
