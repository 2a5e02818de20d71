//! Performs `calls.resolve_events`.
//!
//! Harmless when run twice: a resolved event is not asked for again, and each note has at most one transcription. Each
//! event is stored in a transaction of its own, so a crash repeats one request.

use flysk_clients::amocrm::{AmoError, CallEvent, RejectionKind};
use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::flysense::call::EntityType;
use flysk_domain::id::{EntityId, NoteId};
use flysk_jobs::flysense::calls::ResolveEvents;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::calls::{CallRequest, request_transcription};
use flysk_store::flysense::accounts::{self, AccountRow};
use flysk_store::flysense::events::{self, EventRow};

use crate::App;
use crate::flysense::hooks::rate_limited::RateLimitedCalls;
use crate::flysense::{AccessError, FlySense};

/// Events of one run. At 7 requests per second a run takes seven seconds.
const BATCH_SIZE: u32 = 50;
/// Answers that an event does not exist, after which it is absent. A new event may appear in amoCRM's log late.
const MAX_MISSES: u32 = 3;
/// Delay before an event is asked for again, in seconds.
const MISS_DELAY_S: i64 = 5;

type NoteOfEvent = (EntityType, EntityId, NoteId);

impl JobHandler<App> for ResolveEvents {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let mut conn = run.pool().acquire().await?;
        let account = accounts::find(&mut conn, self.account_id).await?;
        let pending = events::list_pending(&mut conn, self.account_id, BATCH_SIZE).await?;
        drop(conn);
        let Some(account) = account.filter(|account| account.status == AccountStatus::Active) else {
            return Ok(JobOutcome::skip("FlySense is not active in the account"));
        };
        if pending.is_empty() {
            return Ok(JobOutcome::skip("no event is pending"));
        }
        let access = match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => access,
            Err(AccessError::Disconnected) => {
                return Ok(JobOutcome::skip("the account must be reconnected"));
            }
            Err(AccessError::Job(error)) => return Err(error),
        };
        let host = flysense.host(&access)?;
        let mut limiter = RateLimitedCalls::new(app, flysense, self.account_id, run);
        let mut missed = false;
        for event in &pending {
            limiter.acquire().await?;
            match flysense.amocrm.event(&host, &access.access_token, &event.event_id).await {
                Ok(found) => missed |= !store(run, app, flysense, &account, event, note_of(&found)).await?,
                Err(error) if error.kind() == Some(RejectionKind::NotFound) => {
                    missed |= !store(run, app, flysense, &account, event, None).await?;
                }
                Err(error) => {
                    if error.needs_fresh_token() {
                        flysense.report_refusal(self.account_id, &access, run.trace()).await;
                    }
                    return on_refused(&limiter, error).await;
                }
            }
        }
        finish(self, run, pending.len(), missed).await
    }
}

/// Ends the job, or goes on with the rest: at once with a full batch, after a while with events that amoCRM did not know.
async fn finish(job: &ResolveEvents, run: &JobContext, asked: usize, missed: bool) -> JobResult {
    if u32::try_from(asked).unwrap_or(u32::MAX) < BATCH_SIZE && !missed {
        // Events that arrived meanwhile have a job of their own, because this one was running.
        return Ok(JobOutcome::Done);
    }
    if missed {
        let again = run.now() + chrono::Duration::seconds(MISS_DELAY_S);
        return Ok(JobOutcome::snooze(again, "amoCRM does not know some events yet"));
    }
    let mut unit = run.begin().await?;
    unit.enqueue(job).await?;
    run.done(unit).await
}

/// The note of a call; `None` if the event is about something else.
fn note_of(event: &CallEvent) -> Option<NoteOfEvent> {
    Some((event.entity_type?, event.entity_id, event.note_id?))
}

/// Stores the note, or that there is none, and starts the transcription that a user waits for. `false` if the event must be
/// asked for again.
async fn store(
    run: &JobContext,
    app: &App,
    flysense: &FlySense,
    account: &AccountRow,
    event: &EventRow,
    note: Option<NoteOfEvent>,
) -> Result<bool, JobError> {
    let mut unit = run.begin().await?;
    let now = run.now();
    let locked = events::lock(&mut unit, account.account_id, &event.event_id).await?;
    let Some(waiting) = locked.filter(|event| event.state == events::EventState::Pending) else {
        return Ok(true);
    };
    let Some((entity_type, entity_id, note_id)) = note else {
        let state = events::miss(&mut unit, account.account_id, &event.event_id, MAX_MISSES, now).await?;
        unit.commit().await?;
        return Ok(state == events::EventState::Absent);
    };
    events::resolve(&mut unit, account.account_id, &event.event_id, (entity_type, entity_id, note_id), now)
        .await?;
    if let Some(user) = waiting.requested_by() {
        let call = CallRequest {
            account_id: account.account_id,
            install_id: account.install_id,
            entity_type,
            entity_id,
            note_id,
            requested_by: Some(user),
            left_channel: account.left_channel,
        };
        request_transcription(&mut unit, &call, flysense.runs_per_day, app.clock()).await?;
    }
    unit.commit().await?;
    Ok(true)
}

/// Ends the job if amoCRM would refuse again; the next card with unknown records tries again. Other errors are retried.
async fn on_refused(limiter: &RateLimitedCalls<'_>, error: AmoError) -> JobResult {
    use RejectionKind::{AddressNotAllowed, Invalid, NoRights, Unpaid};
    match error.kind() {
        Some(AddressNotAllowed | Invalid | NoRights | Unpaid) => {
            Ok(JobOutcome::skip(format!("amoCRM refused to read an event: {error}")))
        }
        _ => Err(limiter.job_error(error).await),
    }
}
