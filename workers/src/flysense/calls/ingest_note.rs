//! Performs `calls.ingest_note`.
//!
//! Harmless when run twice, and if amoCRM sends a hook twice: each note has at most one transcription.

use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::flysense::hook::NoteHook;
use flysk_jobs::flysense::calls::IngestNote;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_services::calls::{CallRequest, RequestOutcome, request_automatically};
use flysk_store::flysense::{accounts, hooks};

use crate::App;

impl JobHandler<App> for IngestNote {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let Some(body) = hooks::find_body(&mut conn, self.hook_id).await? else {
            return Ok(JobOutcome::skip("the hook request was pruned"));
        };
        let account = accounts::find(&mut conn, self.account_id).await?;
        drop(conn);
        let Some(account) = account.filter(|account| account.status == AccountStatus::Active) else {
            return Ok(JobOutcome::skip("FlySense is not active in the account"));
        };
        let fields: Vec<_> = url::form_urlencoded::parse(&body).collect();
        let hook = NoteHook::read(fields.iter().map(|(key, value)| (key.as_ref(), value.as_ref())));
        if hook.account_id.is_some_and(|named| named != self.account_id) {
            return Ok(JobOutcome::skip("the hook's account differs from the account of its URL"));
        }
        if hook.unreadable > 0 {
            tracing::warn!(notes = hook.unreadable, "failed to parse notes of a hook");
        }
        if !account.auto {
            return Ok(JobOutcome::skip("automatic transcription is off"));
        }
        let mut unit = run.begin().await?;
        // A call of zero length was missed and has no recording.
        let calls = hook.notes.iter().filter(|note| note.direction.is_some() && note.duration_s != Some(0));
        for note in calls {
            let call = CallRequest {
                account_id: self.account_id,
                install_id: account.install_id,
                entity_type: note.entity_type,
                entity_id: note.entity_id,
                note_id: note.note_id,
                requested_by: None,
                left_channel: account.left_channel,
            };
            let Some(requested) = request_automatically(&mut unit, &call, app.clock()).await? else { break };
            if let RequestOutcome::Created(id) = requested {
                tracing::info!(transcription.id = %id, account.id = %self.account_id, "call received from a hook");
            }
        }
        hooks::mark_ingested(&mut unit, self.hook_id).await?;
        run.done(unit).await
    }
}
