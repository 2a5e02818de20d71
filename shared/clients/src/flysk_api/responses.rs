//! Responses of the platform's API.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, HoldId, InstallId, TransactionId, UserId};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

/// Access of a widget to an account.
#[derive(Debug, Clone, Deserialize)]
pub struct PauthAccess {
    /// Access token for amoCRM's API, valid when it was returned.
    pub access_token: SecretString,
    /// Expiry of the access token.
    pub expires_at: DateTime<Utc>,
    /// The account's host, `demo.amocrm.ru`.
    pub base_domain: String,
    /// amoCRM's number of the account.
    pub account_id: AccountId,
    /// Id of the widget's install in the account.
    pub install_id: InstallId,
    /// Status of the install; the widget may work only if `Active`.
    pub install_status: InstallStatus,
    /// Settings that the account's administrator chose.
    #[serde(default)]
    pub settings: Value,
    /// The user; `None` for background work.
    #[serde(default)]
    pub user_id: Option<UserId>,
}

#[derive(Deserialize)]
pub(super) struct InstallPage {
    pub(super) items: Vec<ListedInstall>,
}

/// An install, as far as we ask.
#[derive(Deserialize)]
pub(super) struct ListedInstall {
    pub(super) status: InstallStatus,
}

/// Result of switching the widget on or off.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SwitchedInstall {
    /// The resulting status. A widget that is switched on is active only while the account grants access.
    pub status: InstallStatus,
}

/// Status of a widget's install in an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstallStatus {
    /// Access is being set up.
    Installing,
    /// The widget works.
    Active,
    /// Switched off.
    Inactive,
    /// Access was lost: an administrator must grant it again.
    Reconnect,
    /// Removed.
    Uninstalled,
    /// An unknown status; treat it as not active.
    #[serde(untagged)]
    Other(String),
}

/// The price of one line and its calculation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Quote {
    /// Code of the service.
    pub service: String,
    /// Version of the price.
    pub version: u32,
    /// The price: `kind`, `rate_micro` and further fields.
    #[serde(default)]
    pub tariff: Value,
    /// Unit of the quantity: `second`, `piece`.
    pub unit: String,
    /// Requested quantity.
    pub quantity: u64,
    /// Billed quantity: the requested quantity, or the price's minimum.
    pub billed: u64,
    /// Rounding of the amount: `exact`, `half_up`.
    pub rounding: String,
    /// Amount in micro-Flycoins.
    pub amount_micro: i64,
}

/// Answer of `POST /v1/backend/flycoins/estimate`.
#[derive(Debug, Clone, Deserialize)]
pub struct Estimate {
    /// One quote per line.
    pub lines: Vec<Quote>,
    /// Sum of the lines, in micro-Flycoins.
    pub total_micro: i64,
    /// The account's balance, in micro-Flycoins.
    pub available_micro: i64,
    /// Whether the balance covers the sum.
    pub covered: bool,
}

/// Answer of `POST /v1/backend/flycoins/charges`.
#[derive(Debug, Clone, Deserialize)]
pub struct Charged {
    /// Id of the transaction, required for a refund.
    pub transaction_id: TransactionId,
    /// Amount in micro-Flycoins.
    pub charged_micro: i64,
    /// Balance afterwards, in micro-Flycoins.
    pub available_micro: i64,
    /// Held coins afterwards, in micro-Flycoins.
    pub held_micro: i64,
    /// One quote per line.
    pub receipt: Vec<Quote>,
}

/// Result of placing a hold.
#[derive(Debug, Clone, Deserialize)]
pub struct PlacedHold {
    /// Id of the hold, required for capture and release.
    pub hold_id: HoldId,
    /// `ltx_…`; the history shows it.
    pub transaction_id: TransactionId,
    /// Amount in micro-Flycoins.
    pub amount_micro: i64,
    /// Expiry of the hold.
    pub expires_at: DateTime<Utc>,
    /// Balance afterwards, in micro-Flycoins.
    pub available_micro: i64,
    /// Held coins afterwards including this hold, in micro-Flycoins.
    pub held_micro: i64,
    /// One quote per line; empty for a hold of an exact amount.
    #[serde(default)]
    pub receipt: Vec<Quote>,
}

/// Whether the coins are still reserved.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// The coins are held.
    Open,
    /// The price was captured.
    Captured,
    /// The coins were released.
    Released,
    /// It was neither captured nor released in time; the coins are back in the balance.
    Expired,
    /// An unknown state.
    #[serde(untagged)]
    Other(String),
}

/// A hold as it is when it is read.
#[derive(Debug, Clone, Deserialize)]
pub struct HoldStatus {
    /// `hld_…`, as it was placed.
    pub hold_id: HoldId,
    /// amoCRM's number of the account that pays.
    pub account_id: AccountId,
    /// Decides whether a capture can succeed.
    pub state: HoldState,
    /// Held amount in micro-Flycoins.
    pub amount_micro: i64,
    /// Captured amount in micro-Flycoins; 0 unless captured.
    pub captured_micro: i64,
    /// Expiry of the hold.
    pub expires_at: DateTime<Utc>,
}

/// Answer of `POST /v1/backend/flycoins/holds/{hold_id}/capture`.
#[derive(Debug, Clone, Deserialize)]
pub struct Captured {
    /// `hld_…` of the hold that ended.
    pub hold_id: HoldId,
    /// Id of the transaction, required for a refund.
    pub transaction_id: TransactionId,
    /// Amount in micro-Flycoins.
    pub charged_micro: i64,
    /// Balance afterwards, in micro-Flycoins.
    pub available_micro: i64,
    /// Held coins afterwards, in micro-Flycoins.
    pub held_micro: i64,
    /// One quote per line.
    pub receipt: Vec<Quote>,
}

/// Answer of `POST /v1/backend/flycoins/holds/{hold_id}/release`.
#[derive(Debug, Clone, Deserialize)]
pub struct Released {
    /// `hld_…` of the hold that ended.
    pub hold_id: HoldId,
    /// Id of the transaction that released the hold.
    pub transaction_id: TransactionId,
    /// Balance afterwards, in micro-Flycoins.
    pub available_micro: i64,
    /// Held coins afterwards, in micro-Flycoins.
    pub held_micro: i64,
}

/// Answer of `POST /v1/backend/flycoins/refunds`.
#[derive(Debug, Clone, Deserialize)]
pub struct Refunded {
    /// `ltx_…` of the refund, not of the refunded charge.
    pub transaction_id: TransactionId,
    /// Amount in micro-Flycoins.
    pub refunded_micro: i64,
    /// Balance afterwards, in micro-Flycoins.
    pub available_micro: i64,
    /// Held coins afterwards, in micro-Flycoins.
    pub held_micro: i64,
}

/// An account's wallet.
#[derive(Debug, Clone, Deserialize)]
pub struct Balance {
    /// amoCRM's number of the account.
    pub account_id: AccountId,
    /// Balance in micro-Flycoins.
    pub available_micro: i64,
    /// Held coins in micro-Flycoins.
    pub held_micro: i64,
}
