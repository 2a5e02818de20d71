//! Performs `oauth.confirm_disconnect`.
//!
//! Harmless when run twice: the fact carries the moment the hook arrived, and a grant that came after it
//! outweighs it. While amoCRM still answers to the account's tokens the hook is not believed; since it is
//! not documented whether the hook or the revocation comes first, it is asked until some time has passed.

use chrono::TimeDelta;
use flysk_domain::platform::lifecycle::{Fact, InstallStatus};
use flysk_jobs::oauth::ConfirmDisconnect;
use flysk_jobs::{Handle, Job as _, JobError, JobResult, Run, Verdict};
use flysk_store::StoreError;
use flysk_store::platform::accounts;
use flysk_store::platform::installs::{self, Install};
use flysk_vault::{Held, Need, Reader, VaultError, lifecycle};

use crate::App;
use crate::outcome::HasOutcome;

/// Access that still works so long after the hook is taken for good; questions that got no answer do not count.
const LONG_ENOUGH: TimeDelta = TimeDelta::minutes(1);

enum Access {
    Works,
    Gone,
}

impl Handle<App> for ConfirmDisconnect {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let install = installs::find(&mut *run.pool().acquire().await?, self.install_id).await?;
        let Some(install) = install else { return Ok(Verdict::skip("the install is gone")) };
        if install.facts().granted_at > Some(self.heard_at) {
            return Ok(Verdict::skip("access was granted again since"));
        }
        if install.status == InstallStatus::Uninstalled {
            return Ok(Verdict::skip("known already"));
        }
        if let Access::Works = probe(run, app, &install).await? {
            if run.now() >= self.heard_at + LONG_ENOUGH {
                tracing::warn!(install.id = %install.id, "a disconnect hook was replayed: access still works");
                return Ok(Verdict::skip("access still works: the hook is an old one"));
            }
            return Err(JobError::retry("access still works, the hook may have been faster than amoCRM"));
        }
        let mut unit = run.begin().await?;
        lifecycle::learn(&mut unit, app.clock(), install.id, Fact::Disconnected, self.heard_at).await?;
        run.done(unit).await
    }
}

/// Whether amoCRM still answers to the account's tokens; a dead access token alone proves nothing.
async fn probe(run: &Run, app: &App, install: &Install) -> Result<Access, JobError> {
    let reader = Reader::flysk(ConfirmDisconnect::KIND);
    let any = Need::AliveFor(std::time::Duration::ZERO);
    let held = match app.vault.access(install.id, any, &reader, run.trace()).await {
        Ok(held) => held,
        Err(VaultError::NoAccess(_) | VaultError::Refused(_)) => return Ok(Access::Gone),
        Err(error) => return Err(error.into_job_error()),
    };
    if works(run, app, install, &held).await? {
        return Ok(Access::Works);
    }
    let held = match app.vault.access(install.id, Need::OtherThan(held.pair), &reader, run.trace()).await {
        Ok(held) => held,
        Err(VaultError::NoAccess(_) | VaultError::Refused(_)) => return Ok(Access::Gone),
        Err(error) => return Err(error.into_job_error()),
    };
    Ok(if works(run, app, install, &held).await? { Access::Works } else { Access::Gone })
}

async fn works(run: &Run, app: &App, install: &Install, held: &Held) -> Result<bool, JobError> {
    let account = accounts::find(&mut *run.pool().acquire().await?, install.crm, install.account_id).await?;
    let account = account.ok_or(StoreError::Stale { what: "account" })?;
    let host = app.vault.host(install.crm, &account.host).map_err(HasOutcome::into_job_error)?;
    match app.amocrm.account(&host, &held.access_token, &[]).await {
        Ok(_) => Ok(true),
        Err(error) if error.needs_fresh_token() => Ok(false),
        Err(error) => Err(error.into_job_error()),
    }
}
