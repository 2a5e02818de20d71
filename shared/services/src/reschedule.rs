//! Moving the start of a waiting job.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::JobId;
use flysk_queue::UnitOfWork;
use flysk_store::{Contention, StoreError, jobs};

use crate::bound_job::BoundJob;

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
    /// The job performs a bulk act, and would start later than now and than before.
    #[error("the job performs a bulk act: pause the act on its page in the admin panel")]
    BulkAct,
    /// The job erases the data of an account, and would start later than now and than before.
    #[error("the job erases the data of an account: an erasure that has begun is not postponed")]
    Erasure,
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
            Self::BulkAct => {
                "Массовое действие приостанавливают на его странице: его задание не откладывают."
            }
            Self::Erasure => "Начатое стирание данных не откладывают. Начать его можно сразу: через 0 минут.",
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
/// on what is not due: its handler compares the state of what it is about. A job that is not cancelled ([`crate::cancel::cancel`])
/// is not postponed either: it would never end if it is postponed again and again.
///
/// # Errors
///
/// The job does not wait, the start is too far away, the kind is never postponed, or the database fails.
pub async fn reschedule(
    unit: &mut UnitOfWork,
    id: JobId,
    run_at: DateTime<Utc>,
) -> Result<DateTime<Utc>, RescheduleError> {
    let now = unit.now();
    if run_at > now + MAX_DELAY {
        return Err(RescheduleError::TooLate);
    }
    let job = jobs::find(unit, id).await?.ok_or(RescheduleError::NotQueued)?;
    if run_at > job.run_at.max(now) {
        match BoundJob::of_kind(&job.kind) {
            Some(BoundJob::BulkAct) => return Err(RescheduleError::BulkAct),
            Some(BoundJob::Erasure) => return Err(RescheduleError::Erasure),
            None => {}
        }
    }
    if jobs::reschedule(unit, id, run_at.max(now)).await? {
        Ok(job.run_at)
    } else {
        Err(RescheduleError::NotQueued)
    }
}
