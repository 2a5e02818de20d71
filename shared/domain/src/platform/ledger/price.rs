//! Prices: versioned rules, used by estimates and charges alike.

use serde::{Deserialize, Serialize};

use super::Service;
use crate::money::{MicroCoins, OutOfRange};

/// How a quantity becomes a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Tariff {
    /// By the second, at a price for the minute; at least so many seconds if any.
    PerMinute {
        /// For 60 seconds.
        rate: MicroCoins,
        /// The least that is paid for, seconds.
        at_least_s: u64,
    },
    /// By the piece.
    PerPiece {
        /// For one.
        rate: MicroCoins,
    },
}

/// What a quantity counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds of audio.
    Second,
    /// Pieces.
    Piece,
}

/// What happened to the rest of a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// There was none: the price is a whole multiple.
    Exact,
    /// To the nearest millionth of a Flycoin, halves up.
    HalfUp,
}

/// The price of one service from some moment on. A version is never changed; a new price is a new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceRule {
    /// For what.
    pub service: Service,
    /// From 1.
    pub version: u32,
    /// How.
    pub tariff: Tariff,
}

/// A price and how it came about: what an estimate answers and a receipt shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// For what.
    pub service: Service,
    /// By which version of its rule.
    pub version: u32,
    /// By which tariff.
    pub tariff: Tariff,
    /// What the quantity counts.
    pub unit: Unit,
    /// What was asked for.
    pub quantity: u64,
    /// What is paid for: the quantity, or the tariff's least.
    pub billed: u64,
    /// What happened to the rest.
    pub rounding: Rounding,
    /// The price, millionths of a Flycoin.
    pub amount: MicroCoins,
}

impl PriceRule {
    /// The default price of recognition: 2.5 Flycoins a minute, by the second, at least 15 s.
    pub fn recognition() -> Result<Self, super::InvalidService> {
        let tariff = Tariff::PerMinute { rate: MicroCoins(2_500_000), at_least_s: 15 };
        Ok(Self { service: Service::RECOGNITION.parse()?, version: 1, tariff })
    }

    /// The default price of a summary: 1 Flycoin.
    pub fn summary() -> Result<Self, super::InvalidService> {
        let tariff = Tariff::PerPiece { rate: MicroCoins(1_000_000) };
        Ok(Self { service: Service::SUMMARY.parse()?, version: 1, tariff })
    }

    /// The price of a quantity: seconds or pieces. Nothing costs nothing.
    pub fn quote(&self, quantity: u64) -> Result<Quote, OutOfRange> {
        let count = |quantity: u64| i64::try_from(quantity).map_err(|_| OutOfRange);
        let (unit, billed, rounding, amount) = match self.tariff {
            Tariff::PerMinute { rate, at_least_s } => {
                let billed = if quantity == 0 { 0 } else { quantity.max(at_least_s) };
                let amount = rate.share_half_up(count(billed)?, 60)?;
                (Unit::Second, billed, Rounding::HalfUp, amount)
            }
            Tariff::PerPiece { rate } => {
                (Unit::Piece, quantity, Rounding::Exact, rate.times(count(quantity)?)?)
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
