//! Money as integers: kopecks for roubles, micro-Flycoins for coins.
//!
//! Arithmetic is checked: an overflow is an error and never wraps. Division with a remainder is done by functions
//! named after their rounding, so that each price states which one it uses.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not a decimal amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an amount: write it like 12 or 2.5, with at most {digits} decimal places")]
pub struct InvalidAmount {
    /// The rejected text.
    pub text: String,
    /// Maximum number of decimal places.
    pub digits: usize,
}

/// A result does not fit 64 bits, or a quantity is negative where this is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amount is out of range")]
pub struct OutOfRange;

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident, $per_unit:literal, $digits:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// No money.
            pub const ZERO: Self = Self(0);
            /// Subunits in one whole unit.
            pub const PER_UNIT: i64 = $per_unit;

            /// The amount of `units` whole units.
            pub const fn from_units(units: i64) -> Result<Self, OutOfRange> {
                match units.checked_mul($per_unit) {
                    Some(amount) => Ok(Self(amount)),
                    None => Err(OutOfRange),
                }
            }

            /// The sum; fails on overflow.
            pub const fn checked_add(self, other: Self) -> Result<Self, OutOfRange> {
                match self.0.checked_add(other.0) {
                    Some(amount) => Ok(Self(amount)),
                    None => Err(OutOfRange),
                }
            }

            /// The difference, negative if `other` is larger; fails on overflow.
            pub const fn checked_sub(self, other: Self) -> Result<Self, OutOfRange> {
                match self.0.checked_sub(other.0) {
                    Some(amount) => Ok(Self(amount)),
                    None => Err(OutOfRange),
                }
            }

            /// The amount with the opposite sign.
            pub const fn checked_neg(self) -> Result<Self, OutOfRange> {
                match self.0.checked_neg() {
                    Some(amount) => Ok(Self(amount)),
                    None => Err(OutOfRange),
                }
            }

            /// The amount times `factor`; fails on overflow.
            pub const fn checked_mul(self, factor: i64) -> Result<Self, OutOfRange> {
                match self.0.checked_mul(factor) {
                    Some(amount) => Ok(Self(amount)),
                    None => Err(OutOfRange),
                }
            }

            /// The share `numerator / denominator`, rounded to the nearest subunit, halves away from zero.
            pub fn prorate_half_up(self, numerator: i64, denominator: i64) -> Result<Self, OutOfRange> {
                let (product, denominator) = fraction(self.0, numerator, denominator)?;
                let half = denominator / 2;
                let rounded = (product + if product < 0 { -half } else { half }) / denominator;
                i64::try_from(rounded).map(Self).map_err(|_| OutOfRange)
            }

            /// The share `numerator / denominator`, rounded towards zero, so that a payee never gets more than its share.
            pub fn prorate_floor(self, numerator: i64, denominator: i64) -> Result<Self, OutOfRange> {
                let (product, denominator) = fraction(self.0, numerator, denominator)?;
                i64::try_from(product / denominator).map(Self).map_err(|_| OutOfRange)
            }

            /// Whether the amount is above zero.
            pub const fn is_positive(self) -> bool {
                self.0 > 0
            }

            /// Whether the amount is zero.
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }

        impl FromStr for $name {
            type Err = InvalidAmount;

            /// Parses whole units with decimal places, such as `2.5`. More decimal places than the unit has are an error.
            fn from_str(text: &str) -> Result<Self, InvalidAmount> {
                let wrong = || InvalidAmount { text: text.chars().take(40).collect(), digits: $digits };
                let (units, places) = text.split_once('.').unwrap_or((text, "0"));
                let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
                if !digits(units.strip_prefix('-').unwrap_or(units)) || !digits(places) || places.len() > $digits {
                    return Err(wrong());
                }
                format!("{units}{places:0<width$}", width = $digits).parse().map(Self).map_err(|_| wrong())
            }
        }

        impl fmt::Display for $name {
            /// Writes whole units with all decimal places, never rounded.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (units, rest) =
                    (self.0.unsigned_abs() / $per_unit, self.0.unsigned_abs() % $per_unit);
                let sign = if self.0 < 0 { "-" } else { "" };
                write!(f, "{sign}{units}.{rest:0width$}", width = $digits)
            }
        }
    };
}

amount!(
    /// Amount in kopecks, hundredths of a rouble.
    Kopecks, 100, 2
);
amount!(
    /// Amount in micro-Flycoins, millionths of a Flycoin. One Flycoin costs one rouble.
    MicroCoins, 1_000_000, 6
);

impl MicroCoins {
    /// The sum of all amounts; fails on overflow.
    pub fn total<I: IntoIterator<Item = Self>>(amounts: I) -> Result<Self, OutOfRange> {
        let sum: i128 = amounts.into_iter().map(|amount| i128::from(amount.0)).sum();
        i64::try_from(sum).map(Self).map_err(|_| OutOfRange)
    }
}

impl Kopecks {
    /// The coins that this amount buys, without rounding.
    pub const fn to_coins(self) -> Result<MicroCoins, OutOfRange> {
        match self.0.checked_mul(MicroCoins::PER_UNIT / Self::PER_UNIT) {
            Some(amount) => Ok(MicroCoins(amount)),
            None => Err(OutOfRange),
        }
    }

    /// The sum of all amounts; fails on overflow.
    pub fn total<I: IntoIterator<Item = Self>>(amounts: I) -> Result<Self, OutOfRange> {
        let sum: i128 = amounts.into_iter().map(|amount| i128::from(amount.0)).sum();
        i64::try_from(sum).map(Self).map_err(|_| OutOfRange)
    }
}

fn fraction(amount: i64, numerator: i64, denominator: i64) -> Result<(i128, i128), OutOfRange> {
    if denominator <= 0 {
        return Err(OutOfRange);
    }
    Ok((i128::from(amount) * i128::from(numerator), i128::from(denominator)))
}

/// 128-bit sum that cannot overflow, for verification over many amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WideSum(pub i128);

impl Sum<MicroCoins> for WideSum {
    fn sum<I: Iterator<Item = MicroCoins>>(amounts: I) -> Self {
        Self(amounts.map(|amount| i128::from(amount.0)).sum())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_shown_whole() {
        assert_eq!(MicroCoins(963_000_000).to_string(), "963.000000");
        assert_eq!(MicroCoins(-1).to_string(), "-0.000001");
        assert_eq!(Kopecks(49_905).to_string(), "499.05");
        assert_eq!(Kopecks(i64::MIN).to_string(), "-92233720368547758.08");
    }

    #[test]
    fn amounts_are_read_as_people_write_them() {
        assert_eq!("2.5".parse(), Ok(MicroCoins(2_500_000)));
        assert_eq!("-0.000001".parse(), Ok(MicroCoins(-1)));
        assert_eq!("499.05".parse(), Ok(Kopecks(49_905)));
        assert_eq!("12".parse(), Ok(Kopecks(1_200)));
        for text in ["", ".5", "5.", "1,5", "+1", "--1", "1e3", "0.0000001", "9223372036855", " 1"] {
            assert!(text.parse::<MicroCoins>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert_eq!(MicroCoins(i64::MAX).checked_add(MicroCoins(1)), Err(OutOfRange));
        assert_eq!(MicroCoins(i64::MIN).checked_neg(), Err(OutOfRange));
        assert_eq!(MicroCoins::from_units(i64::MAX), Err(OutOfRange));
        assert_eq!(MicroCoins(i64::MAX).prorate_half_up(3, 2), Err(OutOfRange));
        assert_eq!(MicroCoins(1).prorate_floor(1, 0), Err(OutOfRange));
        assert_eq!(MicroCoins::total([MicroCoins(i64::MAX), MicroCoins(1)]), Err(OutOfRange));
        assert_eq!(Kopecks(i64::MAX).to_coins(), Err(OutOfRange));
    }

    #[test]
    fn roundings_do_what_their_names_say() {
        for (amount, half_up, down) in [(5, 3, 2), (4, 2, 2), (-5, -3, -2), (3, 2, 1), (1, 1, 0), (0, 0, 0)] {
            assert_eq!(MicroCoins(amount).prorate_half_up(1, 2), Ok(MicroCoins(half_up)), "{amount} / 2");
            assert_eq!(MicroCoins(amount).prorate_floor(1, 2), Ok(MicroCoins(down)), "{amount} / 2");
        }
        // An odd denominator has no halves.
        assert_eq!(MicroCoins(1).prorate_half_up(1, 3), Ok(MicroCoins(0)));
        assert_eq!(MicroCoins(2).prorate_half_up(1, 3), Ok(MicroCoins(1)));
    }

    #[test]
    fn a_coin_costs_a_rouble() {
        assert_eq!(Kopecks(100).to_coins(), Ok(MicroCoins(1_000_000)));
    }

    proptest! {
        #[test]
        fn a_rounded_share_is_off_by_at_most_half(amount in -1_000_000_000_000_i64..1_000_000_000_000, n in 0_i64..1000, d in 1_i64..1000) {
            let exact = i128::from(amount) * i128::from(n);
            let rounded = i128::from(MicroCoins(amount).prorate_half_up(n, d).unwrap().0) * i128::from(d);
            prop_assert!((exact - rounded).abs() * 2 <= i128::from(d));
            let down = i128::from(MicroCoins(amount).prorate_floor(n, d).unwrap().0) * i128::from(d);
            prop_assert!(down.abs() <= exact.abs() && (exact - down).abs() < i128::from(d));
        }
    }
}
