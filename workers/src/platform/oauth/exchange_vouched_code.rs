//! Performs `oauth.exchange_vouched_code`.
//!
//! Harmless when run twice: a code whose pair was stored in an install is skipped, and a received pair is kept until
//! its account is known.
//!
//! A code whose answer was lost is exchanged again. If amoCRM refuses it as used, the administrator must reconnect.

use std::time::Duration;

use flysk_domain::id::OauthCodeId;
use flysk_jobs::platform::oauth::ExchangeVouchedCode;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_store::platform::oauth_codes;
use flysk_tokens::VaultError;

use super::grant;
use crate::App;
use crate::job_error::IntoJobError;

/// Attempts after which amoCRM's answer that the host is unknown is trusted.
const MAX_ATTEMPTS_AT_UNKNOWN_HOST: u32 = 3;
/// Retry delay after configuration errors; short, because codes expire after 20 minutes.
const CONFIG_RETRY_DELAY: Duration = Duration::from_secs(30);

impl JobHandler<App> for ExchangeVouchedCode {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        exchange(run, app, self.code_id).await
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, reason: &str, app: &App) -> Result<(), JobError> {
        give_up(unit, self.code_id, reason, app).await
    }
}

/// Exchanges this code only.
pub(super) async fn exchange(run: &JobContext, app: &App, id: OauthCodeId) -> JobResult {
    let (code, widget) = match grant::load_code(run, id).await? {
        Ok(found) => found,
        Err(why) => return Ok(JobOutcome::skip(why)),
    };
    if grant::is_too_old(&code, run.now()) {
        return Err(JobError::give_up(grant::CODE_EXPIRED));
    }
    let pair = match app.vault.exchange(&code, &widget).await {
        Ok(pair) => pair,
        Err(error @ VaultError::UnknownHost(_)) if run.attempt() >= MAX_ATTEMPTS_AT_UNKNOWN_HOST => {
            return Err(JobError::give_up(error.to_string()));
        }
        Err(error) => return Err(exchange_job_error(error)),
    };
    grant::grant_access(run, app, &code, &widget, &pair).await
}

/// Marks the code as dead.
pub(super) async fn give_up(
    unit: &mut UnitOfWork,
    id: OauthCodeId,
    reason: &str,
    app: &App,
) -> Result<(), JobError> {
    tracing::warn!(code.id = %id, reason, "code exchange failed; an administrator must reconnect");
    Ok(oauth_codes::mark_dead(unit, id, reason, app.clock().now()).await?)
}

/// While the code is valid, every failure except a definite refusal is retried.
fn exchange_job_error(error: VaultError) -> JobError {
    match error {
        VaultError::OurConfiguration(_) | VaultError::Keyring(_) => {
            JobError::Wait { after: CONFIG_RETRY_DELAY, reason: error.to_string() }
        }
        error => error.into_job_error(),
    }
}
