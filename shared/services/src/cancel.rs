//! Cancelling a waiting job.

use flysk_domain::id::JobId;
use flysk_domain::platform::mail::MailState;
use flysk_jobs::platform::lifecycle::DeliverEvent;
use flysk_jobs::platform::mail::SendMailNotice;
use flysk_jobs::platform::panel::WriteExport;
use flysk_queue::{Job as _, UnitOfWork};
use flysk_store::admin::exports;
use flysk_store::platform::events::{self, EventState};
use flysk_store::platform::mail;
use flysk_store::{StoreResult, jobs};
use serde::Deserialize as _;

use crate::events::end_undelivered;

/// Cancels a waiting job in `unit`; the caller commits. `false` if it does not wait: a running job cannot be stopped.
///
/// What the job was to do ends with it: the event of a cancelled delivery fails, so that the later events of its install do
/// not wait for it, an export fails, and a notice by e-mail is not sent.
///
/// # Errors
///
/// The database fails.
pub async fn cancel(unit: &mut UnitOfWork, id: JobId, reason: &str) -> StoreResult<bool> {
    let now = unit.now();
    if !jobs::cancel(unit, id, reason, now).await? {
        return Ok(false);
    }
    end_subject(unit, id).await?;
    Ok(true)
}

/// [`cancel`] for a job that has not begun since it was queued or replayed; `false` if it has, or does not wait.
///
/// # Errors
///
/// The database fails.
pub async fn cancel_unstarted(unit: &mut UnitOfWork, id: JobId, reason: &str) -> StoreResult<bool> {
    let now = unit.now();
    if !jobs::cancel_unstarted(unit, id, reason, now).await? {
        return Ok(false);
    }
    end_subject(unit, id).await?;
    Ok(true)
}

/// Ends what a cancelled job was to do.
async fn end_subject(unit: &mut UnitOfWork, id: JobId) -> StoreResult<()> {
    let Some(job) = jobs::find(unit, id).await? else { return Ok(()) };
    let (payload, now) = (&job.payload.0, unit.now());
    if job.kind == DeliverEvent::KIND
        && let Ok(delivery) = DeliverEvent::deserialize(payload)
        && let Some(event) = events::find(unit, delivery.event_id).await?
    {
        end_undelivered(unit, &event, EventState::Failed).await?;
    }
    if job.kind == WriteExport::KIND
        && let Ok(export) = WriteExport::deserialize(payload)
    {
        exports::fail(unit, export.export_id, now).await?;
    }
    if job.kind == SendMailNotice::KIND
        && let Ok(letter) = SendMailNotice::deserialize(payload)
        && let Some(notice) = mail::find_notice(unit, letter.notice_id).await?
    {
        match notice.state {
            from @ MailState::Waiting => {
                mail::set_state(unit, notice.id, from, MailState::Unwanted, now).await?;
            }
            // An earlier attempt died between the letter and the answer.
            from @ MailState::Sending => {
                mail::set_state(unit, notice.id, from, MailState::Unknown, now).await?;
            }
            _ => {}
        }
    }
    Ok(())
}
