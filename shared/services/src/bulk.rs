//! Acts on one row of a bulk act.

use flysk_domain::TextEnum as _;
use flysk_domain::admin::BulkAction;
use flysk_domain::id::{EventId, JobId};
use flysk_queue::UnitOfWork;
use flysk_store::jobs::{self, JobState};
use flysk_store::platform::events::{self, EventState};
use flysk_store::{Contention, StoreError};
use serde_json::{Value, json};

use crate::cancel::{CancelError, cancel, cancel_unstarted};
use crate::events::deliver_again;
use crate::replay::{ReplayOutcome, replay};

/// Reason in the row of a cancelled job.
const CANCELLED: &str = "cancelled by an operator";

/// Effect of a bulk act on a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The row's state before, for the audit log.
    pub before: Value,
    /// The row's state after, for the audit log.
    pub after: Value,
    /// Description of the effect, in Russian.
    pub detail: String,
}

/// Why a row was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The row does not allow it; the text is Russian. The transaction must be rolled back.
    #[error("{0}")]
    Refused(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Contention for RowError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_contended())
    }
}

/// Acts on the row `subject` in `unit`; the caller commits, or rolls back after an error. `is_undo`: the act takes back another
/// one, so that it leaves alone what has gone on since.
///
/// # Errors
///
/// The row does not allow the act, or the database failed.
pub async fn apply(
    unit: &mut UnitOfWork,
    action: BulkAction,
    subject: &str,
    is_undo: bool,
) -> Result<Applied, RowError> {
    match action {
        BulkAction::JobReplay => replay_job(unit, parse(subject)?).await,
        BulkAction::JobCancel => cancel_job(unit, parse(subject)?, is_undo).await,
        BulkAction::EventReplay => replay_event(unit, parse(subject)?).await,
    }
}

fn refused(text: impl Into<String>) -> RowError {
    RowError::Refused(text.into())
}

fn parse<T: std::str::FromStr>(subject: &str) -> Result<T, RowError> {
    subject.parse().map_err(|_| refused("Такой записи нет."))
}

async fn replay_job(unit: &mut UnitOfWork, id: JobId) -> Result<Applied, RowError> {
    let job = jobs::find(unit, id).await?.ok_or_else(|| refused("Задания больше нет."))?;
    let outcome = replay(unit, id).await.map_err(|error| match error.text_ru() {
        Some(text) => refused(text),
        None => RowError::Store(match error {
            crate::replay::ReplayError::Store(error) => error,
            other => StoreError::InvalidRow { what: "replay", reason: other.to_string() },
        }),
    })?;
    let (after, detail) = match outcome {
        ReplayOutcome::Queued => {
            (json!({ "state": JobState::Queued.as_str() }), "Поставлено в очередь.".to_owned())
        }
        ReplayOutcome::CallRestarted { transcription_id, run } => (
            json!({ "call": transcription_id, "run": run }),
            format!("Звонок {transcription_id} начат заново, прогон {run}."),
        ),
    };
    Ok(Applied { before: json!({ "state": job.state.as_str(), "kind": job.kind }), after, detail })
}

async fn cancel_job(unit: &mut UnitOfWork, id: JobId, is_undo: bool) -> Result<Applied, RowError> {
    let job = jobs::find(unit, id).await?.ok_or_else(|| refused("Задания больше нет."))?;
    let cancelled =
        if is_undo { cancel_unstarted(unit, id, CANCELLED).await } else { cancel(unit, id, CANCELLED).await };
    cancelled.map_err(|error| match (error.text_ru(), error) {
        (_, CancelError::Store(error)) => RowError::Store(error),
        (text, _) => refused(text.unwrap_or_default()),
    })?;
    Ok(Applied {
        before: json!({ "state": JobState::Queued.as_str(), "kind": job.kind }),
        after: json!({ "state": JobState::Cancelled.as_str() }),
        detail: "Отменено.".to_owned(),
    })
}

async fn replay_event(unit: &mut UnitOfWork, id: EventId) -> Result<Applied, RowError> {
    let event = events::find(unit, id).await?.ok_or_else(|| refused("События больше нет."))?;
    deliver_again(unit, &event).await?;
    Ok(Applied {
        before: json!({ "state": event.state.as_str(), "attempts": event.attempts }),
        after: json!({ "state": EventState::Waiting.as_str() }),
        detail: "Будет доставлено заново.".to_owned(),
    })
}
