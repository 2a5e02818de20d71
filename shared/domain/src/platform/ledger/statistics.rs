//! Spending by period and service.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::Service;
use crate::money::{MicroCoins, OutOfRange};

/// Bucket of a statistic, made of whole days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// One day.
    Day,
    /// A week, from Monday.
    Week,
    /// A calendar month.
    Month,
}

impl Period {
    /// The first day of the period that contains `day`.
    pub fn start_of(self, day: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => day,
            Self::Week => {
                day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())).unwrap_or(day)
            }
            Self::Month => day.with_day(1).unwrap_or(day),
        }
    }
}

/// Spending on one service in a period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Coins paid by charges and captures; refunds are not deducted.
    pub paid: MicroCoins,
    /// Coins refunded.
    pub returned: MicroCoins,
    /// Number of charges.
    pub charges: u64,
}

impl Totals {
    /// The sum of both totals; fails on overflow.
    pub fn checked_add(self, other: Self) -> Result<Self, OutOfRange> {
        Ok(Self {
            paid: self.paid.checked_add(other.paid)?,
            returned: self.returned.checked_add(other.returned)?,
            charges: self.charges.checked_add(other.charges).ok_or(OutOfRange)?,
        })
    }
}

/// Spending on one service on one day. Days begin at midnight in the customer's time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySpent {
    /// Date in the customer's time zone.
    pub day: NaiveDate,
    /// Service whose account of spending was credited.
    pub service: Service,
    /// Totals of the day. A refund counts on the day of the refund, not of the charge.
    pub totals: Totals,
}

/// Groups days into periods, ordered by period and service.
pub fn group(
    days: impl IntoIterator<Item = DaySpent>,
    period: Period,
) -> Result<BTreeMap<(NaiveDate, Service), Totals>, OutOfRange> {
    let mut groups: BTreeMap<(NaiveDate, Service), Totals> = BTreeMap::new();
    for DaySpent { day, service, totals } in days {
        let group = groups.entry((period.start_of(day), service)).or_default();
        *group = group.checked_add(totals)?;
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn weeks_begin_on_mondays_and_months_on_the_first() {
        let sunday = day("2026-11-01");
        assert_eq!(Period::Day.start_of(sunday), sunday);
        assert_eq!(Period::Week.start_of(sunday), day("2026-10-26"));
        assert_eq!(Period::Month.start_of(day("2026-11-30")), sunday);
    }

    #[test]
    fn days_add_up_to_periods_by_service() {
        let spent = |at: &str, service: &str, paid, returned, charges| DaySpent {
            day: day(at),
            service: service.parse().unwrap(),
            totals: Totals { paid: MicroCoins(paid), returned: MicroCoins(returned), charges },
        };
        let days = [
            spent("2026-11-02", "a", 5, 0, 1),
            spent("2026-11-03", "a", 7, 2, 2),
            spent("2026-11-03", "b", 1, 0, 1),
            spent("2026-12-01", "a", 1, 0, 1),
        ];
        let groups: Vec<_> = group(days, Period::Month).unwrap().into_iter().collect();
        let november = Totals { paid: MicroCoins(12), returned: MicroCoins(2), charges: 3 };
        assert_eq!(groups[0], ((day("2026-11-01"), "a".parse().unwrap()), november));
        assert_eq!((groups.len(), groups[2].0.0), (3, day("2026-12-01")));
        let most = spent("2026-11-02", "a", i64::MAX, 0, 1);
        assert_eq!(group([most.clone(), most], Period::Day), Err(OutOfRange));
    }
}
