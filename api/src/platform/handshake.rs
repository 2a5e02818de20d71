//! `POST /v1/handshake`: the first request of a widget on a page.

use std::collections::BTreeMap;

use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::trace::Trace;
use flysk_services::installs::connect_link;
use flysk_services::wallets;
use flysk_store::JsonText;
use flysk_store::platform::installs::Install;
use flysk_store::platform::ledger::WalletRow;
use flysk_store::platform::oauth_codes;
use poem::web::Data;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::flycoins::WalletBalance;
use super::subscriptions::{
    PlanView, SubscriptionView, is_known_to_keep_subscription, known_offer, known_subscription, seat_user,
};
use super::tag::Tag;
use crate::auth::{VerifiedToken, WidgetToken, issue_session};
use crate::billing_links::{HostedPage, signed_link};
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, answers};
use crate::strict_json::{ExactJson, FreeJson, NoBody};
use crate::time::Time;

// No `Debug`: it contains a credential.
/// A short-lived session for frequent requests of a page: amoCRM forbids requesting its one-time tokens in a loop.
#[derive(Object)]
pub(crate) struct WidgetSession {
    /// Send it as `Authorization: Bearer …`.
    token: String,
    /// Expiry. Repeat the handshake shortly before it.
    expires_at: Time,
}

// No `Debug`: it contains a session and signed URLs.
/// Status, settings and session of a widget for a user.
#[derive(Object)]
#[oai(example)]
pub(crate) struct Handshake {
    /// Status of the install. If it is not `active`, the widget must not work and should show `reason`.
    status: Choice<InstallStatus>,
    /// Why the widget is not active, in Russian, for users; null while it is active.
    reason: Option<String>,
    /// Limitation of an active widget, and the remedy, in Russian, for users.
    warning: Option<String>,
    /// Account id in amoCRM.
    account_id: u64,
    /// User id in amoCRM.
    user_id: u64,
    /// Whether the user is an administrator of the account.
    is_admin: bool,
    /// Install id; null while the widget is not installed.
    install_id: Option<String>,
    /// Settings of the install.
    settings: FreeJson,
    /// Version of the settings.
    settings_version: u32,
    /// Plans on offer, by code; empty if the widget sells no subscriptions.
    plans: Vec<PlanView>,
    /// Subscription of the account; null if the widget sells none. A widget must not work while `access.level` is `off`. If the
    /// widget gives seats to users, the first handshakes take them, and `access` is that of the user.
    subscription: Option<SubscriptionView>,
    /// Balance of the account, if the widget uses Flycoins. `GET /v1/flycoins/wallet` returns details.
    wallet: Option<WalletBalance>,
    /// URLs of billing pages by purpose: `flycoins` for buying Flycoins, for administrators of the account; `subscription` for the
    /// subscription, where everybody sees its state and administrators buy and change it. Valid for an hour. Open them in a
    /// new tab.
    billing_urls: BTreeMap<String, String>,
    /// URL where an administrator grants access, also again. Null for other users, and while the widget has access and no
    /// `warning`.
    connect_url: Option<String>,
    /// Session for further requests; null while the widget is not installed.
    session: Option<WidgetSession>,
}

impl Example for Handshake {
    fn example() -> Self {
        Self {
            status: InstallStatus::Active.into(),
            reason: None,
            warning: None,
            account_id: 31_234_567,
            user_id: 501,
            is_admin: true,
            install_id: Some("ins_01KCQJ1A3C5E7G9J1L3N5Q7S9V".to_owned()),
            settings: FreeJson(JsonText::empty_object()),
            settings_version: 0,
            plans: vec![PlanView::example()],
            subscription: Some(SubscriptionView::example()),
            wallet: Some(WalletBalance::example()),
            billing_urls: BTreeMap::new(),
            connect_url: None,
            session: Some(WidgetSession { token: "fws_…".to_owned(), expires_at: Time::example() }),
        }
    }
}

answers! {
    /// Responses of `handshake`.
    HandshakeAnswer {
        /// Status, settings and session.
        200 => Ok(ExactJson<Handshake>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// The handshake operation.
pub(crate) struct HandshakeApi;

#[OpenApi(tag = "Tag::Widget")]
impl HandshakeApi {
    /// Exchange the one-time token for the widget's status, settings and a session.
    ///
    /// If `status` is not `active`, the widget must not work and should show `reason`.
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

async fn shake(deps: &Deps, trace: &Trace, caller: VerifiedToken) -> Result<Handshake, Problem> {
    let status = match &caller.install {
        Some(install) => install.status,
        None => status_before_install(deps, &caller).await?,
    };
    let warning = caller.install.as_ref().and_then(warning);
    // Granting access again helps if access is missing or incomplete, not if the vendor switched the widget off.
    let connect_url = (caller.is_admin && (!status.has_access() || warning.is_some()))
        .then(|| {
            let (public_url, now) = (&deps.config.http.public_url, deps.clock().now());
            let (widget, account, user) = (caller.widget.id, caller.account_id, Some(caller.user_id));
            connect_link(public_url, &deps.keyring, widget, account, user, now)
        })
        .flatten();
    let session = match &caller.install {
        Some(install) => {
            let issued = issue_session(deps, install.id, caller.user_id, caller.is_admin)?;
            deps.handshakes.record(install.id, deps.clock().now());
            Some(WidgetSession { token: issued.token, expires_at: issued.expires_at.into() })
        }
        None => None,
    };
    let wallet = wallet_of(deps, trace, &caller).await?;
    let (plans, subscription) = subscription_of(deps, trace, &caller).await?;
    let billing_urls = billing_urls(deps, &caller).await?;
    let (install_id, settings, settings_version) = match caller.install {
        Some(install) => (Some(install.id.to_string()), install.settings, install.settings_version),
        None => (None, JsonText::empty_object(), 0),
    };
    Ok(Handshake {
        status: status.into(),
        reason: status.reason_ru().map(str::to_owned),
        warning: warning.map(str::to_owned),
        account_id: caller.account_id.0,
        user_id: caller.user_id.0,
        is_admin: caller.is_admin,
        install_id,
        settings: FreeJson(settings),
        settings_version,
        plans,
        subscription,
        wallet: wallet.as_ref().map(WalletBalance::from),
        billing_urls,
        connect_url,
        session,
    })
}

/// Warns if the user who granted access is not an administrator: parts of amoCRM's API, such as webhooks and users, need an
/// administrator's rights. Source: amoCRM docs, oauth/scopes.
fn warning(install: &Install) -> Option<&'static str> {
    (install.status == InstallStatus::Active && install.granted_by_admin == Some(false)).then_some(
        "Доступ выдал сотрудник без прав администратора, поэтому часть функций виджета может не работать. \
         Администратору аккаунта нужно подключить виджет заново.",
    )
}

/// The wallet of the install. It exists unless the install is older than the widget's use of Flycoins; then it is created.
async fn wallet_of(deps: &Deps, trace: &Trace, caller: &VerifiedToken) -> Result<Option<WalletRow>, Problem> {
    match (&caller.install, caller.wallet) {
        _ if !caller.widget.uses_flycoins => Ok(None),
        (None, _) => Ok(None),
        (Some(_), Some(wallet)) => Ok(Some(wallet)),
        (Some(install), None) => {
            Ok(Some(wallets::open_late_wallet(&deps.outbox, trace, &caller.widget, install.id).await?))
        }
    }
}

/// Plans and subscription, of a widget that sells subscriptions.
async fn subscription_of(
    deps: &Deps,
    trace: &Trace,
    caller: &VerifiedToken,
) -> Result<(Vec<PlanView>, Option<SubscriptionView>), Problem> {
    if !caller.widget.uses_subscriptions {
        return Ok((Vec::new(), None));
    }
    let plans = known_offer(deps, caller.widget.id).await?;
    let Some(install) = &caller.install else { return Ok((plans, None)) };
    let details = known_subscription(deps, trace, &caller.widget, install.id).await?;
    Ok((plans, Some(seat_user(deps, trace, &caller.widget, details, caller.user_id).await?)))
}

/// Signed links to billing pages. They are valid for an hour; each handshake creates new ones.
///
/// Administrators who bought a subscription keep its page after the widget has stopped to sell any: to cancel it, and to unlink
/// the card.
async fn billing_urls(deps: &Deps, caller: &VerifiedToken) -> Result<BTreeMap<String, String>, Problem> {
    let mut urls = BTreeMap::new();
    let Some(install) = &caller.install else { return Ok(urls) };
    let user = (caller.user_id, caller.is_admin);
    let mut add = |page, purpose: &str| -> Result<(), Problem> {
        urls.insert(purpose.to_owned(), signed_link(deps, page, install.id, user)?);
        Ok(())
    };
    if caller.widget.uses_flycoins && caller.is_admin {
        add(HostedPage::Flycoins, "flycoins")?;
    }
    let sells = caller.widget.uses_subscriptions;
    if sells || (caller.is_admin && is_known_to_keep_subscription(deps, &caller.widget, install.id).await?) {
        add(HostedPage::Subscription, "subscription")?;
    }
    Ok(urls)
}

/// Status of a widget without an install: `installing` while an authorization code waits for its exchange, otherwise
/// `reconnect`.
async fn status_before_install(deps: &Deps, caller: &VerifiedToken) -> Result<InstallStatus, Problem> {
    let mut conn = deps.conn().await?;
    let waiting = oauth_codes::is_waiting(&mut conn, caller.widget.id, caller.host.as_str()).await?;
    Ok(if waiting { InstallStatus::Installing } else { InstallStatus::Reconnect })
}
