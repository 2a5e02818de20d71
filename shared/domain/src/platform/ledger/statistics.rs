//! Spending by period and service.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::Service;
use crate::money::{MicroCoins, OutOfRange};

/// How long a period is. Periods begin at midnight in the customer's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// One day.
    Day,
    /// From Monday on.
    Week,
    /// From the 1st on.
    Month,
}

impl Period {
    /// The first day of the period a moment lies in.
    pub fn start_of(self, moment: DateTime<Utc>, zone: FixedOffset) -> NaiveDate {
        let day = moment.with_timezone(&zone).date_naive();
        match self {
            Self::Day => day,
            Self::Week => {
                day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())).unwrap_or(day)
            }
            Self::Month => day.with_day(1).unwrap_or(day),
        }
    }
}

/// One movement on an account of spending: positive when paid, negative when it came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// When.
    pub at: DateTime<Utc>,
    /// On what.
    pub service: Service,
    /// How much.
    pub amount: MicroCoins,
}

/// What one service cost in one period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Paid.
    pub paid: MicroCoins,
    /// Came back.
    pub returned: MicroCoins,
    /// How many charges.
    pub charges: u64,
}

/// Groups movements by period and service, in order of both. A refund counts in the period it happened in.
pub fn group(
    spendings: impl IntoIterator<Item = Spending>,
    period: Period,
    zone: FixedOffset,
) -> Result<BTreeMap<(NaiveDate, Service), Totals>, OutOfRange> {
    let mut groups: BTreeMap<(NaiveDate, Service), Totals> = BTreeMap::new();
    for Spending { at, service, amount } in spendings {
        let totals = groups.entry((period.start_of(at, zone), service)).or_default();
        if amount.is_positive() {
            totals.paid = totals.paid.plus(amount)?;
            totals.charges += 1;
        } else {
            totals.returned = totals.returned.plus(amount.negated()?)?;
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moscow() -> FixedOffset {
        FixedOffset::east_opt(3 * 3600).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn periods_begin_at_the_customers_midnight() {
        let late = at("2026-10-31T22:30:00Z"); // a Sunday, 1 November, in Moscow
        assert_eq!(Period::Day.start_of(late, moscow()), day("2026-11-01"));
        assert_eq!(Period::Week.start_of(late, moscow()), day("2026-10-26"));
        assert_eq!(Period::Month.start_of(late, moscow()), day("2026-11-01"));
    }

    #[test]
    fn refunds_are_told_apart_from_charges() {
        let spent = |moment: &str, service: &str, amount| Spending {
            at: at(moment),
            service: service.parse().unwrap(),
            amount: MicroCoins(amount),
        };
        let groups = group(
            [
                spent("2026-11-02T10:00:00Z", "a", 5),
                spent("2026-11-03T10:00:00Z", "a", 7),
                spent("2026-11-03T11:00:00Z", "a", -2),
                spent("2026-12-01T11:00:00Z", "b", 1),
            ],
            Period::Month,
            moscow(),
        )
        .unwrap();
        let totals: Vec<_> = groups.into_iter().collect();
        let expected = Totals { paid: MicroCoins(12), returned: MicroCoins(2), charges: 2 };
        assert_eq!(totals[0], ((day("2026-11-01"), "a".parse().unwrap()), expected));
        assert_eq!(totals[1].0.0, day("2026-12-01"));
    }
}
