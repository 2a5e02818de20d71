//! The lines before an account's API, kept over all processes: 7 requests a second of each install, well under 50 of all
//! widgets in the account together, and nobody while it is shut.
//!
//! Source: amoCRM docs, api/recommendations; issues 434 and 563 of `amocrm/amocrm-api-php` for blocks.

use std::time::Duration;

use flysk_domain::id::{AccountId, JobId};
use flysk_domain::trace::Trace;
use flysk_jobs::runtime::limits::{Rate, SHUT, Stood};
use flysk_store::platform::installs::Install;
use redis::RedisError;

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// How long a request may stand in line.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of all widgets in an account: amoCRM allows an account 50. FlySense asks without the gateway, and its own 7 come on
/// top.
const ACCOUNT_PER_SECOND: u32 = 40;

/// Stands in line for a request of an install: in the install's own, then in its account's, where installs take turns.
/// Too long a line is refused at once.
pub(super) async fn stand(deps: &Deps, install: &Install, trace: &Trace) -> Result<(), Problem> {
    let (account, tenant) = (install.account_id, install.id.to_string());
    let per_second = deps.config.amocrm.requests_per_second;
    let own = Rate::per_second(format!("amocrm.{tenant}"), per_second);
    let all = Rate::per_second(format!("amocrm.account.{account}"), ACCOUNT_PER_SECOND);
    let me = format!("{}-{}", trace.correlation_id, JobId::generate(deps.clock()));
    let mut patience = PATIENCE;
    for rate in [own, all] {
        let stood = deps.limits.stand(&rate, &tenant, &me, patience).await.map_err(|error| unseen(&error))?;
        match stood {
            Stood::Served(waited) => patience = patience.saturating_sub(waited),
            Stood::TooLong(wait) => {
                let seconds = u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX);
                let why = "too many requests to this account's API wait already";
                return Err(Problem::new(ProblemCode::TooManyRequests, why).retry_after(seconds));
            }
        }
    }
    Ok(())
}

/// Whether the account is not shut for us.
pub(super) async fn is_open(deps: &Deps, account: AccountId) -> Result<(), Problem> {
    match deps.limits.shut_for(account).await.map_err(|error| unseen(&error))? {
        Some(time) => Err(shut_for(time)),
        None => Ok(()),
    }
}

/// Leaves the account alone for a while.
pub(super) async fn close(deps: &Deps, account: AccountId) {
    deps.limits.shut(account, SHUT).await;
}

/// amoCRM shuts us out of the account.
pub(super) fn blocked() -> Problem {
    shut_for(SHUT)
}

fn shut_for(time: Duration) -> Problem {
    let why = "amoCRM shuts requests to this account out for now";
    let seconds = u32::try_from(time.as_secs() + 1).unwrap_or(u32::MAX);
    Problem::new(ProblemCode::Unavailable, why).retry_after(seconds)
}

/// Without Redis nobody knows what others took.
fn unseen(error: &RedisError) -> Problem {
    tracing::warn!(error = %error, "the line cannot be seen");
    Problem::new(ProblemCode::Unavailable, "the limit on amoCRM's API cannot be kept right now")
        .retry_after(1)
}
