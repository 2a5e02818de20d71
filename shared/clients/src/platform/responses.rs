//! What the platform answers.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, HoldId, InstallId, TransactionId, UserId};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What our widget may do in an account.
#[derive(Debug, Clone, Deserialize)]
pub struct Access {
    /// For amoCRM's API, alive when it was given.
    pub access_token: SecretString,
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// The account's host, `demo.amocrm.ru`.
    pub base_domain: String,
    /// The account.
    pub account_id: AccountId,
    /// Our widget in it.
    pub install_id: InstallId,
    /// Whether the widget may work.
    pub install_status: InstallStatus,
    /// What the account's administrator set.
    #[serde(default)]
    pub settings: Value,
    /// Who asks, if a user does.
    #[serde(default)]
    pub user_id: Option<UserId>,
}

/// The state of a widget in an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallStatus {
    /// Access is being set up.
    Installing,
    /// The widget works.
    Active,
    /// Switched off.
    Inactive,
    /// Access was lost: an administrator has to give it again.
    Reconnect,
    /// Removed.
    Uninstalled,
    /// A state newer than this code: not active.
    Other(String),
}

impl<'de> Deserialize<'de> for InstallStatus {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Ok(match name.as_str() {
            "installing" => Self::Installing,
            "active" => Self::Active,
            "inactive" => Self::Inactive,
            "reconnect" => Self::Reconnect,
            "uninstalled" => Self::Uninstalled,
            _ => Self::Other(name),
        })
    }
}

/// A price and how it came about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Quote {
    /// For what.
    pub service: String,
    /// By which version of its price.
    pub version: u32,
    /// The price: `kind`, `rate_micro` and what else it has.
    #[serde(default)]
    pub tariff: Value,
    /// What the quantity counts: `second`, `piece`.
    pub unit: String,
    /// What was asked for.
    pub quantity: u64,
    /// What is paid for: the quantity, or the price's least.
    pub billed: u64,
    /// What happened to the rest of the division: `exact`, `half_up`.
    pub rounding: String,
    /// What it costs, millionths of a Flycoin.
    pub amount_micro: i64,
}

/// What would be charged.
#[derive(Debug, Clone, Deserialize)]
pub struct Estimate {
    /// A quote a line.
    pub lines: Vec<Quote>,
    /// Their sum.
    pub total_micro: i64,
    /// What the account can spend.
    pub available_micro: i64,
    /// Whether that is enough.
    pub covered: bool,
}

/// What was taken at once.
#[derive(Debug, Clone, Deserialize)]
pub struct Charged {
    /// For a refund.
    pub transaction_id: TransactionId,
    /// How much.
    pub charged_micro: i64,
    /// What the account can spend after it.
    pub available_micro: i64,
    /// What is set aside after it.
    pub held_micro: i64,
    /// A quote a line.
    pub receipt: Vec<Quote>,
}

/// What was set aside.
#[derive(Debug, Clone, Deserialize)]
pub struct Held {
    /// For capture or release.
    pub hold_id: HoldId,
    /// The transaction that placed it.
    pub transaction_id: TransactionId,
    /// How much.
    pub amount_micro: i64,
    /// When it frees itself.
    pub expires_at: DateTime<Utc>,
    /// What the account can spend after it.
    pub available_micro: i64,
    /// What is set aside after it, this hold among it.
    pub held_micro: i64,
    /// A quote a line; empty if an amount was asked for.
    #[serde(default)]
    pub receipt: Vec<Quote>,
}

/// Where a hold stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldState {
    /// Its coins are set aside.
    Open,
    /// It was paid.
    Captured,
    /// It was given back.
    Released,
    /// It freed itself.
    Expired,
    /// A state newer than this code.
    Other(String),
}

impl<'de> Deserialize<'de> for HoldState {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Ok(match name.as_str() {
            "open" => Self::Open,
            "captured" => Self::Captured,
            "released" => Self::Released,
            "expired" => Self::Expired,
            _ => Self::Other(name),
        })
    }
}

/// A hold, asked about.
#[derive(Debug, Clone, Deserialize)]
pub struct HoldStatus {
    /// Which.
    pub hold_id: HoldId,
    /// Whose.
    pub account_id: AccountId,
    /// Where it stands.
    pub state: HoldState,
    /// How much was set aside.
    pub amount_micro: i64,
    /// How much was paid in the end; 0 unless captured.
    pub captured_micro: i64,
    /// When it frees, or freed, itself.
    pub expires_at: DateTime<Utc>,
}

/// What was taken of a hold.
#[derive(Debug, Clone, Deserialize)]
pub struct Captured {
    /// Which.
    pub hold_id: HoldId,
    /// For a refund.
    pub transaction_id: TransactionId,
    /// How much.
    pub charged_micro: i64,
    /// What the account can spend after it.
    pub available_micro: i64,
    /// What is set aside after it.
    pub held_micro: i64,
    /// A quote a line.
    pub receipt: Vec<Quote>,
}

/// A hold that was given back.
#[derive(Debug, Clone, Deserialize)]
pub struct Released {
    /// Which.
    pub hold_id: HoldId,
    /// The transaction that gave it back.
    pub transaction_id: TransactionId,
    /// What the account can spend after it.
    pub available_micro: i64,
    /// What is set aside after it.
    pub held_micro: i64,
}

/// Coins that were given back.
#[derive(Debug, Clone, Deserialize)]
pub struct Refunded {
    /// The transaction that gave them back.
    pub transaction_id: TransactionId,
    /// How many.
    pub refunded_micro: i64,
    /// What the account can spend after it.
    pub available_micro: i64,
    /// What is set aside after it.
    pub held_micro: i64,
}

/// An account's coins.
#[derive(Debug, Clone, Deserialize)]
pub struct Balance {
    /// The account.
    pub account_id: AccountId,
    /// What can be spent.
    pub available_micro: i64,
    /// What is set aside by holds.
    pub held_micro: i64,
}
