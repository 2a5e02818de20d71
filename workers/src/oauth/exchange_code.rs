//! Performs `oauth.exchange_code`.
//!
//! A run is a turn: it takes a place in the pace of such codes, and only then the code whose turn it is. Harmless when run
//! twice: the second run goes on with the code that the first one held, whose pair is kept if one was given. There are at
//! least as many of these jobs as codes wait: one ends only with a code, or when none waits.

use std::time::Duration;

use flysk_domain::id::OauthCodeId;
use flysk_jobs::oauth::ExchangeCode;
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::platform::oauth_codes::{self, Code};
use flysk_store::platform::widgets::Widget;
use flysk_store::platform::{accounts, unvouched_codes};
use flysk_vault::VaultError;

use super::unsettled::{Circumstances, Fate};
use super::{exchange_vouched_code, grant};
use crate::App;
use crate::outcome::HasOutcome;

/// How long a run waits for its place in the pace.
const PLACE_WAIT: Duration = Duration::from_secs(20);
/// When to look again after others were faster.
const TAKEN: Duration = Duration::from_millis(250);
/// For how long a code is nobody else's: longer than a run may take.
const CLAIM: Duration = Duration::from_mins(2);

impl Handle<App> for ExchangeCode {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        if is_outside_lane(run, self.code_id).await? {
            return exchange_vouched_code::exchange(run, app, self.code_id).await;
        }
        if let Some(nothing) = nothing_due(run).await? {
            return nothing;
        }
        let place = app.vault.unvouched_place(&run.job_id().to_string(), PLACE_WAIT).await;
        place.map_err(HasOutcome::into_job_error)?;
        let now = run.now();
        let mut conn = run.pool().acquire().await?;
        let claimed = unvouched_codes::claim(&mut conn, run.job_id(), now + CLAIM, now).await?;
        drop(conn);
        match claimed {
            Some(id) => serve(run, app, id).await,
            None => nothing_due(run).await?.unwrap_or_else(|| {
                Err(JobError::Wait { after: TAKEN, reason: "others took all that was due".to_owned() })
            }),
        }
    }

    /// The codes that wait keep as many jobs as there are.
    async fn bury(&self, unit: &mut Unit, reason: &str, app: &App) -> Result<(), JobError> {
        let own = oauth_codes::find(unit, self.code_id).await?;
        if own.is_some_and(|code| code.source.is_none()) {
            return exchange_vouched_code::give_up(unit, self.code_id, reason, app).await;
        }
        if unvouched_codes::next_due(unit).await?.is_some() {
            unit.enqueue(self).await?;
        }
        Ok(())
    }
}

/// Whether the code was kept by an API of before the lane, or a state vouches for it.
async fn is_outside_lane(run: &Run, id: OauthCodeId) -> Result<bool, JobError> {
    let code = oauth_codes::find(&mut *run.pool().acquire().await?, id).await?;
    Ok(code.is_some_and(|code| code.source.is_none()))
}

/// How the run ends if it holds no code and none is due: for good if none waits.
async fn nothing_due(run: &Run) -> Result<Option<JobResult>, JobError> {
    let mut conn = run.pool().acquire().await?;
    if unvouched_codes::is_holding(&mut conn, run.job_id()).await? {
        return Ok(None);
    }
    Ok(match unvouched_codes::next_due(&mut conn).await? {
        None => Some(Ok(Verdict::skip("no code waits"))),
        Some(at) if at > run.now() => Some(Ok(Verdict::snooze(at, "no code is due"))),
        Some(_) => None,
    })
}

/// How an exchange came out.
enum Outcome {
    /// The job has ended, with or in spite of the code.
    Ended(JobResult),
    /// The code is to be looked at again.
    Again { after: Duration, reason: String },
    /// No pair will come of the code.
    Dead { label: &'static str, reason: String, had_chance: bool },
    /// Nor of any other from its host.
    NoAccount { reason: String },
}

async fn serve(run: &Run, app: &App, id: OauthCodeId) -> JobResult {
    let (code, widget) = match grant::load(run, id).await? {
        Ok(found) => found,
        Err(why) => return Ok(Verdict::skip(why)),
    };
    let outcome = exchange(run, app, &code, &widget).await?;
    let mut conn = run.pool().acquire().await?;
    match outcome {
        Outcome::Ended(result) => {
            count("exchanged", u64::from(result.is_ok()));
            result
        }
        Outcome::Again { after, reason } => {
            unvouched_codes::postpone(&mut conn, code.id, run.now() + after).await?;
            count("again", 1);
            Err(JobError::Wait { after, reason })
        }
        Outcome::NoAccount { reason } => {
            let dead =
                unvouched_codes::give_up_host(&mut conn, code.id, &code.host, &reason, run.now()).await?;
            count("no_account", dead);
            Ok(Verdict::skip(reason))
        }
        Outcome::Dead { label, reason, had_chance } => {
            oauth_codes::mark_dead(&mut conn, code.id, &reason, run.now()).await?;
            count(label, 1);
            // Refused at the first look it was made up, or is old, and there may be thousands: nothing for an operator.
            if !had_chance {
                return Ok(Verdict::skip(reason));
            }
            tracing::warn!(code.id = %code.id, host = %code.host, reason, "an administrator has to connect the widget again");
            Err(JobError::give_up(reason))
        }
    }
}

async fn exchange(run: &Run, app: &App, code: &Code, widget: &Widget) -> Result<Outcome, JobError> {
    let had_chance = code.looks > 1;
    if grant::is_too_old(code, run.now()) {
        return Ok(Outcome::Dead { label: "expired", reason: grant::TOO_OLD.to_owned(), had_chance });
    }
    let asked = match app.vault.exchange_unvouched(code, widget).await {
        // The way there may have been away for a moment: a host is given up when it cannot be reached right after the
        // service's own site could.
        Err(VaultError::Unreachable(_)) if app.amocrm.site_answers(widget.crm).await => {
            app.vault.exchange_unvouched(code, widget).await
        }
        asked => asked,
    };
    let pair = match asked {
        Ok(pair) => pair,
        Err(error) => return settle(run, app, code, widget, error).await,
    };
    let seen = Circumstances { looks: code.looks, is_host_known: true, does_site_answer: true };
    Ok(match grant::grant(run, app, code, widget, &pair).await {
        Err(JobError::Wait { after, reason }) => Outcome::Again { after: seen.pause(Some(after)), reason },
        Err(JobError::Retry { after, reason }) => Outcome::Again { after: seen.pause(after), reason },
        Err(JobError::GiveUp { reason }) => Outcome::Dead { label: "refused", reason, had_chance: true },
        result => Outcome::Ended(result),
    })
}

async fn settle(
    run: &Run,
    app: &App,
    code: &Code,
    widget: &Widget,
    error: VaultError,
) -> Result<Outcome, JobError> {
    let mut conn = run.pool().acquire().await?;
    let is_host_known = accounts::is_host_known(&mut conn, widget.crm, &code.host).await?;
    drop(conn);
    let does_site_answer = match &error {
        VaultError::Unreachable(_) if !is_host_known => app.amocrm.site_answers(widget.crm).await,
        _ => true,
    };
    let reason = error.to_string();
    Ok(match (Circumstances { looks: code.looks, is_host_known, does_site_answer }).judge(&error) {
        Fate::Again(after) => Outcome::Again { after, reason },
        Fate::NoAccount => Outcome::NoAccount { reason },
        Fate::Refused => Outcome::Dead { label: "refused", reason, had_chance: code.looks > 1 },
    })
}

fn count(outcome: &'static str, codes: u64) {
    metrics::counter!("flysk_unvouched_codes_total", "outcome" => outcome).increment(codes);
}
