//! Performs `oauth.exchange_code`.
//!
//! A job is a permit for one exchange: it waits for the rate limit of unvouched codes and only then claims the next code.
//!
//! Harmless when run twice: the second run continues with the code that the first one claimed, and a received pair is
//! kept. There are at least as many of these jobs as waiting codes, because a job ends only with a code or when none waits.

use std::time::Duration;

use flysk_domain::id::OauthCodeId;
use flysk_jobs::platform::oauth::ExchangeCode;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_store::platform::oauth_codes::{self, Code};
use flysk_store::platform::widgets::Widget;
use flysk_store::platform::{accounts, unvouched_codes};
use flysk_tokens::VaultError;

use super::exchange_failure::{CodeDisposition, FailureContext};
use super::{exchange_vouched_code, grant};
use crate::App;
use crate::job_error::IntoJobError;

/// Maximum wait for the rate limit in one run.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(20);
/// Retry delay after other jobs claimed all due codes.
const CONTENTION_DELAY: Duration = Duration::from_millis(250);
/// Time for which a claimed code is reserved for its job; longer than a run may take.
const CLAIM_TTL: Duration = Duration::from_mins(2);

impl JobHandler<App> for ExchangeCode {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        if is_outside_unvouched_queue(run, self.code_id).await? {
            return exchange_vouched_code::exchange(run, app, self.code_id).await;
        }
        if let Some(nothing) = nothing_due(run).await? {
            return nothing;
        }
        let permit = app.vault.acquire_unvouched_exchange(&run.job_id().to_string(), RATE_LIMIT_WAIT).await;
        permit.map_err(IntoJobError::into_job_error)?;
        let now = run.now();
        let mut conn = run.pool().acquire().await?;
        let claimed = unvouched_codes::claim(&mut conn, run.job_id(), now + CLAIM_TTL, now).await?;
        drop(conn);
        match claimed {
            Some(id) => process_code(run, app, id).await,
            None => nothing_due(run).await?.unwrap_or_else(|| {
                Err(JobError::Wait {
                    after: CONTENTION_DELAY,
                    reason: "other jobs claimed all due codes".to_owned(),
                })
            }),
        }
    }

    /// Keeps the number of jobs equal to the number of waiting codes.
    async fn on_dead(&self, unit: &mut UnitOfWork, reason: &str, app: &App) -> Result<(), JobError> {
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

/// Whether the code was stored before the queue of unvouched codes existed, or is vouched for by a state.
async fn is_outside_unvouched_queue(run: &JobContext, id: OauthCodeId) -> Result<bool, JobError> {
    let code = oauth_codes::find(&mut *run.pool().acquire().await?, id).await?;
    Ok(code.is_some_and(|code| code.source.is_none()))
}

/// Result of a run that holds no code when none is due: finished if none waits, snoozed otherwise.
async fn nothing_due(run: &JobContext) -> Result<Option<JobResult>, JobError> {
    let mut conn = run.pool().acquire().await?;
    if unvouched_codes::is_holding(&mut conn, run.job_id()).await? {
        return Ok(None);
    }
    Ok(match unvouched_codes::next_due(&mut conn).await? {
        None => Some(Ok(JobOutcome::skip("no code waits"))),
        Some(at) if at > run.now() => Some(Ok(JobOutcome::snooze(at, "no code is due"))),
        Some(_) => None,
    })
}

enum ExchangeResult {
    /// The job has ended.
    Ended(JobResult),
    /// The code is to be tried again.
    Retry { after: Duration, reason: String },
    /// The code is dead: it will give no pair.
    Dead { label: &'static str, reason: String, had_chance: bool },
    /// The host has no account, so all codes of the host are dead.
    NoAccount { reason: String },
}

async fn process_code(run: &JobContext, app: &App, id: OauthCodeId) -> JobResult {
    let (code, widget) = match grant::load_code(run, id).await? {
        Ok(found) => found,
        Err(why) => return Ok(JobOutcome::skip(why)),
    };
    let outcome = exchange(run, app, &code, &widget).await?;
    let mut conn = run.pool().acquire().await?;
    match outcome {
        ExchangeResult::Ended(result) => {
            count_codes("exchanged", u64::from(result.is_ok()));
            result
        }
        ExchangeResult::Retry { after, reason } => {
            unvouched_codes::postpone(&mut conn, code.id, run.now() + after).await?;
            count_codes("again", 1);
            Err(JobError::Wait { after, reason })
        }
        ExchangeResult::NoAccount { reason } => {
            let dead =
                unvouched_codes::give_up_host(&mut conn, code.id, &code.host, &reason, run.now()).await?;
            count_codes("no_account", dead);
            Ok(JobOutcome::skip(reason))
        }
        ExchangeResult::Dead { label, reason, had_chance } => {
            oauth_codes::mark_dead(&mut conn, code.id, &reason, run.now()).await?;
            count_codes(label, 1);
            // A code refused at its first try is forged or stale. There may be thousands of them, so the job is not
            // left dead for an operator.
            if !had_chance {
                return Ok(JobOutcome::skip(reason));
            }
            tracing::warn!(code.id = %code.id, host = %code.host, reason, "code exchange failed; an administrator must reconnect");
            Err(JobError::give_up(reason))
        }
    }
}

async fn exchange(
    run: &JobContext,
    app: &App,
    code: &Code,
    widget: &Widget,
) -> Result<ExchangeResult, JobError> {
    let had_chance = code.looks > 1;
    if grant::is_too_old(code, run.now()) {
        return Ok(ExchangeResult::Dead {
            label: "expired",
            reason: grant::CODE_EXPIRED.to_owned(),
            had_chance,
        });
    }
    let asked = match app.vault.exchange_unvouched(code, widget).await {
        // The network may have failed for a moment. A host is given up only if it is unreachable right after amoCRM's
        // own site was reachable.
        Err(VaultError::Unreachable(_)) if app.amocrm.site_answers(widget.crm).await => {
            app.vault.exchange_unvouched(code, widget).await
        }
        asked => asked,
    };
    let pair = match asked {
        Ok(pair) => pair,
        Err(error) => return handle_failure(run, app, code, widget, error).await,
    };
    let seen = FailureContext { looks: code.looks, is_host_known: true, does_site_answer: true };
    Ok(match grant::grant_access(run, app, code, widget, &pair).await {
        Err(JobError::Wait { after, reason }) => {
            ExchangeResult::Retry { after: seen.retry_delay(Some(after)), reason }
        }
        Err(JobError::Retry { after, reason }) => {
            ExchangeResult::Retry { after: seen.retry_delay(after), reason }
        }
        Err(JobError::GiveUp { reason }) => {
            ExchangeResult::Dead { label: "refused", reason, had_chance: true }
        }
        result => ExchangeResult::Ended(result),
    })
}

async fn handle_failure(
    run: &JobContext,
    app: &App,
    code: &Code,
    widget: &Widget,
    error: VaultError,
) -> Result<ExchangeResult, JobError> {
    let mut conn = run.pool().acquire().await?;
    let is_host_known = accounts::is_host_known(&mut conn, widget.crm, &code.host).await?;
    drop(conn);
    let does_site_answer = match &error {
        VaultError::Unreachable(_) if !is_host_known => app.amocrm.site_answers(widget.crm).await,
        _ => true,
    };
    let reason = error.to_string();
    Ok(match (FailureContext { looks: code.looks, is_host_known, does_site_answer }).classify(&error) {
        CodeDisposition::RetryAfter(after) => ExchangeResult::Retry { after, reason },
        CodeDisposition::NoAccount => ExchangeResult::NoAccount { reason },
        CodeDisposition::Refused => {
            ExchangeResult::Dead { label: "refused", reason, had_chance: code.looks > 1 }
        }
    })
}

fn count_codes(outcome: &'static str, codes: u64) {
    metrics::counter!("flysk_unvouched_codes_total", "outcome" => outcome).increment(codes);
}
