//! `GET /v1/flycoins/wallet`: an account's coins, for its people.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::billing::BillingSettings;
use flysk_domain::platform::ledger::Lot;
use flysk_domain::platform::ledger::forecast;
use flysk_domain::platform::ledger::price::{PriceRule, Tariff};
use flysk_domain::trace::Trace;
use flysk_store::ledger::{self, WalletRow};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::customer::{must_use_flycoins, open, refresh};
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::{Deps, on};
use crate::problem::{Problem, answers};

/// Coins that expire within this time are shown.
const SOON: TimeDelta = TimeDelta::days(30);
/// Lots shown at most.
const MOST_LOTS: u32 = 20;

/// What there is.
#[derive(Debug, Object)]
pub(crate) struct WalletBalance {
    /// What can be spent.
    available_micro: i64,
    /// What is set aside for work in progress.
    held_micro: i64,
}

impl From<&WalletRow> for WalletBalance {
    fn from(wallet: &WalletRow) -> Self {
        Self { available_micro: wallet.available.0, held_micro: wallet.held.0 }
    }
}

/// Coins of one origin that can be spent for a while only.
#[derive(Debug, Object)]
pub(crate) struct ExpiringView {
    /// How many are left.
    amount_micro: i64,
    /// Until when.
    expires_at: DateTime<Utc>,
    /// `bonus`, `compensation` or `package`.
    origin: String,
    /// The same for people, in Russian.
    label: String,
}

/// An account's coins.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct WalletView {
    /// What can be spent.
    available_micro: i64,
    /// What is set aside for work in progress.
    held_micro: i64,
    /// What expires within 30 days, the soonest first.
    expiring: Vec<ExpiringView>,
    /// How long the available coins last, in minutes of work; null if nothing of the widget is paid by the minute.
    forecast_minutes: Option<u64>,
    /// The same for people, in Russian.
    forecast: Option<String>,
}

impl Example for WalletView {
    fn example() -> Self {
        Self {
            available_micro: 963_000_000,
            held_micro: 0,
            expiring: vec![ExpiringView {
                amount_micro: 100_000_000,
                expires_at: DateTime::from_timestamp(1_796_000_000, 0).unwrap_or_default(),
                origin: "bonus".to_owned(),
                label: "Бонус".to_owned(),
            }],
            forecast_minutes: Some(385),
            forecast: Some("≈ 6 ч 25 мин работы".to_owned()),
        }
    }
}

answers! {
    /// Answers of `getWallet`.
    Got {
        /// The account's coins.
        200 => Ok(Json<WalletView>),
    }
    problems (InvalidRequest) {
        /// The request cannot be read.
        400 => BadRequest,
        /// The credential is missing or not accepted.
        401 => Unauthorized,
        /// The widget is not installed in the account.
        403 => Forbidden,
        /// The widget does not use Flycoins.
        409 => Conflict,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Wallets.
pub(crate) struct WalletApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl WalletApi {
    /// The account's coins: what can be spent, what is set aside, what expires soon, and how long it lasts.
    #[oai(path = "/v1/flycoins/wallet", method = "get", operation_id = "getWallet")]
    async fn get(&self, deps: Data<&Deps>, trace: Data<&Trace>, caller: WidgetCaller) -> Got {
        match get(&deps, &trace, &caller.0).await {
            Ok(view) => Got::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }
}

async fn get(deps: &Deps, trace: &Trace, user: &WidgetUser) -> Result<WalletView, Problem> {
    let wallet = wallet_of(deps, trace, user).await?;
    let wallet = refresh(deps, wallet).await?;
    let now = deps.clock().now();
    let mut conn = deps.conn().await?;
    let lots = ledger::list_expiring_lots(on(&mut conn), wallet.id, (now, now + SOON), MOST_LOTS).await?;
    let prices = ledger::list_prices_of_widget(on(&mut conn), &user.widget.code, now).await?;
    let minutes =
        minute_rate(&user.widget, &prices).and_then(|rate| forecast::minutes_left(wallet.available, rate));
    Ok(WalletView {
        available_micro: wallet.available.0,
        held_micro: wallet.held.0,
        expiring: lots.iter().filter_map(expiring).collect(),
        forecast_minutes: minutes,
        forecast: minutes.map(|minutes| format!("{} работы", forecast::text(minutes))),
    })
}

/// The wallet of the caller's install.
pub(super) async fn wallet_of(deps: &Deps, trace: &Trace, user: &WidgetUser) -> Result<WalletRow, Problem> {
    must_use_flycoins(&user.widget)?;
    let found = ledger::find_wallet_of_install(on(&mut deps.conn().await?), user.install.id).await?;
    match found {
        Some(wallet) => Ok(wallet),
        None => open(deps, trace, &user.widget, user.install.id).await,
    }
}

fn expiring(lot: &Lot) -> Option<ExpiringView> {
    Some(ExpiringView {
        amount_micro: lot.left.0,
        expires_at: lot.expires_at?,
        origin: lot.origin.code().to_owned(),
        label: lot.origin.label().to_owned(),
    })
}

/// What a minute of the widget's work costs: of the service its billing settings name, or else of the only
/// service that is paid by the minute.
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
