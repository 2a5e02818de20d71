//! Prices: versioned rules for estimates and charges.

use serde::{Deserialize, Serialize};

use super::Service;
use crate::money::{MicroCoins, OutOfRange};

/// Rule that converts a quantity to a price. The rate is read as `rate`, and as `rate_micro`, its name in the API, whose
/// receipts FlySense stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Tariff {
    /// Billed by the second, at a price per minute, with a minimum duration.
    PerMinute {
        /// Price of 60 seconds.
        #[serde(alias = "rate_micro")]
        rate: MicroCoins,
        /// Minimum billed duration, seconds. A quantity of 0 is not billed.
        at_least_s: u64,
    },
    /// Billed by the piece.
    PerPiece {
        /// Price of one piece.
        #[serde(alias = "rate_micro")]
        rate: MicroCoins,
    },
}

/// What a quantity counts, which the tariff decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds of audio.
    Second,
    /// Items counted one by one, such as summaries.
    Piece,
}

/// Rounding applied to a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// None: the price is a whole number of micro-Flycoins.
    Exact,
    /// To the nearest micro-Flycoin, halves up.
    HalfUp,
}

/// Version of a service's price, in force from a start time. A version is immutable; a new price is a new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceRule {
    /// Versions are counted for each service by itself.
    pub service: Service,
    /// Version number, from 1.
    pub version: u32,
    /// How a quantity becomes an amount.
    pub tariff: Tariff,
}

/// A price and its calculation, as shown in estimates and receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// With versions of its own.
    pub service: Service,
    /// Version of the price rule.
    pub version: u32,
    /// Tariff of the price rule.
    pub tariff: Tariff,
    /// Unit of `quantity` and `billed`.
    pub unit: Unit,
    /// Requested quantity.
    pub quantity: u64,
    /// Billed quantity: the requested one, or the tariff's minimum.
    pub billed: u64,
    /// Rounding of `amount`.
    pub rounding: Rounding,
    /// The price, micro-Flycoins.
    pub amount: MicroCoins,
}

impl PriceRule {
    /// The default price of recognition: 2.5 Flycoins per minute, billed by the second, at least 15 s.
    pub fn recognition() -> Result<Self, super::InvalidService> {
        let tariff = Tariff::PerMinute { rate: MicroCoins(2_500_000), at_least_s: 15 };
        Ok(Self { service: Service::RECOGNITION.parse()?, version: 1, tariff })
    }

    /// The default price of a summary: 1 Flycoin per piece.
    pub fn summary() -> Result<Self, super::InvalidService> {
        let tariff = Tariff::PerPiece { rate: MicroCoins(1_000_000) };
        Ok(Self { service: Service::SUMMARY.parse()?, version: 1, tariff })
    }

    /// The price of a quantity in seconds or pieces. A quantity of zero costs nothing.
    pub fn quote(&self, quantity: u64) -> Result<Quote, OutOfRange> {
        let count = |quantity: u64| i64::try_from(quantity).map_err(|_| OutOfRange);
        let (unit, billed, rounding, amount) = match self.tariff {
            Tariff::PerMinute { rate, at_least_s } => {
                let billed = if quantity == 0 { 0 } else { quantity.max(at_least_s) };
                let amount = rate.prorate_half_up(count(billed)?, 60)?;
                (Unit::Second, billed, Rounding::HalfUp, amount)
            }
            Tariff::PerPiece { rate } => {
                (Unit::Piece, quantity, Rounding::Exact, rate.checked_mul(count(quantity)?)?)
            }
        };
        let (service, version, tariff) = (self.service.clone(), self.version, self.tariff);
        Ok(Quote { service, version, tariff, unit, quantity, billed, rounding, amount })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tariff_is_read_as_it_is_stored_and_as_the_api_answers() {
        let read = |text: &str| serde_json::from_str::<Tariff>(text).unwrap();
        let minute = PriceRule::recognition().unwrap().tariff;
        let stored = r#"{"kind": "per_minute", "rate": 2500000, "at_least_s": 15}"#;
        assert_eq!((read(stored), read(&stored.replace("rate", "rate_micro"))), (minute, minute));
        let piece = r#"{"kind": "per_piece", "rate_micro": 1000000, "at_least_s": null}"#;
        assert_eq!(read(piece), PriceRule::summary().unwrap().tariff);
    }

    #[test]
    fn recognition_costs_by_the_second_from_fifteen_on() {
        let rule = PriceRule::recognition().unwrap();
        for (seconds, billed, amount) in [
            (0, 0, 0),
            (1, 15, 625_000),
            (15, 15, 625_000),
            (16, 16, 666_667),
            (17, 17, 708_333),
            (60, 60, 2_500_000),
            (23_112, 23_112, 963_000_000),
        ] {
            let quote = rule.quote(seconds).unwrap();
            assert_eq!((quote.billed, quote.amount), (billed, MicroCoins(amount)), "{seconds} s");
        }
        assert_eq!(rule.quote(16).unwrap().rounding, Rounding::HalfUp);
    }

    #[test]
    fn a_summary_costs_by_the_piece() {
        let quote = PriceRule::summary().unwrap().quote(3).unwrap();
        assert_eq!(
            (quote.amount, quote.rounding, quote.unit),
            (MicroCoins(3_000_000), Rounding::Exact, Unit::Piece)
        );
        assert!(PriceRule::summary().unwrap().quote(u64::MAX).is_err());
    }

    #[test]
    fn a_receipt_names_rule_quantity_and_rounding() {
        let quote = PriceRule::recognition().unwrap().quote(16).unwrap();
        assert_eq!(
            serde_json::to_value(&quote).unwrap(),
            serde_json::json!({
                "service": "flysense.recognition", "version": 1,
                "tariff": {"kind": "per_minute", "rate": 2_500_000, "at_least_s": 15},
                "unit": "second", "quantity": 16, "billed": 16, "rounding": "half_up", "amount": 666_667,
            })
        );
    }
}
