//! Performs `calls.ingest_note`.
//!
//! Harmless when run twice, and when amoCRM sends a hook twice: each note has one transcription.

use flysk_domain::flysense::hook::NoteHook;
use flysk_jobs::calls::IngestNote;
use flysk_jobs::calls::request::{CallRequest, NO_MORE_RUNS, Requested, request};
use flysk_jobs::{Handle, JobResult, Run, Verdict};
use flysk_store::flysense::{accounts, hooks};

use crate::App;

impl Handle<App> for IngestNote {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let Some(body) = hooks::find_body(&mut conn, self.hook_id).await? else {
            return Ok(Verdict::skip("the delivery was pruned"));
        };
        let account = accounts::find(&mut conn, self.account_id).await?;
        drop(conn);
        let Some(account) = account.filter(|account| account.status == "active") else {
            return Ok(Verdict::skip("FlySense is not active in the account"));
        };
        let fields: Vec<_> = url::form_urlencoded::parse(&body).collect();
        let hook = NoteHook::read(fields.iter().map(|(key, value)| (key.as_ref(), value.as_ref())));
        if hook.account_id.is_some_and(|told| told != self.account_id) {
            return Ok(Verdict::skip("the delivery is about another account than its address"));
        }
        if hook.unreadable > 0 {
            tracing::warn!(notes = hook.unreadable, "notes of a hook could not be read");
        }
        if !account.auto {
            return Ok(Verdict::skip("automatic transcription is off"));
        }
        let mut unit = run.begin().await?;
        // A call of no length was missed: there is nothing to hear.
        let calls = hook.notes.iter().filter(|note| note.direction.is_some() && note.duration_s != Some(0));
        for note in calls {
            let call = CallRequest {
                account_id: self.account_id,
                install_id: account.install_id,
                entity_type: note.entity_type.code().to_owned(),
                entity_id: note.entity_id,
                note_id: note.note_id,
                requested_by: None,
                left_channel: account.left_channel.clone(),
            };
            if let Requested::Started(id) = request(&mut unit, &call, NO_MORE_RUNS, app.clock()).await? {
                tracing::info!(transcription.id = %id, account.id = %self.account_id, "a call arrived");
            }
        }
        hooks::mark_ingested(&mut unit, self.hook_id).await?;
        run.done(unit).await
    }
}
