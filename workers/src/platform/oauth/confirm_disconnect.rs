//! Performs `oauth.confirm_disconnect`.
//!
//! Harmless when run twice: the fact has the hook's time of arrival, and a later grant overrides it.
//!
//! The hook is not trusted while amoCRM still accepts the account's tokens. It is not documented whether the hook or
//! the revocation comes first, so the tokens are tried for a while. The vault records the disconnection when this check finds
//! the grant refused; if another caller found that first, it is recorded here.
//!
//! Nothing in a hook says when the account disabled the integration: the signature covers the ids of integration and account alone.
//! So a replay is told by the access of the present grant. An install that has lost its access meanwhile is uninstalled by any signed
//! hook: its account may have disabled the integration after the loss, and must not be charged for it any more.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::platform::lifecycle::{Fact, InstallStatus};
use flysk_jobs::platform::oauth::ConfirmDisconnect;
use flysk_queue::{Job as _, JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::installs::record_fact;
use flysk_store::StoreError;
use flysk_store::platform::accounts;
use flysk_store::platform::installs::{self, Install};
use flysk_tokens::{AccessToken, Freshness, TokenRequester, VaultError};

use crate::App;
use crate::job_error::IntoJobError;

/// Access that still works after this time proves the hook false. Tries without an answer do not count.
const HOOK_CONFIRMATION_PERIOD: TimeDelta = TimeDelta::minutes(1);

enum ProbeResult {
    Works,
    Revoked,
}

impl JobHandler<App> for ConfirmDisconnect {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let install = installs::find(&mut *run.pool().acquire().await?, self.install_id).await?;
        let Some(install) = install else { return Ok(JobOutcome::skip("the install is gone")) };
        if install.facts().granted_at > Some(self.received_at) {
            return Ok(JobOutcome::skip("access was granted again since"));
        }
        if install.status == InstallStatus::Uninstalled {
            return Ok(JobOutcome::skip("already recorded"));
        }
        if let ProbeResult::Works = probe_access(run, app, &install, self.received_at).await? {
            if run.now() >= self.received_at + HOOK_CONFIRMATION_PERIOD {
                tracing::warn!(install.id = %install.id, "rejected a replayed disconnect hook: access still works");
                return Ok(JobOutcome::skip("access still works: the hook was replayed"));
            }
            return Err(JobError::retry(
                "access still works; the hook may have arrived before the revocation",
            ));
        }
        let mut unit = run.begin().await?;
        record_fact(&mut unit, app.clock(), install.id, Fact::Disconnected, self.received_at).await?;
        run.done(unit).await
    }
}

/// Tries the account's tokens. A rejected access token alone proves nothing, so it is renewed once.
async fn probe_access(
    run: &JobContext,
    app: &App,
    install: &Install,
    told_at: DateTime<Utc>,
) -> Result<ProbeResult, JobError> {
    let any = Freshness::ValidFor(std::time::Duration::ZERO);
    let Some(token) = find_token(run, app, install, told_at, any).await? else {
        return Ok(ProbeResult::Revoked);
    };
    if token_works(run, app, install, &token).await? {
        return Ok(ProbeResult::Works);
    }
    let other = Freshness::NotGeneration(token.generation);
    let Some(token) = find_token(run, app, install, told_at, other).await? else {
        return Ok(ProbeResult::Revoked);
    };
    Ok(if token_works(run, app, install, &token).await? { ProbeResult::Works } else { ProbeResult::Revoked })
}

/// An access token of the account; `None` if amoCRM refuses the grant.
async fn find_token(
    run: &JobContext,
    app: &App,
    install: &Install,
    told_at: DateTime<Utc>,
    freshness: Freshness,
) -> Result<Option<AccessToken>, JobError> {
    let requester = TokenRequester::flysk(ConfirmDisconnect::KIND);
    let found = app
        .vault
        .access_token_after_disconnect(install.id, freshness, told_at, &requester, run.trace())
        .await;
    match found {
        Ok(token) => Ok(Some(token)),
        Err(VaultError::NoAccess(_) | VaultError::Refused(_)) => Ok(None),
        Err(error) => Err(error.into_job_error()),
    }
}

async fn token_works(
    run: &JobContext,
    app: &App,
    install: &Install,
    token: &AccessToken,
) -> Result<bool, JobError> {
    let account = accounts::find(&mut *run.pool().acquire().await?, install.crm, install.account_id).await?;
    let account = account.ok_or(StoreError::WrongState { what: "account" })?;
    let host = app.vault.host(install.crm, &account.host).map_err(IntoJobError::into_job_error)?;
    match app.amocrm.account(&host, &token.secret).await {
        Ok(_) => Ok(true),
        Err(error) if error.needs_fresh_token() => Ok(false),
        Err(error) => Err(error.into_job_error()),
    }
}
