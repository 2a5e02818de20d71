//! Moving the start of a waiting job.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::JobId;
use flysk_queue::UnitOfWork;
use flysk_store::{Contention, StoreError, jobs};

/// Longest delay of a waiting job from now on.
pub const MAX_DELAY: TimeDelta = TimeDelta::days(30);

/// Why the start of a job is not moved.
#[derive(Debug, thiserror::Error)]
pub enum RescheduleError {
    /// The job does not wait.
    #[error("the job is not queued")]
    NotQueued,
    /// The new start is more than [`MAX_DELAY`] away.
    #[error("the new start is more than 30 days away")]
    TooLate,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RescheduleError {
    /// The reason in Russian, for operators; `None` for an error of the database.
    pub const fn text_ru(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotQueued => "Задание уже не ждёт в очереди: его начало не изменить.",
            Self::TooLate => "Отложить задание можно не больше чем на 30 дней.",
            Self::Store(_) => return None,
        })
    }
}

impl Contention for RescheduleError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_contended())
    }
}

/// Makes a waiting job start at `run_at`, or now if that is over; the caller commits. Returns its former start. A job never acts
/// on what is not due: its handler compares the state of what it is about.
///
/// # Errors
///
/// The job does not wait, the start is too far away, or the database fails.
pub async fn reschedule(
    unit: &mut UnitOfWork,
    id: JobId,
    run_at: DateTime<Utc>,
) -> Result<DateTime<Utc>, RescheduleError> {
    let now = unit.now();
    if run_at > now + MAX_DELAY {
        return Err(RescheduleError::TooLate);
    }
    let former = jobs::find(unit, id).await?.ok_or(RescheduleError::NotQueued)?.run_at;
    if jobs::reschedule(unit, id, run_at.max(now)).await? {
        Ok(former)
    } else {
        Err(RescheduleError::NotQueued)
    }
}
