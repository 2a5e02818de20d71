//! What the platform answers.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, InstallId, UserId};
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
