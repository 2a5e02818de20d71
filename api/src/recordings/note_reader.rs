//! Reads the note of a call from amoCRM for a listener who waits.

use std::time::Duration;

use flysk_clients::amocrm::{AmoCrm, AmoError, Note, RejectionKind};
use flysk_clients::flysk_api::{Caller, FlyskApi, FlyskApiError, PauthAccess};
use flysk_domain::id::AccountId;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::trace::Trace;
use flysk_queue::limits::{RateLimit, RateLimiter, WaitOutcome};
use flysk_services::installs::{AMOCRM_BLOCK_DURATION, AmocrmCaller, block_account, blocked_for};
use flysk_store::flysense::transcriptions::Transcription;

use crate::problem::{Problem, ProblemCode};

/// Maximum time that a request waits for amoCRM's rate limit.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(2);
/// Delay after a 429 without `Retry-After`. amoCRM counts requests per second.
const RETRY_AFTER_429: Duration = Duration::from_millis(1_100);

/// Reads notes with an access token of the platform.
pub(super) struct NoteReader {
    pub(super) platform: FlyskApi,
    pub(super) amocrm: AmoCrm,
    /// Shared with the workers.
    pub(super) limits: RateLimiter,
    /// Suffixes of hosts to which an access token may be sent.
    pub(super) host_suffixes: Vec<String>,
    /// Maximum rate of requests to an account.
    pub(super) requests_per_second: u32,
}

impl NoteReader {
    /// Reads the note of a call; `None` if amoCRM has no such note.
    ///
    /// If amoCRM refuses an access token that looks valid, the platform is told, and the note is read with another token: without
    /// that the platform would return the refused one until its end.
    pub(super) async fn read(&self, trace: &Trace, call: &Transcription) -> Result<Option<Note>, Problem> {
        let caller = Caller::Account(call.account_id);
        let access =
            self.platform.pauth(&caller, Some(trace)).await.map_err(|error| access_problem(&error))?;
        let mut answer = self.request_note(trace, call, &access).await?;
        if answer.as_ref().is_err_and(AmoError::needs_fresh_token) {
            let told = self.platform.pauth_after_refusal(&caller, &access.access_token, Some(trace)).await;
            let access = told.map_err(|error| access_problem(&error))?;
            answer = self.request_note(trace, call, &access).await?;
        }
        match answer {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == Some(RejectionKind::NotFound) => Ok(None),
            Err(error) => Err(note_problem(&error)),
        }
    }

    /// Requests the note within the rate limit, and once more after a 429: the platform's requests to the account have a separate
    /// limit, so both together may exceed amoCRM's.
    async fn request_note(
        &self,
        trace: &Trace,
        call: &Transcription,
        access: &PauthAccess,
    ) -> Result<Result<Note, AmoError>, Problem> {
        let account = call.account_id;
        let host = AccountHost::parse(&access.base_domain, &self.host_suffixes);
        let host = host.map_err(|error| {
            tracing::error!(error = %error, "PAuth returned an untrusted host");
            Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
        })?;
        let ask = || self.amocrm.note(&host, &access.access_token, call.entity_type, call.note_id);
        self.acquire_rate_limit(account, trace).await?;
        let mut answer = ask().await;
        if let Some(RejectionKind::RateLimited { after }) = answer.as_ref().err().and_then(AmoError::kind) {
            tokio::time::sleep(after.unwrap_or(RETRY_AFTER_429).min(RATE_LIMIT_WAIT)).await;
            self.acquire_rate_limit(account, trace).await?;
            answer = ask().await;
        }
        if answer.as_ref().is_err_and(|error| error.kind() == Some(RejectionKind::Blocked)) {
            tracing::error!(alert = "amocrm_block", account.id = %account, "amoCRM blocks this address");
            block_account(&self.limits, account, AmocrmCaller::FlySense, AMOCRM_BLOCK_DURATION).await;
        }
        Ok(answer)
    }

    /// Acquires the account's rate limit, which is shared with the workers. Fails at once while amoCRM blocks the account.
    async fn acquire_rate_limit(&self, account: AccountId, trace: &Trace) -> Result<(), Problem> {
        if blocked_for(&self.limits, account, AmocrmCaller::FlySense).await.is_ok_and(|time| time.is_some()) {
            let why = "amoCRM temporarily blocks requests to this account";
            return Err(Problem::new(ProblemCode::UpstreamUnavailable, why));
        }
        let rate = RateLimit::per_second(format!("amocrm.{account}"), self.requests_per_second);
        match self
            .limits
            .acquire_timeout(&rate, &account.to_string(), &trace.correlation_id, RATE_LIMIT_WAIT)
            .await
        {
            Ok(WaitOutcome::Acquired(_)) => Ok(()),
            Ok(WaitOutcome::TimedOut(_)) => {
                let why = "the rate limit of the account's amoCRM API is reached: retry in a few seconds";
                Err(Problem::new(ProblemCode::TooManyRequests, why))
            }
            Err(error) => {
                tracing::warn!(error = %error, "rate limiter unavailable");
                Err(Problem::new(
                    ProblemCode::Unavailable,
                    "the rate limiter is unavailable: retry in a few seconds",
                ))
            }
        }
    }
}

fn note_problem(error: &AmoError) -> Problem {
    tracing::warn!(error = %error, "cannot read the note of a call");
    Problem::new(ProblemCode::UpstreamUnavailable, "amoCRM does not return the call's note")
}

fn access_problem(error: &FlyskApiError) -> Problem {
    if error.code() == Some("reconnect_required") {
        return Problem::new(ProblemCode::ReconnectRequired, "an administrator must connect FlySense again");
    }
    tracing::warn!(error = %error, "PAuth for a recording failed");
    Problem::new(ProblemCode::UpstreamUnavailable, "no access to the account at present")
}
