//! Plans: what a vendor sells, in immutable versions.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::calendar::PeriodLength;
use crate::UnknownText;
use crate::id::PlanId;
use crate::money::{Kopecks, OutOfRange};

/// Maximum price of a seat for one period, a million roubles.
const MAX_SEAT_PRICE: Kopecks = Kopecks(100_000_000);
/// Maximum number of seats of a subscription.
pub const MAX_SEATS: u32 = 10_000;
/// Maximum amount of an invoice: `Init` has ten digits. Source: T-Bank API v2, `Init.Amount`.
pub(super) const MAX_INVOICE: Kopecks = Kopecks(9_999_999_999);
/// Minimum payment: T-Bank refuses smaller card payments with error 251.
pub(super) const MIN_CHARGE: Kopecks = Kopecks(100);
/// Maximum length of a title, in characters: it is part of a receipt's item name, which is limited to 128.
const MAX_TITLE_LEN: usize = 64;
/// Maximum length of the features as JSON, bytes: they are part of every handshake.
const MAX_FEATURES_LEN: usize = 4_096;

/// Code of a plan, the same for all its versions: 1 to 64 of `a-z`, `0-9`, `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlanCode(String);

impl PlanCode {
    /// As it was parsed: it is not normalised.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PlanCode {
    type Err = InvalidPlan;

    fn from_str(text: &str) -> Result<Self, InvalidPlan> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPlan::Code)
        }
    }
}

impl TryFrom<String> for PlanCode {
    type Error = InvalidPlan;

    fn try_from(text: String) -> Result<Self, InvalidPlan> {
        text.parse()
    }
}

impl From<PlanCode> for String {
    fn from(code: PlanCode) -> Self {
        code.0
    }
}

/// Currency of a plan. T-Bank charges roubles only.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "UPPERCASE", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Currency {
    /// Russian roubles.
    Rub,
}

/// Why a plan is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlan {
    /// Empty, too long, or with another character than a–z, 0–9 and `-`.
    #[error("a plan's code is 1 to 64 of a-z, 0-9 and `-`")]
    Code,
    /// Empty, too long, or with a control character.
    #[error("a plan's title is 1 to {MAX_TITLE_LEN} characters on one line")]
    Title,
    /// No price, or one out of range.
    #[error("a plan needs a price for 1, 3, 6 or 12 months; a seat costs 0.01 to 1,000,000 roubles a period")]
    Price,
    /// Seats out of range.
    #[error("seats are 1 to {MAX_SEATS}, the maximum not below the minimum")]
    Seats,
    /// Even the minimum cannot be charged in one payment.
    #[error("the minimum number of seats costs 1 rouble to 99,999,999.99 roubles a period")]
    Total,
    /// Features are not a JSON object, or too long.
    #[error("features are a JSON object of at most {MAX_FEATURES_LEN} bytes")]
    Features,
}

/// Terms of one version of a plan. A change of terms creates a new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanTerms {
    /// Title shown to users, in Russian.
    pub title: String,
    /// Price of a seat by length of the period.
    pub prices: BTreeMap<PeriodLength, Kopecks>,
    /// Minimum number of seats.
    pub min_seats: u32,
    /// Maximum number of seats; `None`: [`MAX_SEATS`].
    pub max_seats: Option<u32>,
    /// Currency of the prices.
    pub currency: Currency,
    /// Features of the plan, for the widget: a JSON object.
    pub features: Value,
}

impl PlanTerms {
    /// Checks title, prices, seats, the cheapest total and the features; the error names the first fault.
    pub fn check(&self) -> Result<(), InvalidPlan> {
        let (title, length) = (self.title.trim(), self.title.chars().count());
        if title.is_empty() || length > MAX_TITLE_LEN || self.title.chars().any(char::is_control) {
            return Err(InvalidPlan::Title);
        }
        let priced = |price: &Kopecks| price.is_positive() && *price <= MAX_SEAT_PRICE;
        if self.prices.is_empty() || !self.prices.values().all(priced) {
            return Err(InvalidPlan::Price);
        }
        let most = self.max_seats.unwrap_or(MAX_SEATS);
        if self.min_seats == 0 || most > MAX_SEATS || self.min_seats > most {
            return Err(InvalidPlan::Seats);
        }
        for price in self.prices.values() {
            let total = price.checked_mul(self.min_seats.into()).map_err(|_| InvalidPlan::Total)?;
            if !(MIN_CHARGE..=MAX_INVOICE).contains(&total) {
                return Err(InvalidPlan::Total);
            }
        }
        if !self.features.is_object() || self.features.to_string().len() > MAX_FEATURES_LEN {
            return Err(InvalidPlan::Features);
        }
        Ok(())
    }

    /// Whether this number of seats can be bought.
    pub fn allows_seats(&self, seats: u32) -> bool {
        (self.min_seats..=self.max_seats.unwrap_or(MAX_SEATS)).contains(&seats)
    }
}

/// Terms of a subscription for a period: the version of the plan and the price, both kept while the subscription lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Version of the plan.
    pub plan: PlanId,
    /// Price of a seat for a period of this length, kopecks.
    pub seat_price: Kopecks,
    /// Number of seats.
    pub seats: u32,
    /// Months that are paid at once.
    pub length: PeriodLength,
}

impl Terms {
    /// Price of a whole period.
    pub fn total(&self) -> Result<Kopecks, OutOfRange> {
        let total = self.seat_price.checked_mul(self.seats.into())?;
        if total > MAX_INVOICE { Err(OutOfRange) } else { Ok(total) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn terms() -> PlanTerms {
        PlanTerms {
            title: "Про".to_owned(),
            prices: BTreeMap::from([(PeriodLength::Month, Kopecks(49_900))]),
            min_seats: 1,
            max_seats: None,
            currency: Currency::Rub,
            features: json!({}),
        }
    }

    #[test]
    fn what_cannot_be_sold_is_refused_by_name() {
        assert_eq!(terms().check(), Ok(()));
        let prices = |price| BTreeMap::from([(PeriodLength::Month, Kopecks(price))]);
        for (wrong, why) in [
            (PlanTerms { title: " ".to_owned(), ..terms() }, InvalidPlan::Title),
            (PlanTerms { title: "а\nб".to_owned(), ..terms() }, InvalidPlan::Title),
            (PlanTerms { title: "я".repeat(65), ..terms() }, InvalidPlan::Title),
            (PlanTerms { prices: BTreeMap::new(), ..terms() }, InvalidPlan::Price),
            (PlanTerms { prices: prices(0), ..terms() }, InvalidPlan::Price),
            (PlanTerms { prices: prices(-1), ..terms() }, InvalidPlan::Price),
            (PlanTerms { prices: prices(i64::MAX), ..terms() }, InvalidPlan::Price),
            (PlanTerms { prices: prices(99), ..terms() }, InvalidPlan::Total),
            (PlanTerms { prices: prices(100_000_000), min_seats: 1_000, ..terms() }, InvalidPlan::Total),
            (PlanTerms { min_seats: 0, ..terms() }, InvalidPlan::Seats),
            (PlanTerms { max_seats: Some(0), ..terms() }, InvalidPlan::Seats),
            (PlanTerms { max_seats: Some(10_001), ..terms() }, InvalidPlan::Seats),
            (PlanTerms { features: json!([]), ..terms() }, InvalidPlan::Features),
            (PlanTerms { features: json!({ "x": "я".repeat(4_096) }), ..terms() }, InvalidPlan::Features),
        ] {
            assert_eq!(wrong.check(), Err(why), "{wrong:?}");
        }
    }

    #[test]
    fn another_currency_is_refused_with_the_ones_that_are_charged() {
        assert_eq!("RUB".parse(), Ok(Currency::Rub));
        assert_eq!("USD".parse::<Currency>().unwrap_err().to_string(), "`USD` is unknown; there are RUB");
    }

    #[test]
    fn a_total_beyond_one_payment_is_out_of_range() {
        let plan = PlanId::generate(&crate::SystemClock);
        let terms =
            |seats| Terms { plan, seat_price: Kopecks(100_000_000), seats, length: PeriodLength::Month };
        assert_eq!(terms(99).total(), Ok(Kopecks(9_900_000_000)));
        assert_eq!(terms(100).total(), Err(OutOfRange));
        assert_eq!(terms(u32::MAX).total(), Err(OutOfRange));
    }
}
