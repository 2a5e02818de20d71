//! The line before an account's API: 7 requests a second over all processes, and nobody while it is shut.
//!
//! Source: amoCRM docs, api/recommendations; issues 434 and 563 of `amocrm/amocrm-api-php` for blocks.

use std::time::Duration;

use flysk_domain::id::{AccountId, JobId};
use flysk_domain::trace::Trace;
use flysk_jobs::Keys;
use flysk_jobs::runtime::limits::Rate;

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// How long a request may stand in line.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an account that shut us out is left alone: hammering prolongs it.
const SHUT: Duration = Duration::from_hours(1);
/// A little more than the second amoCRM counts in: requests do not arrive as evenly as they leave.
const WINDOW: Duration = Duration::from_millis(1_100);

/// Stands in line for a request of the account; too long a line is refused at once.
pub(super) async fn stand(deps: &Deps, account: AccountId, trace: &Trace) -> Result<(), Problem> {
    let limits = &deps.limits;
    let rate = Rate::new(format!("amocrm.{account}"), deps.config.amocrm.requests_per_second, WINDOW);
    let (tenant, me) =
        (account.to_string(), format!("{}-{}", trace.correlation_id, JobId::generate(deps.clock())));
    let mut waited = Duration::ZERO;
    loop {
        let wait = limits.take(&rate, &tenant, &me).await.map_err(|error| {
            tracing::warn!(error = %error, "the line cannot be seen");
            away()
        })?;
        let Some(wait) = wait else { return Ok(()) };
        if waited + wait > PATIENCE {
            limits.leave_line(&rate, &tenant, &me).await;
            let seconds = u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX);
            let why = "too many requests to this account's API wait already";
            return Err(Problem::new(ProblemCode::TooManyRequests, why).retry_after(seconds));
        }
        tokio::time::sleep(wait).await;
        waited += wait;
    }
}

/// Whether the account is not shut for us.
pub(super) async fn is_open(deps: &Deps, account: AccountId) -> Result<(), Problem> {
    let mut redis = deps.redis.clone();
    let shut: bool =
        redis::cmd("EXISTS").arg(key(deps, account)).query_async(&mut redis).await.map_err(|_| away())?;
    if shut { Err(blocked()) } else { Ok(()) }
}

/// Leaves the account alone for a while.
pub(super) async fn close(deps: &Deps, account: AccountId) {
    let mut redis = deps.redis.clone();
    let set = redis::cmd("SET").arg(key(deps, account)).arg(1).arg("EX").arg(SHUT.as_secs()).to_owned();
    if let Err(error) = set.query_async::<()>(&mut redis).await {
        tracing::warn!(error = %error, "a block could not be remembered");
    }
}

/// amoCRM shuts us out of the account.
pub(super) fn blocked() -> Problem {
    let why = "amoCRM shuts requests to this account out for now";
    Problem::new(ProblemCode::Unavailable, why).retry_after(u32::try_from(SHUT.as_secs()).unwrap_or(u32::MAX))
}

/// Without Redis nobody knows what others took.
fn away() -> Problem {
    Problem::new(ProblemCode::Unavailable, "the limit on amoCRM's API cannot be kept right now")
        .retry_after(1)
}

fn key(deps: &Deps, account: AccountId) -> String {
    Keys::new(deps.config.redis.prefix.clone()).key(&format!("amocrm.shut:{account}"))
}
