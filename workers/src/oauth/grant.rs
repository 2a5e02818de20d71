//! What both ways of exchanging a code have in common: the code, and what is done with the pair it gave.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_clients::amocrm::{Account, TokenPair};
use flysk_domain::id::OauthCodeId;
use flysk_domain::platform::host::AccountHost;
use flysk_jobs::{JobError, JobResult, Run};
use flysk_store::StoreError;
use flysk_store::platform::oauth_codes::{self, Code, CodeState};
use flysk_store::platform::widgets::{self, Widget};
use flysk_vault::{Granted, Reader};

use crate::App;
use crate::outcome::HasOutcome;

/// How long a code lives. Source: amoCRM docs, oauth/step-by-step.
const CODE_LIVES: TimeDelta = TimeDelta::minutes(20);
/// Why a code is given up that outlived that.
pub(super) const TOO_OLD: &str = "the code was not exchanged in the 20 minutes it lives";
/// Who reads the account: part of what vendors are told of the use of tokens, so the same for both ways.
const READER: &str = "oauth.exchange_code";

/// What there is to do, or why there is nothing.
pub(super) type Found = Result<(Code, Widget), &'static str>;

/// The code and its widget, while it waits.
pub(super) async fn load(run: &Run, id: OauthCodeId) -> Result<Found, JobError> {
    let mut conn = run.pool().acquire().await?;
    let Some(code) = oauth_codes::find(&mut conn, id).await? else {
        return Ok(Err("the code is gone"));
    };
    if code.state != CodeState::Waiting {
        return Ok(Err("the code was dealt with"));
    }
    let widget = widgets::find(&mut conn, code.widget_id).await?;
    let widget = widget.ok_or(StoreError::Stale { what: "widget" })?;
    Ok(Ok((code, widget)))
}

/// Whether nothing can come of the code any more. A pair in hand does not grow old.
pub(super) fn is_too_old(code: &Code, now: DateTime<Utc>) -> bool {
    code.pair_sealed.is_none() && now > code.received_at + CODE_LIVES
}

/// Finds out whose the pair is, and makes it the install's in the transaction that ends the job.
pub(super) async fn grant(run: &Run, app: &App, code: &Code, widget: &Widget, pair: &TokenPair) -> JobResult {
    let host = app.vault.host(widget.crm, &code.host).map_err(HasOutcome::into_job_error)?;
    let account = app.amocrm.account(&host, &pair.access_token, &[]).await;
    let account = account.map_err(HasOutcome::into_job_error)?;
    if code.expected_account_id.is_some_and(|expected| expected != account.id.0) {
        let why = format!("access was granted to account {}, not to the one it was asked for in", account.id);
        return Err(JobError::give_up(why));
    }
    let host = present_host(&account, host);
    let by_admin = has_admins_rights(app, &host, pair, &account).await;
    let granted = Granted {
        widget,
        account: &account,
        host: &host,
        pair,
        by_admin,
        at: run.now(),
        reader: &Reader::flysk(READER),
    };
    store(run, app, code.id, &granted).await
}

/// Account, install, pair, status and events in the transaction that ends the job.
async fn store(run: &Run, app: &App, code: OauthCodeId, granted: &Granted<'_>) -> JobResult {
    let mut unit = run.begin().await?;
    let stored = app.vault.store_grant(&mut unit, granted).await;
    let install_id = stored.map_err(HasOutcome::into_job_error)?;
    oauth_codes::mark_exchanged(&mut unit, code, install_id, run.now()).await?;
    let (account, widget) = (granted.account.id, &granted.widget.code);
    tracing::info!(install.id = %install_id, account.id = %account, widget = %widget, by_admin = granted.by_admin, "access was granted");
    run.done(unit).await
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
