//! Common part of both exchanges: loading the code, and storing the pair it gave.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_clients::amocrm::{Account, TokenPair};
use flysk_domain::id::OauthCodeId;
use flysk_domain::platform::host::AccountHost;
use flysk_queue::{JobContext, JobError, JobResult};
use flysk_store::StoreError;
use flysk_store::platform::oauth_codes::{self, Code, CodeState};
use flysk_store::platform::widgets::{self, Widget};
use flysk_tokens::{Granted, TokenRequester};

use crate::App;
use crate::job_error::IntoJobError;

/// Lifetime of a code. Source: amoCRM docs, oauth/step-by-step.
const CODE_TTL: TimeDelta = TimeDelta::minutes(20);
/// Reason for giving up an expired code.
pub(super) const CODE_EXPIRED: &str = "the code was not exchanged within its lifetime of 20 minutes";
/// Requester in the audit log of tokens, which vendors can read; the same for both exchanges.
const REQUESTER: &str = "oauth.exchange_code";

/// The code to exchange, or the reason for skipping it.
pub(super) type LoadedCode = Result<(Code, Widget), &'static str>;

/// Loads the code and its widget if the code is waiting.
pub(super) async fn load_code(run: &JobContext, id: OauthCodeId) -> Result<LoadedCode, JobError> {
    let mut conn = run.pool().acquire().await?;
    let Some(code) = oauth_codes::find(&mut conn, id).await? else {
        return Ok(Err("the code is gone"));
    };
    if code.state != CodeState::Waiting {
        return Ok(Err("the code was already processed"));
    }
    let widget = widgets::find(&mut conn, code.widget_id).await?;
    let widget = widget.ok_or(StoreError::WrongState { what: "widget" })?;
    Ok(Ok((code, widget)))
}

/// Whether the code has expired. A received pair does not expire with it.
pub(super) fn is_too_old(code: &Code, now: DateTime<Utc>) -> bool {
    code.pair_sealed.is_none() && now > code.received_at + CODE_TTL
}

/// Reads the account of the pair and stores the pair in the transaction that ends the job.
pub(super) async fn grant_access(
    run: &JobContext,
    app: &App,
    code: &Code,
    widget: &Widget,
    pair: &TokenPair,
) -> JobResult {
    let host = app.vault.host(widget.crm, &code.host).map_err(IntoJobError::into_job_error)?;
    let account = app.amocrm.account(&host, &pair.access_token).await;
    let account = account.map_err(IntoJobError::into_job_error)?;
    if code.expected_account_id.is_some_and(|expected| expected != account.id.0) {
        let why = format!("access was granted to account {}, not to the one that requested it", account.id);
        return Err(JobError::give_up(why));
    }
    let host = named_host(&account, host);
    let by_admin = has_admin_rights(app, &host, pair, &account).await;
    let granted = Granted {
        widget,
        account: &account,
        host: &host,
        pair,
        by_admin,
        at: run.now(),
        requester: &TokenRequester::flysk(REQUESTER),
    };
    store_grant(run, app, code.id, &granted).await
}

/// Stores account, install, pair, status and events in the transaction that ends the job.
async fn store_grant(run: &JobContext, app: &App, code: OauthCodeId, granted: &Granted<'_>) -> JobResult {
    let mut unit = run.begin().await?;
    let stored = app.vault.store_grant(&mut unit, granted).await;
    let install_id = stored.map_err(IntoJobError::into_job_error)?;
    oauth_codes::mark_exchanged(&mut unit, code, install_id, run.now()).await?;
    let (account, widget) = (granted.account.id, &granted.widget.code);
    tracing::info!(install.id = %install_id, account.id = %account, widget = %widget, by_admin = granted.by_admin, "access was granted");
    run.done(unit).await
}

/// Whether the granting user is an administrator. A grant has its user's rights, and some widgets need an
/// administrator's. `None` if unknown: the widget works anyway, so the grant does not depend on it.
async fn has_admin_rights(
    app: &App,
    host: &AccountHost,
    pair: &TokenPair,
    account: &Account,
) -> Option<bool> {
    let user = account.current_user_id.or(pair.claims.user_id)?;
    match app.amocrm.is_admins(host, &pair.access_token, user).await {
        Ok(is_admin) => Some(is_admin),
        Err(error) => {
            tracing::warn!(%error, account.id = %account.id, "failed to read the rights of the granting user");
            None
        }
    }
}

/// The host from the account's data, if its suffix is trusted; otherwise the host that was called.
fn named_host(account: &Account, asked: AccountHost) -> AccountHost {
    let named = format!("{}.{}", account.subdomain, asked.suffix());
    AccountHost::parse(&named, &[asked.suffix()]).unwrap_or(asked)
}
