//! Performs `oauth.exchange_code`.
//!
//! Harmless when run twice: a code whose pair is an install's is skipped, and a pair that was given is
//! kept until it is known whose it is. A code whose answer was lost is asked for again; if amoCRM says
//! that it was used, the administrator has to connect once more.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_clients::amocrm::{Account, TokenPair};
use flysk_domain::platform::host::AccountHost;
use flysk_jobs::oauth::ExchangeCode;
use flysk_jobs::{Handle, Job as _, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::StoreError;
use flysk_store::platform::oauth_codes::{self, Code, CodeState};
use flysk_store::platform::widgets::{self, Widget};
use flysk_vault::{Granted, Reader, VaultError};

use crate::App;
use crate::outcome::HasOutcome;

/// How long a code lives. Source: amoCRM docs, oauth/step-by-step.
const CODE_LIVES: TimeDelta = TimeDelta::minutes(20);
/// Starts after which a host that amoCRM does not know is believed to be none: anybody can send a code and name one.
const TIMES_ASKED: u32 = 3;
/// When to look again after a failure that somebody of ours has to repair; the code does not live long.
const REPAIR: Duration = Duration::from_secs(30);

impl Handle<App> for ExchangeCode {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let (code, widget) = match self.load(run).await? {
            Ok(found) => found,
            Err(why) => return Ok(Verdict::skip(why)),
        };
        if code.pair_sealed.is_none() && run.now() > code.received_at + CODE_LIVES {
            return Err(JobError::give_up("the code was not exchanged in the 20 minutes it lives"));
        }
        let pair = match app.vault.exchange(&code, &widget).await {
            Ok(pair) => pair,
            Err(error @ VaultError::UnknownHost(_)) if run.attempt() >= TIMES_ASKED => {
                return Err(JobError::give_up(error.to_string()));
            }
            Err(error) => return Err(verdict(error)),
        };
        let host = app.vault.host(widget.crm, &code.host).map_err(verdict)?;
        let account = app.amocrm.account(&host, &pair.access_token, &[]).await;
        let account = account.map_err(HasOutcome::into_job_error)?;
        if code.expected_account_id.is_some_and(|expected| expected != account.id.0) {
            let why =
                format!("access was granted to account {}, not to the one it was asked for in", account.id);
            return Err(JobError::give_up(why));
        }
        let host = present_host(&account, host);
        let by_admin = has_admins_rights(app, &host, &pair, &account).await;
        let granted = Granted {
            widget: &widget,
            account: &account,
            host: &host,
            pair: &pair,
            by_admin,
            at: run.now(),
            reader: &Reader::flysk(Self::KIND),
        };
        self.store(run, app, &granted).await
    }

    async fn bury(&self, unit: &mut Unit, reason: &str, app: &App) -> Result<(), JobError> {
        tracing::warn!(code.id = %self.code_id, reason, "an administrator has to connect the widget again");
        Ok(oauth_codes::mark_dead(unit, self.code_id, reason, app.clock().now()).await?)
    }
}

/// What there is to do, or why there is nothing.
type Found = Result<(Code, Widget), &'static str>;

trait Steps {
    async fn load(&self, run: &Run) -> Result<Found, JobError>;
    async fn store(&self, run: &Run, app: &App, granted: &Granted<'_>) -> JobResult;
}

impl Steps for ExchangeCode {
    async fn load(&self, run: &Run) -> Result<Found, JobError> {
        let mut conn = run.pool().acquire().await?;
        let Some(code) = oauth_codes::find(&mut conn, self.code_id).await? else {
            return Ok(Err("the code is gone"));
        };
        if code.state != CodeState::Waiting {
            return Ok(Err("the code was dealt with"));
        }
        let widget = widgets::find(&mut conn, code.widget_id).await?;
        let widget = widget.ok_or(StoreError::Stale { what: "widget" })?;
        Ok(Ok((code, widget)))
    }

    /// Account, install, pair, status and events in the transaction that ends the job.
    async fn store(&self, run: &Run, app: &App, granted: &Granted<'_>) -> JobResult {
        let mut unit = run.begin().await?;
        let install_id = app.vault.store_grant(&mut unit, granted).await.map_err(verdict)?;
        oauth_codes::mark_exchanged(&mut unit, self.code_id, install_id, run.now()).await?;
        let (account, widget) = (granted.account.id, &granted.widget.code);
        tracing::info!(install.id = %install_id, account.id = %account, widget = %widget, by_admin = granted.by_admin, "access was granted");
        run.done(unit).await
    }
}

/// A grant has its user's rights, and the widget lacks something where those are not an administrator's. The widget works
/// all the same, so it does not wait for this answer: without one nobody is told anything.
async fn has_admins_rights(
    app: &App,
    host: &AccountHost,
    pair: &TokenPair,
    account: &Account,
) -> Option<bool> {
    let user = account.current_user_id.or(pair.claims.user_id)?;
    match app.amocrm.is_admins(host, &pair.access_token, user).await {
        Ok(is_admin) => Some(is_admin),
        Err(error) => {
            tracing::warn!(%error, account.id = %account.id, "whose rights the grant has could not be found out");
            None
        }
    }
}

/// The host the account names itself, unless that is none we would trust.
fn present_host(account: &Account, asked: AccountHost) -> AccountHost {
    let named = format!("{}.{}", account.subdomain, asked.suffix());
    AccountHost::parse(&named, &[asked.suffix()]).unwrap_or(asked)
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
