//! Rate limits of an account's amoCRM API, shared by all processes: 7/s per install, 40/s per account, and no requests
//! while amoCRM blocks Flysk.
//!
//! Source: amoCRM docs, api/recommendations; issues 434 and 563 of `amocrm/amocrm-api-php` for blocks.

use std::time::Duration;

use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use flysk_queue::limits::{RateLimit, WaitOutcome};
use flysk_services::installs::{AMOCRM_BLOCK_DURATION, AmocrmCaller, block_account, blocked_for};
use flysk_store::platform::installs::Install;
use redis::RedisError;

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Maximum time that a request waits for the rate limits.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Limit of all widgets of an account together. amoCRM allows 50/s per account; FlySense does not use the gateway and has
/// its own 7/s in addition.
const ACCOUNT_REQUESTS_PER_SECOND: u32 = 40;

/// Waits for the rate limits of a request: the install's, then the account's, which is shared round-robin by its installs.
/// Fails immediately if the wait would be too long.
pub(super) async fn acquire(deps: &Deps, install: &Install, trace: &Trace) -> Result<(), Problem> {
    let (account, tenant) = (install.account_id, install.id.to_string());
    let per_second = deps.config.amocrm.requests_per_second;
    let own = RateLimit::per_second(format!("amocrm.{tenant}"), per_second);
    let all = RateLimit::per_second(format!("amocrm.account.{account}"), ACCOUNT_REQUESTS_PER_SECOND);
    let me = format!("{}-{}", trace.correlation_id, JobId::generate(deps.clock()));
    let mut timeout = ACQUIRE_TIMEOUT;
    for rate in [own, all] {
        let outcome = deps
            .limits
            .acquire_timeout(&rate, &tenant, &me, timeout)
            .await
            .map_err(|error| limiter_unavailable(&error))?;
        match outcome {
            WaitOutcome::Acquired(waited) => timeout = timeout.saturating_sub(waited),
            WaitOutcome::TimedOut(wait) => {
                let seconds = u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX);
                let why = "too many requests to this account are waiting for the rate limit";
                return Err(Problem::new(ProblemCode::TooManyRequests, why).retry_after(seconds));
            }
        }
    }
    Ok(())
}

/// Fails while amoCRM blocks the install's requests.
pub(super) async fn ensure_not_blocked(deps: &Deps, install: &Install) -> Result<(), Problem> {
    let caller = AmocrmCaller::Install(install.id);
    match blocked_for(&deps.limits, install.account_id, caller)
        .await
        .map_err(|error| limiter_unavailable(&error))?
    {
        Some(time) => Err(blocked_problem_for(time)),
        None => Ok(()),
    }
}

/// Records for [`AMOCRM_BLOCK_DURATION`] that the install met a block.
pub(super) async fn block(deps: &Deps, install: &Install) {
    let caller = AmocrmCaller::Install(install.id);
    block_account(&deps.limits, install.account_id, caller, AMOCRM_BLOCK_DURATION).await;
}

/// The problem for a request that amoCRM blocks.
pub(super) fn blocked_problem() -> Problem {
    blocked_problem_for(AMOCRM_BLOCK_DURATION)
}

fn blocked_problem_for(time: Duration) -> Problem {
    let why = "amoCRM temporarily blocks requests to this account";
    let seconds = u32::try_from(time.as_secs() + 1).unwrap_or(u32::MAX);
    Problem::new(ProblemCode::Unavailable, why).retry_after(seconds)
}

/// The problem when Redis, which holds the limits, is unavailable.
fn limiter_unavailable(error: &RedisError) -> Problem {
    tracing::warn!(error = %error, "rate limiter unavailable");
    Problem::new(ProblemCode::Unavailable, "the rate limiter is unavailable").retry_after(1)
}
