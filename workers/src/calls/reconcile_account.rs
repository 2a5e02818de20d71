//! Performs `calls.reconcile_account`.
//!
//! Harmless when run twice, and beside the hook that comes late after all: each note has one transcription. How
//! far the log was read is noted with its last page; a run that dies before reads it again.

use chrono::{DateTime, Utc};
use flysk_clients::amocrm::{AmoError, CallEvent, EntityType, Note, RejectionKind};
use flysk_domain::Clock;
use flysk_domain::flysense::reconcile::window_start;
use flysk_domain::id::{HookId, NoteId};
use flysk_domain::platform::host::AccountHost;
use flysk_domain::trace::Trace;
use flysk_jobs::calls::ReconcileAccount;
use flysk_jobs::calls::request::{CallRequest, NO_MORE_RUNS, Requested, request};
use flysk_jobs::{Handle, JobError, JobResult, Run, Verdict};
use flysk_store::flysense::accounts::{self, AccountRow};
use flysk_store::flysense::transcriptions;
use secrecy::SecretString;

use crate::App;
use crate::amocrm::turns::Turns;
use crate::flysense::{FlySense, Refusal};

/// A log of so many calls in one window is no log: 100 to a page.
const MOST_PAGES: u32 = 500;

impl Handle<App> for ReconcileAccount {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let account = accounts::find(&mut *run.pool().acquire().await?, self.account_id).await?;
        let Some(account) = account.filter(|account| account.status == "active") else {
            return Ok(Verdict::skip("FlySense is not active in the account"));
        };
        if !account.auto {
            return Ok(Verdict::skip("automatic transcription is off"));
        }
        let access = match flysense.access(self.account_id, run.trace()).await {
            Ok(access) => access,
            Err(Refusal::Disconnected) => return Ok(Verdict::skip("the account has to be connected again")),
            Err(Refusal::Job(error)) => return Err(error),
        };
        let mut log = Log {
            flysense,
            host: flysense.host(&access)?,
            token: access.access_token,
            turns: Turns::new(app, flysense, self.account_id, run),
        };
        let until = self.until.unwrap_or_else(|| run.now());
        let from = window_start(account.auto_since, account.reconciled_until, until);
        let (events, has_next) = match log.page(from, until, self.page).await {
            Ok(page) => page,
            Err(Failed::Amo(error)) => return refused(&log.turns, error).await,
            Err(Failed::Job(error)) => return Err(error),
        };
        let lost = lost(run, &account, &events).await?;
        for entity in EntityType::ALL {
            let ids: Vec<NoteId> =
                lost.iter().filter(|(kind, _)| *kind == entity).map(|(_, id)| *id).collect();
            if ids.is_empty() {
                continue;
            }
            match log.calls(entity, &ids).await {
                Ok(notes) => request_all(app, run, &account, entity, &notes).await?,
                Err(Failed::Amo(error)) => return refused(&log.turns, error).await,
                Err(Failed::Job(error)) => return Err(error),
            }
        }
        self.leave(run, until, has_next).await
    }
}

trait Leave {
    async fn leave(&self, run: &Run, until: DateTime<Utc>, has_next: bool) -> JobResult;
}

impl Leave for ReconcileAccount {
    async fn leave(&self, run: &Run, until: DateTime<Utc>, has_next: bool) -> JobResult {
        let mut unit = run.begin().await?;
        if has_next && self.page < MOST_PAGES {
            let next = Self { until: Some(until), page: self.page.max(1) + 1, ..*self };
            unit.enqueue(&next).await?;
        } else {
            accounts::set_reconciled(&mut unit, self.account_id, until).await?;
        }
        run.done(unit).await
    }
}

/// An account's log, and the notes behind it.
struct Log<'a> {
    flysense: &'a FlySense,
    host: AccountHost,
    token: SecretString,
    turns: Turns<'a>,
}

enum Failed {
    Amo(AmoError),
    Job(JobError),
}

impl From<AmoError> for Failed {
    fn from(error: AmoError) -> Self {
        Self::Amo(error)
    }
}

impl From<JobError> for Failed {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

impl Log<'_> {
    async fn page(
        &mut self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        page: u32,
    ) -> Result<(Vec<CallEvent>, bool), Failed> {
        self.turns.next().await?;
        let client = &self.flysense.amocrm;
        let page = client.call_events(&self.host, &self.token, from, until, page).await?;
        Ok((page.items, page.has_next))
    }

    /// The log does not say how long a call was: its note does. Missed calls have nothing to hear.
    async fn calls(&mut self, entity: EntityType, ids: &[NoteId]) -> Result<Vec<Note>, Failed> {
        self.turns.next().await?;
        let mut notes = self.flysense.amocrm.notes(&self.host, &self.token, entity, ids).await?.items;
        notes.retain(|note| {
            ids.contains(&note.id) && note.call.as_ref().is_some_and(|call| call.duration_s > 0)
        });
        Ok(notes)
    }
}

/// What amoCRM will still say the next time waits for the next tick; everything else is tried again.
async fn refused(turns: &Turns<'_>, error: AmoError) -> JobResult {
    use RejectionKind::{AddressNotAllowed, Invalid, NoRights, NotFound, Unpaid};
    match error.kind() {
        Some(AddressNotAllowed | Invalid | NoRights | NotFound | Unpaid) => {
            Ok(Verdict::skip(format!("amoCRM does not show its log: {error}")))
        }
        _ => Err(turns.job_error(error).await),
    }
}

/// The calls of a page that we know nothing of.
async fn lost(
    run: &Run,
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

/// Requests each call on a thread of its own, as its hook would have.
async fn request_all(
    app: &App,
    run: &Run,
    account: &AccountRow,
    entity: EntityType,
    notes: &[Note],
) -> Result<(), JobError> {
    for note in notes {
        let call = CallRequest {
            account_id: account.account_id,
            install_id: account.install_id,
            entity_type: entity.plural().to_owned(),
            entity_id: note.entity_id,
            note_id: note.id,
            requested_by: None,
            left_channel: account.left_channel.clone(),
        };
        let mut unit = app.outbox.begin(own_thread(app.clock())).await?;
        let requested = request(&mut unit, &call, NO_MORE_RUNS, app.clock()).await?;
        let thread = unit.trace().correlation_id.clone();
        unit.commit().await?;
        if let Requested::Started(id) = requested {
            tracing::warn!(
                transcription.id = %id, account.id = %account.account_id, found.by = %run.trace().correlation_id,
                correlation.id = %thread, "a call whose hook never came was found"
            );
        }
    }
    Ok(())
}

fn own_thread(clock: &dyn Clock) -> Trace {
    Trace { correlation_id: format!("found.{}", HookId::generate(clock)), traceparent: None }
}
