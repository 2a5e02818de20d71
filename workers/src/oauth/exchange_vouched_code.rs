//! Performs `oauth.exchange_vouched_code`.
//!
//! Harmless when run twice: a code whose pair is an install's is skipped, and a pair that was given is
//! kept until it is known whose it is. A code whose answer was lost is asked for again; if amoCRM says
//! that it was used, the administrator has to connect once more.

use std::time::Duration;

use flysk_domain::id::OauthCodeId;
use flysk_jobs::oauth::ExchangeVouchedCode;
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::platform::oauth_codes;
use flysk_vault::VaultError;

use super::grant;
use crate::App;
use crate::outcome::HasOutcome;

/// Starts after which a host that amoCRM does not know is believed to be none.
const MAX_LOOKS_AT_UNKNOWN_HOST: u32 = 3;
/// When to look again after a failure that somebody of ours has to repair; the code does not live long.
const REPAIR: Duration = Duration::from_secs(30);

impl Handle<App> for ExchangeVouchedCode {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        exchange(run, app, self.code_id).await
    }

    async fn bury(&self, unit: &mut Unit, reason: &str, app: &App) -> Result<(), JobError> {
        give_up(unit, self.code_id, reason, app).await
    }
}

/// Exchanges this code and no other.
pub(super) async fn exchange(run: &Run, app: &App, id: OauthCodeId) -> JobResult {
    let (code, widget) = match grant::load(run, id).await? {
        Ok(found) => found,
        Err(why) => return Ok(Verdict::skip(why)),
    };
    if grant::is_too_old(&code, run.now()) {
        return Err(JobError::give_up(grant::TOO_OLD));
    }
    let pair = match app.vault.exchange(&code, &widget).await {
        Ok(pair) => pair,
        Err(error @ VaultError::UnknownHost(_)) if run.attempt() >= MAX_LOOKS_AT_UNKNOWN_HOST => {
            return Err(JobError::give_up(error.to_string()));
        }
        Err(error) => return Err(verdict(error)),
    };
    grant::grant(run, app, &code, &widget, &pair).await
}

/// No pair will come of the code.
pub(super) async fn give_up(
    unit: &mut Unit,
    id: OauthCodeId,
    reason: &str,
    app: &App,
) -> Result<(), JobError> {
    tracing::warn!(code.id = %id, reason, "an administrator has to connect the widget again");
    Ok(oauth_codes::mark_dead(unit, id, reason, app.clock().now()).await?)
}

/// While the code lives every failure but a definite refusal is worth another try.
fn verdict(error: VaultError) -> JobError {
    match error {
        VaultError::OurConfiguration(_) | VaultError::Keyring(_) => {
            JobError::Wait { after: REPAIR, reason: error.to_string() }
        }
        error => error.into_job_error(),
    }
}
