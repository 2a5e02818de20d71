//! The lines before an account's API, kept over all processes: 7 requests a second of each install, well under 50 of all
//! widgets in the account together, and nobody while it is shut.
//!
//! Source: amoCRM docs, api/recommendations; issues 434 and 563 of `amocrm/amocrm-api-php` for blocks.

use std::time::Duration;

use flysk_domain::id::{AccountId, JobId};
use flysk_domain::trace::Trace;
use flysk_jobs::Keys;
use flysk_jobs::runtime::limits::Rate;
use flysk_store::platform::installs::Install;

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// How long a request may stand in line.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of all widgets in an account: amoCRM allows an account 50.
const ACCOUNT_PER_SECOND: u32 = 40;
/// How long an account that shut us out is left alone: hammering prolongs it.
const SHUT: Duration = Duration::from_hours(1);
/// A little more than the second amoCRM counts in: requests do not arrive as evenly as they leave.
const WINDOW: Duration = Duration::from_millis(1_100);

/// Stands in line for a request of an install: in the install's own, then in its account's, where installs take turns.
/// Too long a line is refused at once.
pub(super) async fn stand(deps: &Deps, install: &Install, trace: &Trace) -> Result<(), Problem> {
    let (account, tenant) = (install.account_id, install.id.to_string());
    let per_second = deps.config.amocrm.requests_per_second;
    let own = Rate::new(format!("amocrm.{tenant}"), per_second, WINDOW);
    let all = Rate::new(format!("amocrm.account.{account}"), ACCOUNT_PER_SECOND, WINDOW);
    let me = format!("{}-{}", trace.correlation_id, JobId::generate(deps.clock()));
    let mut patience = PATIENCE;
    for rate in [own, all] {
        patience = patience.saturating_sub(stand_in(deps, &rate, &tenant, &me, patience).await?);
    }
    Ok(())
}

/// Stands in one line; how long it took.
async fn stand_in(
    deps: &Deps,
    rate: &Rate,
    tenant: &str,
    me: &str,
    patience: Duration,
) -> Result<Duration, Problem> {
    let mut waited = Duration::ZERO;
    loop {
        let wait = deps.limits.take(rate, tenant, me).await.map_err(|error| {
            tracing::warn!(error = %error, "the line cannot be seen");
            away()
        })?;
        let Some(wait) = wait else { return Ok(waited) };
        if waited + wait > patience {
            deps.limits.leave_line(rate, tenant, me).await;
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
