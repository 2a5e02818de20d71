//! Performs `panel.run_bulk_act`. Harmless when run twice or in part: a row's change, its result, its row of the audit log and
//! the place of the act are one transaction under the lock of the act, and the next run goes on from that place. An act whose
//! operator may not act any more is stopped before its next batch.

use flysk_admin::{FrozenList, freeze};
use flysk_domain::admin::{BulkState, OperatorRight};
use flysk_domain::id::{AuditId, BulkActId, BulkResultId};
use flysk_jobs::platform::panel::RunBulkAct;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::bulk::{Applied, RowError, apply};
use flysk_services::withdrawal::{Withdrawal, find_withdrawal, record_withdrawal};
use flysk_store::admin::audit::{self, NewAuditRow};
use flysk_store::admin::bulk_acts::{self, BulkAct, BulkOutcome, BulkResult};
use flysk_store::{Conn, Contention, StoreError, StoreResult, repeat_contended};

use crate::App;

/// Rows read at once.
const BATCH_SIZE: u32 = 100;
/// Rows of one attempt.
const SLICE_SIZE: u32 = 500;
/// Maximum length of a result's text, in characters.
const MAX_DETAIL_LEN: usize = 300;

/// Source of an act's rows.
enum Rows {
    List(Box<dyn FrozenList>),
    /// The changed rows of an act that this one takes back.
    ChangedBy(BulkActId),
}

impl Rows {
    fn of(act: &BulkAct) -> Result<Self, JobError> {
        let give_up = |error: &dyn std::fmt::Display| JobError::give_up(error.to_string());
        match &act.undo_of {
            Some(undone) => undone.parse().map(Self::ChangedBy).map_err(|error| give_up(&error)),
            None => freeze(&act.list, &act.query, act.requested_at)
                .map(Self::List)
                .map_err(|error| give_up(&error)),
        }
    }

    async fn ids(&self, conn: &mut Conn, after: Option<&str>, limit: u32) -> StoreResult<Vec<String>> {
        match self {
            Self::List(list) => list.ids_up(conn, after, limit).await,
            Self::ChangedBy(undone) => bulk_acts::changed_ids(conn, *undone, after, limit).await,
        }
    }
}

impl JobHandler<App> for RunBulkAct {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let act = bulk_acts::find(&mut *run.pool().acquire().await?, self.bulk_act_id).await?;
        let Some(act) = act.filter(|act| act.state == BulkState::Running) else {
            return Ok(JobOutcome::skip("the act does not run"));
        };
        let rows = Rows::of(&act)?;
        let (mut after, mut left) = (act.last_id.clone(), act.expected.saturating_sub(act.processed()));
        let mut in_slice = 0;
        while left > 0 {
            if in_slice >= SLICE_SIZE {
                return Ok(JobOutcome::snooze(run.now(), "more rows follow"));
            }
            let mut conn = run.pool().acquire().await?;
            let withdrawal = find_withdrawal(&mut conn, act.operator_id, OperatorRight::Bulk).await?;
            if let Some(withdrawal) = withdrawal {
                drop(conn);
                return stop(run, app, act.id, withdrawal).await;
            }
            let ids = rows.ids(&mut conn, after.as_deref(), BATCH_SIZE.min(left)).await?;
            drop(conn);
            if ids.is_empty() {
                break;
            }
            for subject in ids {
                if !act_on(run, app, &act, after.as_deref(), &subject).await? {
                    return Ok(JobOutcome::skip("the act was paused, or another job goes on with it"));
                }
                after = Some(subject);
                left -= 1;
                in_slice += 1;
            }
        }
        finish(run, act.id).await
    }

    /// Pauses the act, so that an operator sees that it does not go on, and can resume it.
    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let act = bulk_acts::lock(unit, self.bulk_act_id).await?;
        if act.is_some_and(|act| act.state == BulkState::Running) {
            let (change, now) = ((BulkState::Running, BulkState::Paused), app.clock().now());
            bulk_acts::write_state(unit, self.bulk_act_id, change, now).await?;
        }
        Ok(())
    }
}

/// Ends the act together with its job, unless an operator was faster.
async fn finish(run: &JobContext, id: BulkActId) -> JobResult {
    let mut unit = run.begin().await?;
    let act = bulk_acts::lock(&mut unit, id).await?;
    if act.is_some_and(|act| act.state == BulkState::Running) {
        bulk_acts::write_state(&mut unit, id, (BulkState::Running, BulkState::Done), run.now()).await?;
    }
    run.done(unit).await
}

/// Ends an act whose operator may not act any more, together with its job, unless an operator was faster.
async fn stop(run: &JobContext, app: &App, id: BulkActId, withdrawal: Withdrawal) -> JobResult {
    let mut unit = run.begin().await?;
    let act = bulk_acts::lock(&mut unit, id).await?;
    if act.is_some_and(|act| act.state == BulkState::Running) {
        bulk_acts::write_state(&mut unit, id, (BulkState::Running, BulkState::Stopped), run.now()).await?;
        let act = id.to_string();
        record_withdrawal(&mut unit, app.clock(), "bulk.stop", ("bulk", &act), withdrawal).await?;
    }
    run.done(unit).await
}

/// Why a row got no change.
enum Unchanged {
    /// The row does not allow it; the text is Russian.
    Refused(String),
    /// The job failed.
    Failed(JobError),
}

impl Contention for Unchanged {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Failed(error) if error.is_contended())
    }
}

impl From<JobError> for Unchanged {
    fn from(error: JobError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Unchanged {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<RowError> for Unchanged {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Refused(text) => Self::Refused(text),
            RowError::Store(error) => error.into(),
        }
    }
}

/// Acts on one row; `false` if the act does not run any more, or has another place.
async fn act_on(
    run: &JobContext,
    app: &App,
    act: &BulkAct,
    after: Option<&str>,
    subject: &str,
) -> Result<bool, JobError> {
    let change = || async {
        let Some(mut unit) = begin(run, act.id, after).await? else { return Ok(false) };
        // A refusal drops the unit, which rolls back what was written.
        let applied = apply(&mut unit, act.action, subject, act.undo_of.is_some()).await?;
        record(&mut unit, app, act, subject, &applied).await?;
        write_result(&mut unit, app, act, subject, (BulkOutcome::Done, &applied.detail)).await?;
        unit.commit().await?;
        Ok::<_, Unchanged>(true)
    };
    let text = match repeat_contended(change).await {
        Ok(goes_on) => return Ok(goes_on),
        Err(Unchanged::Refused(text)) => text,
        Err(Unchanged::Failed(error)) => return Err(error),
    };
    let refuse = || async {
        let Some(mut unit) = begin(run, act.id, after).await? else { return Ok(false) };
        write_result(&mut unit, app, act, subject, (BulkOutcome::Refused, &text)).await?;
        unit.commit().await?;
        Ok::<_, JobError>(true)
    };
    repeat_contended(refuse).await
}

/// Begins the transaction of a row under the lock of the act; `None` if the act does not run, or its place is not `after`.
async fn begin(run: &JobContext, id: BulkActId, after: Option<&str>) -> Result<Option<UnitOfWork>, JobError> {
    let mut unit = run.begin().await?;
    let act = bulk_acts::lock(&mut unit, id).await?;
    let is_there = act.is_some_and(|act| act.state == BulkState::Running && act.last_id.as_deref() == after);
    Ok(is_there.then_some(unit))
}

/// A row of the audit log for a changed row, as the act on it alone leaves it.
async fn record(
    unit: &mut UnitOfWork,
    app: &App,
    act: &BulkAct,
    subject: &str,
    applied: &Applied,
) -> StoreResult<()> {
    let row = NewAuditRow {
        id: AuditId::generate(app.clock()),
        operator_id: Some(act.operator_id),
        operator_login: &act.operator_login,
        action: act.action.code(),
        subject: (act.action.subject_kind(), subject),
        reason: &act.reason,
        states: (Some(applied.before.to_string()), Some(applied.after.to_string())),
        address: &act.address,
        correlation_id: &act.correlation_id,
    };
    let now = unit.now();
    audit::insert(unit, &row, now).await
}

async fn write_result(
    unit: &mut UnitOfWork,
    app: &App,
    act: &BulkAct,
    subject: &str,
    (outcome, detail): (BulkOutcome, &str),
) -> StoreResult<()> {
    let result = BulkResult {
        id: BulkResultId::generate(app.clock()),
        bulk_act_id: act.id,
        subject_id: subject.to_owned(),
        outcome,
        detail: detail.chars().take(MAX_DETAIL_LEN).collect(),
        happened_at: unit.now(),
    };
    bulk_acts::write_result(unit, &result).await
}
