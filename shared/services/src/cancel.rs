//! Cancelling a waiting job.

use flysk_domain::id::JobId;
use flysk_domain::platform::mail::MailState;
use flysk_jobs::flysense::activation::HandleUpdate;
use flysk_jobs::platform::lifecycle::DeliverEvent;
use flysk_jobs::platform::mail::SendMailNotice;
use flysk_jobs::platform::panel::WriteExport;
use flysk_queue::{Job as _, UnitOfWork};
use flysk_store::admin::exports;
use flysk_store::flysense::activation::updates;
use flysk_store::platform::events::{self, EventState};
use flysk_store::platform::mail;
use flysk_store::{Contention, StoreError, StoreResult, jobs};
use serde::Deserialize as _;

use crate::bound_job::BoundJob;
use crate::events::end_undelivered;

/// Why a job is not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The job does not wait: a running job cannot be stopped.
    #[error("the job is not queued; a running job cannot be cancelled")]
    NotQueued,
    /// The job has begun since it was queued or replayed.
    #[error("the job has begun since it was queued")]
    HasBegun,
    /// The job performs a bulk act, which would stay as if it ran.
    #[error("the job performs a bulk act: stop the act on its page in the admin panel")]
    BulkAct,
    /// The job erases the data of an account, which must not stay half erased.
    #[error("the job erases the data of an account: an erasure that has begun is brought to its end")]
    Erasure,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CancelError {
    /// The reason in Russian, for operators; `None` for an error of the database.
    pub const fn text_ru(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotQueued => "Задание уже не ждёт в очереди. Начатое отменить нельзя.",
            Self::HasBegun => "Задание уже начиналось: оно останется как есть.",
            Self::BulkAct => "Массовое действие останавливают на его странице.",
            Self::Erasure => "Начатое стирание данных доводят до конца: отменить его нельзя.",
            Self::Store(_) => return None,
        })
    }
}

impl Contention for CancelError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_contended())
    }
}

/// Cancels a waiting job in `unit`; the caller commits.
///
/// The effect of the job ends with it: the event of a cancelled delivery fails, so that the later events of its install do
/// not wait for it, and so does a messenger's update, for which the later ones of its dialogue would wait; an export fails,
/// and a notice by e-mail is not sent.
///
/// # Errors
///
/// The job does not wait, its kind is never cancelled, or the database fails.
pub async fn cancel(unit: &mut UnitOfWork, id: JobId, reason: &str) -> Result<(), CancelError> {
    must_be_cancellable(unit, id).await?;
    let now = unit.now();
    if !jobs::cancel(unit, id, reason, now).await? {
        return Err(CancelError::NotQueued);
    }
    Ok(end_subject(unit, id).await?)
}

/// [`cancel`] for a job that has not begun since it was queued or replayed.
///
/// # Errors
///
/// Those of [`cancel`], or the job has begun.
pub async fn cancel_unstarted(unit: &mut UnitOfWork, id: JobId, reason: &str) -> Result<(), CancelError> {
    // A replay forgets the last start: one that is known came after the replay.
    let has_begun = must_be_cancellable(unit, id).await?;
    let now = unit.now();
    if !jobs::cancel_unstarted(unit, id, reason, now).await? {
        return Err(if has_begun { CancelError::HasBegun } else { CancelError::NotQueued });
    }
    Ok(end_subject(unit, id).await?)
}

/// Refuses jobs that end only with their bulk act or erasure; returns whether the job has begun.
async fn must_be_cancellable(unit: &mut UnitOfWork, id: JobId) -> Result<bool, CancelError> {
    let Some(job) = jobs::find(unit, id).await? else { return Ok(false) };
    match BoundJob::of_kind(&job.kind) {
        Some(BoundJob::BulkAct) => Err(CancelError::BulkAct),
        Some(BoundJob::Erasure) => Err(CancelError::Erasure),
        None => Ok(job.started_at.is_some()),
    }
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
    if job.kind == HandleUpdate::KIND
        && let Ok(handling) = HandleUpdate::deserialize(payload)
    {
        updates::finish(unit, handling.update_id, "failed").await?;
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
