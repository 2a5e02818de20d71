//! `GET /v1/flycoins/wallet`: an account's balance, for its users.

use chrono::TimeDelta;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::billing::BillingSettings;
use flysk_domain::platform::ledger::forecast;
use flysk_domain::platform::ledger::price::{PriceRule, Tariff};
use flysk_domain::platform::ledger::{Lot, Origin};
use flysk_domain::trace::Trace;
use flysk_store::platform::ledger::{self, WalletRow};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use flysk_services::wallets;

use super::customer::{must_use_flycoins, refresh_expired};
use crate::auth::{WidgetCaller, WidgetUser};
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, answers};
use crate::time::Time;

/// Coins that expire within this time are listed.
const EXPIRY_NOTICE_PERIOD: TimeDelta = TimeDelta::days(30);
/// Maximum number of listed lots.
const MAX_EXPIRING_LOTS: u32 = 20;

/// Balance of a wallet.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct WalletBalance {
    /// Coins that can be spent, in micro-Flycoins.
    available_micro: i64,
    /// Coins held for work in progress, in micro-Flycoins.
    held_micro: i64,
}

impl Example for WalletBalance {
    fn example() -> Self {
        Self { available_micro: 963_000_000, held_micro: 0 }
    }
}

impl From<&WalletRow> for WalletBalance {
    fn from(wallet: &WalletRow) -> Self {
        Self { available_micro: wallet.available.0, held_micro: wallet.held.0 }
    }
}

/// Coins of one lot that will expire.
#[derive(Debug, Object)]
pub(crate) struct ExpiringCoins {
    /// Remaining coins of the lot, in micro-Flycoins.
    amount_micro: i64,
    /// Time when the coins expire.
    expires_at: Time,
    /// Origin of the coins.
    origin: Choice<Origin>,
    /// Name of the origin in Russian.
    label: String,
}

/// An account's wallet.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Wallet {
    /// Coins that can be spent, in micro-Flycoins.
    available_micro: i64,
    /// Coins held for work in progress, in micro-Flycoins.
    held_micro: i64,
    /// Coins that expire within 30 days, soonest first; at most 20 lots.
    expiring: Vec<ExpiringCoins>,
    /// Minutes of work that the available coins pay for, at the rate of the widget's `forecast_service` or of its only
    /// per-minute service; null without such a service.
    forecast_minutes: Option<u64>,
    /// The forecast in Russian.
    forecast: Option<String>,
}

impl Example for Wallet {
    fn example() -> Self {
        Self {
            available_micro: 963_000_000,
            held_micro: 0,
            expiring: vec![ExpiringCoins {
                amount_micro: 100_000_000,
                expires_at: Time::example(),
                origin: Origin::Bonus.into(),
                label: "Бонус".to_owned(),
            }],
            forecast_minutes: Some(385),
            forecast: Some("≈ 6 ч 25 мин работы".to_owned()),
        }
    }
}

answers! {
    /// Responses of `getFlycoinWallet`.
    Got {
        /// The wallet.
        200 => Ok(Json<Wallet>),
    }
    problems (InvalidRequest) {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// The widget is not installed in the account.
        403 => Forbidden [NotInstalled],
        /// The widget does not use Flycoins.
        409 => Conflict [FlycoinsNotUsed],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation to read the wallet.
pub(crate) struct WalletApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl WalletApi {
    /// Get the account's wallet: balance, held coins, coins that expire soon, and a forecast.
    #[oai(path = "/v1/flycoins/wallet", method = "get", operation_id = "getFlycoinWallet")]
    async fn get(&self, deps: Data<&Deps>, trace: Data<&Trace>, caller: WidgetCaller) -> Got {
        match get(&deps, &trace, &caller.0).await {
            Ok(view) => Got::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }
}

async fn get(deps: &Deps, trace: &Trace, user: &WidgetUser) -> Result<Wallet, Problem> {
    let wallet = wallet_of(deps, trace, user).await?;
    let wallet = refresh_expired(deps, wallet).await?;
    let now = deps.clock().now();
    let mut conn = deps.conn().await?;
    let lots = ledger::list_expiring_lots(
        &mut conn,
        wallet.id,
        (now, now + EXPIRY_NOTICE_PERIOD),
        MAX_EXPIRING_LOTS,
    )
    .await?;
    let prices = ledger::list_prices_of_widget(&mut conn, &user.widget.code, now).await?;
    let minutes =
        minute_rate(&user.widget, &prices).and_then(|rate| forecast::minutes_left(wallet.available, rate));
    Ok(Wallet {
        available_micro: wallet.available.0,
        held_micro: wallet.held.0,
        expiring: lots.iter().filter_map(expiring).collect(),
        forecast_minutes: minutes,
        forecast: minutes.map(|minutes| format!("{} работы", forecast::text(minutes))),
    })
}

/// The wallet of the caller's install. It is created if the install is older than the widget's use of Flycoins.
pub(super) async fn wallet_of(deps: &Deps, trace: &Trace, user: &WidgetUser) -> Result<WalletRow, Problem> {
    must_use_flycoins(&user.widget)?;
    let found = ledger::find_wallet_of_install(&mut *deps.conn().await?, user.install.id).await?;
    match found {
        Some(wallet) => Ok(wallet),
        None => Ok(wallets::open_late_wallet(&deps.outbox, trace, &user.widget, user.install.id).await?),
    }
}

fn expiring(lot: &Lot) -> Option<ExpiringCoins> {
    Some(ExpiringCoins {
        amount_micro: lot.left.0,
        expires_at: lot.expires_at?.into(),
        origin: lot.origin.into(),
        label: lot.origin.label().to_owned(),
    })
}

/// Price of a minute of the widget's work: of the `forecast_service` of its billing settings, or of its only service that is
/// paid by the minute.
fn minute_rate(widget: &Widget, prices: &[PriceRule]) -> Option<MicroCoins> {
    let billing = widget.billing.as_ref();
    let named = billing
        .and_then(|billing| BillingSettings::read(billing, &widget.code).ok())
        .and_then(|settings| settings.flycoins.forecast_service);
    let mut rates = prices.iter().filter_map(|rule| match rule.tariff {
        Tariff::PerMinute { rate, .. } if named.as_ref().is_none_or(|named| *named == rule.service) => {
            Some(rate)
        }
        _ => None,
    });
    let first = rates.next();
    first.filter(|_| rates.next().is_none())
}
