//! Replaying, cancelling and moving a job.

use chrono::TimeDelta;
use flysk_domain::TextEnum as _;
use flysk_domain::id::JobId;
use flysk_services::cancel::{CancelError, cancel as cancel_job};
use flysk_services::replay::{ReplayError, ReplayOutcome, replay as replay_job};
use flysk_services::reschedule::{RescheduleError, reschedule as reschedule_job};
use flysk_store::jobs::{self, JobState};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::json;

use crate::http::{Fault, Record, Support, Visit};

/// Reason in the row of a cancelled job.
const CANCELLED: &str = "cancelled by an operator";
/// Label of the field with the delay.
pub(super) const MINUTES_LABEL: &str = "Начать через, минут";

/// `POST /jobs/:id/replay`.
pub(crate) async fn replay(visit: Visit<Support>) -> Result<Response, Fault> {
    let (id, reason): (JobId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let before = jobs::find(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let outcome = replay_job(act.unit(), id).await.map_err(to_fault)?;
        let after = match &outcome {
            ReplayOutcome::Queued => json!({ "state": JobState::Queued.as_str() }),
            ReplayOutcome::CallRestarted { transcription_id, run } => {
                json!({ "call": transcription_id, "run": run })
            }
        };
        act.commit(Record {
            action: "job.replay",
            subject: ("job", id.to_string()),
            reason,
            before: json!({ "state": before.state.as_str(), "kind": before.kind }),
            after,
        })
        .await?;
        Ok::<_, Fault>(outcome)
    };
    let notice = match repeat_contended(run).await? {
        ReplayOutcome::Queued => "Задание поставлено в очередь заново.".to_owned(),
        ReplayOutcome::CallRestarted { transcription_id, run } => {
            format!("Звонок {transcription_id} начат заново, прогон {run}.")
        }
    };
    Ok(visit.done(&format!("/jobs/{id}"), &notice))
}

/// Why a job is not replayed or a call not restarted, in Russian.
pub(crate) fn to_fault(error: ReplayError) -> Fault {
    match error {
        ReplayError::Unknown => Fault::NotFound,
        ReplayError::Store(error) => error.into(),
        error @ (ReplayError::NotDead(_) | ReplayError::CallNotFailed(..)) => {
            Fault::conflict(error.text_ru().unwrap_or_default())
        }
        error => Fault::refused(error.text_ru().unwrap_or_default()),
    }
}

/// Why a job is not cancelled, in Russian.
fn not_cancelled(error: CancelError) -> Fault {
    match (error.text_ru().unwrap_or_default(), error) {
        (_, CancelError::Store(error)) => error.into(),
        (text, CancelError::NotQueued | CancelError::HasBegun) => Fault::conflict(text),
        (text, CancelError::BulkAct | CancelError::Erasure) => Fault::refused(text),
    }
}

/// `POST /jobs/:id/cancel`.
pub(crate) async fn cancel(visit: Visit<Support>) -> Result<Response, Fault> {
    let (id, reason): (JobId, _) = (visit.request.id()?, visit.reason()?);
    let cancel = || async {
        let mut act = visit.begin().await?;
        cancel_job(act.unit(), id, CANCELLED).await.map_err(not_cancelled)?;
        act.commit(Record {
            action: "job.cancel",
            subject: ("job", id.to_string()),
            reason,
            before: json!({ "state": JobState::Queued.as_str() }),
            after: json!({ "state": JobState::Cancelled.as_str() }),
        })
        .await
    };
    repeat_contended(cancel).await?;
    Ok(visit.done(&format!("/jobs/{id}"), "Задание отменено."))
}

/// `POST /jobs/:id/reschedule`.
pub(crate) async fn reschedule(visit: Visit<Support>) -> Result<Response, Fault> {
    let (id, reason): (JobId, _) = (visit.request.id()?, visit.reason()?);
    let minutes: Option<u32> = visit.request.form.parsed("minutes", MINUTES_LABEL)?;
    let minutes = minutes.ok_or_else(|| Fault::refused("Укажите, через сколько минут начать."))?;
    let run_at = visit.deps.clock().now() + TimeDelta::minutes(i64::from(minutes));
    let run = || async {
        let mut act = visit.begin().await?;
        let former = reschedule_job(act.unit(), id, run_at).await.map_err(not_rescheduled)?;
        act.commit(Record {
            action: "job.reschedule",
            subject: ("job", id.to_string()),
            reason,
            before: json!({ "run_at": former.to_rfc3339() }),
            after: json!({ "run_at": run_at.to_rfc3339() }),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/jobs/{id}"), "Начало задания перенесено."))
}

/// Why the start of a job is not moved, in Russian.
fn not_rescheduled(error: RescheduleError) -> Fault {
    match (error.text_ru().unwrap_or_default(), error) {
        (_, RescheduleError::Store(error)) => error.into(),
        (text, RescheduleError::NotQueued) => Fault::conflict(text),
        (text, RescheduleError::TooLate | RescheduleError::BulkAct | RescheduleError::Erasure) => {
            Fault::refused(text)
        }
    }
}
