//! Performs `calls.reconcile_account`.
//!
//! Harmless when run twice, and if the hook arrives late after all: each note has at most one transcription. The end of
//! the window is stored with its last page; after a crash the window is read again.

use chrono::{DateTime, Utc};
use flysk_clients::amocrm::{AmoError, CallEvent, Note, RejectionKind};
use flysk_domain::Clock;
use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::flysense::automatic::is_timely;
use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::reconcile::window_start;
use flysk_domain::id::{HookId, NoteId};
use flysk_domain::platform::host::AccountHost;
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::calls::ReconcileAccount;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::calls::{CallRequest, RequestOutcome, request_automatically};
use flysk_store::flysense::accounts::{self, AccountRow};
use flysk_store::flysense::transcriptions;
use secrecy::SecretString;

use crate::App;
use crate::flysense::hooks::rate_limited::RateLimitedCalls;
use crate::flysense::{AccessError, FlySense};

/// Maximum number of pages in a window, 100 calls each; more are not plausible.
const MAX_LOG_PAGES: u32 = 500;

impl JobHandler<App> for ReconcileAccount {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let account = accounts::find(&mut *run.pool().acquire().await?, self.account_id).await?;
        let Some(account) = account.filter(|account| account.status == AccountStatus::Active) else {
            return Ok(JobOutcome::skip("FlySense is not active in the account"));
        };
        if !account.auto {
            return Ok(JobOutcome::skip("automatic transcription is off"));
        }
        let access = match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => access,
            Err(AccessError::Disconnected) => {
                return Ok(JobOutcome::skip("the account must be reconnected"));
            }
            Err(AccessError::Job(error)) => return Err(error),
        };
        let mut log = CallLog {
            flysense,
            host: flysense.host(&access)?,
            token: access.access_token.clone(),
            limiter: RateLimitedCalls::new(app, flysense, self.account_id, run),
        };
        let until = self.until.unwrap_or_else(|| run.now());
        let from = window_start(account.auto_since, account.reconciled_until, until);
        let (events, has_next) = match log.page(from, until, self.page).await {
            Ok(page) => page,
            Err(LogError::Amo(error)) => {
                if error.needs_fresh_token() {
                    flysense.report_refusal(self.account_id, &access, run.trace()).await;
                }
                return on_log_refused(&log.limiter, error).await;
            }
            Err(LogError::Job(error)) => return Err(error),
        };
        let missing = find_missing(run, &account, &events).await?;
        for &entity in EntityType::ALL {
            let ids: Vec<NoteId> =
                missing.iter().filter(|(kind, _)| *kind == entity).map(|(_, id)| *id).collect();
            if ids.is_empty() {
                continue;
            }
            let notes = match log.calls(entity, &ids).await {
                Ok(notes) => notes,
                Err(LogError::Amo(error)) => return on_log_refused(&log.limiter, error).await,
                Err(LogError::Job(error)) => return Err(error),
            };
            if !request_all(app, run, &account, entity, &notes).await? {
                // The next tick reads the window again.
                return Ok(JobOutcome::skip("too many automatic requests within a day"));
            }
        }
        finish(self, run, until, has_next).await
    }
}

/// Enqueues the next page, or records that the window is complete.
async fn finish(job: &ReconcileAccount, run: &JobContext, until: DateTime<Utc>, has_next: bool) -> JobResult {
    let mut unit = run.begin().await?;
    if has_next && job.page < MAX_LOG_PAGES {
        let next = ReconcileAccount { until: Some(until), page: job.page.max(1) + 1, ..*job };
        unit.enqueue(&next).await?;
    } else {
        accounts::set_reconciled(&mut unit, job.account_id, until).await?;
    }
    run.done(unit).await
}

/// Reads an account's call events and their notes.
struct CallLog<'a> {
    flysense: &'a FlySense,
    host: AccountHost,
    token: SecretString,
    limiter: RateLimitedCalls<'a>,
}

enum LogError {
    Amo(AmoError),
    Job(JobError),
}

impl From<AmoError> for LogError {
    fn from(error: AmoError) -> Self {
        Self::Amo(error)
    }
}

impl From<JobError> for LogError {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

impl CallLog<'_> {
    async fn page(
        &mut self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        page: u32,
    ) -> Result<(Vec<CallEvent>, bool), LogError> {
        self.limiter.acquire().await?;
        let client = &self.flysense.amocrm;
        let page = client.call_events(&self.host, &self.token, from, until, page).await?;
        Ok((page.items, page.has_next))
    }

    /// Events lack the duration of a call; notes have it. Missed calls have no recording.
    async fn calls(&mut self, entity: EntityType, ids: &[NoteId]) -> Result<Vec<Note>, LogError> {
        self.limiter.acquire().await?;
        let mut notes = self.flysense.amocrm.notes(&self.host, &self.token, entity, ids).await?.items;
        notes.retain(|note| {
            ids.contains(&note.id) && note.call.as_ref().is_some_and(|call| call.duration_s > 0)
        });
        Ok(notes)
    }
}

/// Ends the job if amoCRM would refuse again; the next tick tries again. Other errors are retried.
async fn on_log_refused(limiter: &RateLimitedCalls<'_>, error: AmoError) -> JobResult {
    use RejectionKind::{AddressNotAllowed, Invalid, NoRights, NotFound, Unpaid};
    match error.kind() {
        Some(AddressNotAllowed | Invalid | NoRights | NotFound | Unpaid) => {
            Ok(JobOutcome::skip(format!("amoCRM refused to list calls: {error}")))
        }
        _ => Err(limiter.job_error(error).await),
    }
}

/// Notes of a page that have no transcription.
async fn find_missing(
    run: &JobContext,
    account: &AccountRow,
    events: &[CallEvent],
) -> Result<Vec<(EntityType, NoteId)>, JobError> {
    let named = |event: &CallEvent| Some((event.entity_type?, event.note_id?));
    let calls: Vec<(EntityType, NoteId)> = events.iter().filter_map(named).collect();
    let ids: Vec<NoteId> = calls.iter().map(|(_, id)| *id).collect();
    let mut conn = run.pool().acquire().await?;
    let unknown = transcriptions::unknown_notes(&mut conn, account.account_id, &ids).await?;
    Ok(calls.into_iter().filter(|(_, id)| unknown.contains(id)).collect())
}

/// Requests each recent call under a trace of its own, as its hook would have; `false` if the bound of a day stopped it.
async fn request_all(
    app: &App,
    run: &JobContext,
    account: &AccountRow,
    entity: EntityType,
    notes: &[Note],
) -> Result<bool, JobError> {
    for note in notes {
        if !is_recent(note, account, run.now()) {
            continue;
        }
        let call = CallRequest {
            account_id: account.account_id,
            install_id: account.install_id,
            entity_type: entity,
            entity_id: note.entity_id,
            note_id: note.id,
            requested_by: None,
            left_channel: account.left_channel,
        };
        let mut unit = run.begin_thread(new_trace(app.clock())).await?;
        let Some(requested) = request_automatically(&mut unit, &call, app.clock()).await? else {
            return Ok(false);
        };
        let thread = unit.trace().correlation_id.clone();
        unit.commit().await?;
        if let RequestOutcome::Created(id) = requested {
            tracing::warn!(
                transcription.id = %id, account.id = %account.account_id, found.by = %run.trace().correlation_id,
                correlation.id = %thread, "found a call whose hook was lost"
            );
        }
    }
    Ok(true)
}

/// Whether the call is transcribed without a user's request. Notes without a time are judged when they are fetched.
fn is_recent(note: &Note, account: &AccountRow, now: DateTime<Utc>) -> bool {
    note.created_at <= DateTime::UNIX_EPOCH || is_timely(note.created_at, account.auto_since, now)
}

fn new_trace(clock: &dyn Clock) -> Trace {
    Trace { correlation_id: format!("found.{}", HookId::generate(clock)), traceparent: None }
}
