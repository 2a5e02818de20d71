//! Packages of Flycoins on offer.

use std::fmt;
use std::str::FromStr;

use crate::money::{Kopecks, MicroCoins};
use crate::platform::billing::MAX_BONUS_DAYS;

/// Minimum price: T-Bank refuses smaller card payments with error 251.
const MIN_PRICE: Kopecks = Kopecks(100);
/// Maximum price, a million roubles: SBP's default limit, and far below the ten digits of `Init`.
const MAX_PRICE: Kopecks = Kopecks(100_000_000);
/// Maximum coins, a billion: far above any package, and far below the limit of 64 bits.
const MAX_COINS: MicroCoins = MicroCoins(1_000_000_000 * MicroCoins::PER_UNIT);
/// Maximum length of a title, in characters: it is part of a receipt's item name, which is limited to 128.
const MAX_TITLE_LEN: usize = 64;

/// Code of a package, the same for all its versions: 1 to 64 of `a-z`, `0-9`, `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageCode(String);

impl PackageCode {
    /// As it was parsed: it is not normalised.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PackageCode {
    type Err = InvalidPackage;

    fn from_str(text: &str) -> Result<Self, InvalidPackage> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPackage::Code)
        }
    }
}

/// Why a package is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPackage {
    /// Empty, longer than 64, or with another character than a–z, 0–9 and `-`.
    #[error("a package's code is 1 to 64 of a-z, 0-9 and `-`")]
    Code,
    /// Empty, longer than 64 characters, or with a control character.
    #[error("a package's title is 1 to 64 characters on one line")]
    Title,
    /// Price out of range.
    #[error("a package costs 1 to 1,000,000 roubles")]
    Price,
    /// Coins out of range.
    #[error("a package contains more than 0 and at most 1,000,000,000 coins, bonus included")]
    Coins,
    /// Lifetime of the bonus out of range, or given without a bonus.
    #[error("a bonus is valid for 1 to {MAX_BONUS_DAYS} days; days without a bonus are refused")]
    BonusDays,
}

/// Terms of one version of a package. A change of terms creates a new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageTerms {
    /// Title shown to users.
    pub title: String,
    /// What the buyer pays, from 1 to 1,000,000 roubles.
    pub price: Kopecks,
    /// Purchased coins, which never expire.
    pub coins: MicroCoins,
    /// Bonus coins; may be zero.
    pub bonus: MicroCoins,
    /// Lifetime of the bonus in days; `None` if it never expires.
    pub bonus_days: Option<u32>,
}

impl PackageTerms {
    /// Checks title, price, coins and bonus; the error names the first fault.
    pub fn check(&self) -> Result<(), InvalidPackage> {
        let title = self.title.chars();
        if self.title.trim().is_empty() || self.title.chars().count() > MAX_TITLE_LEN {
            return Err(InvalidPackage::Title);
        }
        if title.into_iter().any(char::is_control) {
            return Err(InvalidPackage::Title);
        }
        if !(MIN_PRICE..=MAX_PRICE).contains(&self.price) {
            return Err(InvalidPackage::Price);
        }
        let all = self.coins.checked_add(self.bonus).map_err(|_| InvalidPackage::Coins)?;
        if !self.coins.is_positive() || self.bonus < MicroCoins::ZERO || all > MAX_COINS {
            return Err(InvalidPackage::Coins);
        }
        match self.bonus_days {
            None => Ok(()),
            Some(days) if self.bonus.is_positive() && (1..=MAX_BONUS_DAYS).contains(&days) => Ok(()),
            Some(_) => Err(InvalidPackage::BonusDays),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> PackageTerms {
        PackageTerms {
            title: "Стартовый".to_owned(),
            price: Kopecks(50_000),
            coins: MicroCoins(500_000_000),
            bonus: MicroCoins(50_000_000),
            bonus_days: Some(90),
        }
    }

    #[test]
    fn what_cannot_be_sold_is_refused_by_name() {
        assert_eq!(terms().check(), Ok(()));
        for (wrong, why) in [
            (PackageTerms { title: " ".to_owned(), ..terms() }, InvalidPackage::Title),
            (PackageTerms { title: "a\nb".to_owned(), ..terms() }, InvalidPackage::Title),
            (PackageTerms { title: "я".repeat(65), ..terms() }, InvalidPackage::Title),
            (PackageTerms { price: Kopecks(99), ..terms() }, InvalidPackage::Price),
            (PackageTerms { price: Kopecks(100_000_001), ..terms() }, InvalidPackage::Price),
            (PackageTerms { coins: MicroCoins::ZERO, ..terms() }, InvalidPackage::Coins),
            (PackageTerms { coins: MicroCoins(i64::MAX), ..terms() }, InvalidPackage::Coins),
            (PackageTerms { bonus: MicroCoins(-1), ..terms() }, InvalidPackage::Coins),
            (PackageTerms { bonus: MicroCoins::ZERO, ..terms() }, InvalidPackage::BonusDays),
            (PackageTerms { bonus_days: Some(0), ..terms() }, InvalidPackage::BonusDays),
            // In the 2030s such an expiry would be after 2038, which the database would store as NULL: no expiry.
            (PackageTerms { bonus_days: Some(MAX_BONUS_DAYS + 1), ..terms() }, InvalidPackage::BonusDays),
        ] {
            assert_eq!(wrong.check(), Err(why), "{wrong:?}");
        }
    }

    #[test]
    fn a_code_is_plain() {
        assert!("start-500".parse::<PackageCode>().is_ok());
        for code in ["", "Start", "a b", "пакет", &"x".repeat(65)] {
            assert!(code.parse::<PackageCode>().is_err(), "{code}");
        }
    }
}
