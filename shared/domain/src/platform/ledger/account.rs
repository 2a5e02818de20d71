//! Accounts of the ledger: two per wallet (available and held), and the system accounts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Code of a service that coins are spent on, such as `flysense.recognition`: 1 to 48 characters, parts of
/// lower-case letters, digits, `_` and `-`, separated by dots. The first part is the widget's code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Service(String);

/// The text is not a valid service code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a service is 1 to 48 lower-case letters, digits, `_` and `-`, in parts separated by dots")]
pub struct InvalidService;

impl Service {
    /// Recognition of a call, priced per minute and billed by the second.
    pub const RECOGNITION: &'static str = "flysense.recognition";
    /// Summary of a call, priced per piece.
    pub const SUMMARY: &'static str = "flysense.summary";

    /// Whether the service belongs to the widget `code`: its first part is the widget's code.
    pub fn is_of(&self, code: &str) -> bool {
        self.0.split_once('.').is_some_and(|(widget, _)| widget == code)
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Service {
    type Err = InvalidService;

    fn from_str(text: &str) -> Result<Self, InvalidService> {
        let known =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        let whole = |part: &str| !part.is_empty() && part.bytes().all(known);
        if text.len() <= 48 && text.split('.').all(whole) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidService)
        }
    }
}

impl TryFrom<String> for Service {
    type Error = InvalidService;

    fn try_from(text: String) -> Result<Self, InvalidService> {
        text.parse()
    }
}

impl From<Service> for String {
    fn from(service: Service) -> Self {
        service.0
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The account that an entry is posted to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LedgerAccount {
    /// Coins of a wallet that can be spent.
    Available,
    /// Coins of a wallet that are reserved by open holds.
    Held,
    /// System account: source of purchased coins. Its balance is the total sold, negated.
    Sold,
    /// System account: source of free coins (welcome bonuses, package bonuses, compensations).
    Bonus,
    /// System account: coins paid for a service.
    Spent(Service),
    /// System account: coins withdrawn because their purchase was refunded.
    Refunds,
    /// System account: coins of expired lots.
    Expired,
}

/// The text is not the code of a ledger account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an account")]
pub struct UnknownAccount(pub String);

const SPENT: &str = "spent:";

impl fmt::Display for LedgerAccount {
    /// Writes the code that is stored in columns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Available => f.write_str("available"),
            Self::Held => f.write_str("held"),
            Self::Sold => f.write_str("sold"),
            Self::Bonus => f.write_str("bonus"),
            Self::Spent(service) => write!(f, "{SPENT}{service}"),
            Self::Refunds => f.write_str("refunds"),
            Self::Expired => f.write_str("expired"),
        }
    }
}

impl FromStr for LedgerAccount {
    type Err = UnknownAccount;

    fn from_str(text: &str) -> Result<Self, UnknownAccount> {
        let unknown = || UnknownAccount(text.chars().take(60).collect());
        Ok(match text {
            "available" => Self::Available,
            "held" => Self::Held,
            "sold" => Self::Sold,
            "bonus" => Self::Bonus,
            "refunds" => Self::Refunds,
            "expired" => Self::Expired,
            _ => {
                let service = text.strip_prefix(SPENT).ok_or_else(unknown)?;
                Self::Spent(service.parse().map_err(|_| unknown())?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_survives_its_code() {
        for code in ["available", "held", "sold", "bonus", "refunds", "expired", "spent:flysense.recognition"]
        {
            assert_eq!(code.parse::<LedgerAccount>().unwrap().to_string(), code);
        }
        for code in ["", "spent:", "spent:A", "spent:a..b", "wallet"] {
            assert!(code.parse::<LedgerAccount>().is_err(), "{code}");
        }
        let service: Service = "flysense.recognition".parse().unwrap();
        assert!(service.is_of("flysense") && !service.is_of("fly") && !service.is_of("flysense.recognition"));
        assert!("x".repeat(49).parse::<Service>().is_err());
    }
}
