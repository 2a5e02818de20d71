//! `POST /v1/handshake`: the first thing a widget asks on a page.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::trace::Trace;
use flysk_store::JsonText;
use flysk_store::ledger::WalletRow;
use flysk_store::platform::installs::Install;
use flysk_store::platform::oauth_codes;
use poem::web::Data;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;

use super::flycoins::{self, WalletBalance};
use super::oauth::connect_url;
use super::tag::Tag;
use crate::auth::{Verified, WidgetToken, issue};
use crate::billing_page;
use crate::deps::{Deps, on};
use crate::problem::{Problem, answers};
use crate::strict_json::{ExactJson, FreeJson, NoBody};

// No `Debug`: it is a credential.
/// A short session, for everything a page asks often: amoCRM forbids loops over its one-time tokens.
#[derive(Object)]
pub(crate) struct SessionView {
    /// To be sent as `Authorization: Bearer …`.
    token: String,
    /// Until when; shake hands again shortly before.
    expires_at: DateTime<Utc>,
}

// No `Debug`: it carries a session, and addresses that open something.
/// What a widget needs to know to start, or why it has to stay off.
#[derive(Object)]
pub(crate) struct HandshakeView {
    /// `active`; anything else means: switch yourself off and show `reason`.
    status: String,
    /// Why the widget is off, for the people in the account; null while it is on.
    reason: Option<String>,
    /// What may not work although the widget is on, and what to do, for the people in the account.
    warning: Option<String>,
    /// The account.
    account_id: u64,
    /// The user.
    user_id: u64,
    /// Whether the user administers the account.
    is_admin: bool,
    /// The widget in the account, once it is installed.
    install_id: Option<String>,
    /// What the account's administrator set.
    settings: FreeJson,
    /// Counts changes of the settings.
    settings_version: u32,
    /// What can be subscribed to. Empty while the widget sells nothing.
    plans: Vec<Value>,
    /// The account's subscription, if there is one.
    subscription: Option<Value>,
    /// The account's Flycoins, if the widget uses them; more is told by `GET /v1/flycoins/wallet`.
    wallet: Option<WalletBalance>,
    /// Where billing takes place, by what is done there.
    billing_urls: BTreeMap<String, String>,
    /// Where an administrator connects the widget (again); null for everybody else, and while it works without a `warning`.
    connect_url: Option<String>,
    /// For everything after this; null while the widget is not installed.
    session: Option<SessionView>,
}

answers! {
    /// Answers of `handshake`.
    HandshakeAnswer {
        /// How things are.
        200 => Ok(ExactJson<HandshakeView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The token is missing or not accepted.
        401 => Unauthorized,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// The first thing a widget asks.
pub(crate) struct HandshakeApi;

#[OpenApi(tag = "Tag::Widget")]
impl HandshakeApi {
    /// Shake hands: status, settings, and a session in exchange for the one-time token.
    ///
    /// Anything but `active` tells the widget to switch itself off, and why.
    #[oai(path = "/v1/handshake", method = "post", operation_id = "handshake")]
    async fn handshake(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetToken,
        _body: NoBody,
    ) -> HandshakeAnswer {
        match shake(&deps, &trace, caller.0).await {
            Ok(view) => HandshakeAnswer::Ok(ExactJson(view)),
            Err(problem) => problem.into(),
        }
    }
}

async fn shake(deps: &Deps, trace: &Trace, caller: Verified) -> Result<HandshakeView, Problem> {
    let status = match &caller.install {
        Some(install) => install.status,
        None => status_before_install(deps, &caller).await?,
    };
    let warning = caller.install.as_ref().and_then(warning);
    // Granting access anew helps where it or a part of it is missing, not where the widget was switched off.
    let connect_url = (caller.is_admin && (!status.has_access() || warning.is_some()))
        .then(|| {
            let begun = (caller.widget.id, caller.account_id, caller.user_id);
            connect_url(&deps.config.http.public_url, &deps.keyring, begun, deps.clock().now())
        })
        .flatten();
    let session = match &caller.install {
        Some(install) => {
            let issued = issue(deps, install.id, caller.user_id, caller.is_admin)?;
            Some(SessionView { token: issued.token, expires_at: issued.expires_at })
        }
        None => None,
    };
    let wallet = wallet_of(deps, trace, &caller).await?;
    let billing_urls = billing_urls(deps, &caller)?;
    let (install_id, settings, settings_version) = match caller.install {
        Some(install) => (Some(install.id.to_string()), install.settings, install.settings_version),
        None => (None, JsonText::empty_object(), 0),
    };
    Ok(HandshakeView {
        status: status.to_string(),
        reason: status.reason_ru().map(str::to_owned),
        warning: warning.map(str::to_owned),
        account_id: caller.account_id.0,
        user_id: caller.user_id.0,
        is_admin: caller.is_admin,
        install_id,
        settings: FreeJson(settings),
        settings_version,
        plans: Vec::new(),
        subscription: None,
        wallet: wallet.as_ref().map(WalletBalance::from),
        billing_urls,
        connect_url,
        session,
    })
}

/// A grant has the rights of its user, and some of amoCRM's API is for administrators: web hooks, users.
/// Source: amoCRM docs, oauth/scopes.
fn warning(install: &Install) -> Option<&'static str> {
    (install.status == InstallStatus::Active && install.granted_by_admin == Some(false)).then_some(
        "Доступ выдал сотрудник без прав администратора, поэтому часть функций виджета может не работать. \
         Администратору аккаунта нужно подключить виджет заново.",
    )
}

/// Came with the install, but for one that is older than its widget's use of Flycoins.
async fn wallet_of(deps: &Deps, trace: &Trace, caller: &Verified) -> Result<Option<WalletRow>, Problem> {
    match (&caller.install, caller.wallet) {
        _ if !caller.widget.uses_flycoins => Ok(None),
        (None, _) => Ok(None),
        (Some(_), Some(wallet)) => Ok(Some(wallet)),
        (Some(install), None) => flycoins::open(deps, trace, &caller.widget, install.id).await.map(Some),
    }
}

/// Where an administrator buys: links that are good for an hour, made anew with each handshake.
fn billing_urls(deps: &Deps, caller: &Verified) -> Result<BTreeMap<String, String>, Problem> {
    let mut urls = BTreeMap::new();
    if let Some(install) = caller.install.as_ref().filter(|_| caller.widget.uses_flycoins && caller.is_admin)
    {
        urls.insert("flycoins".to_owned(), billing_page::link(deps, install.id, caller.user_id)?);
    }
    Ok(urls)
}

/// No install yet: either its code is on its way, or it was lost and has to be asked for again.
async fn status_before_install(deps: &Deps, caller: &Verified) -> Result<InstallStatus, Problem> {
    let mut conn = deps.conn().await?;
    let waiting = oauth_codes::is_waiting(on(&mut conn), caller.widget.id, caller.host.as_str()).await?;
    Ok(if waiting { InstallStatus::Installing } else { InstallStatus::Reconnect })
}
