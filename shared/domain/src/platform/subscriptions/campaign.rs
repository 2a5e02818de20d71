//! Price campaigns: customers of one version of a plan move to a later one, at the end of a period and never without notice.
//!
//! Before a campaign reaches a customer, the customer is told, and the day is recorded. The first period that begins at least
//! [`PRICE_NOTICE_DAYS`] after that day, and not before the campaign's own day, has the new price. Who does not want it
//! cancels. A version without a price for the customer's length of the period leaves the customer where it is.

use chrono::{Days, NaiveDate};

use super::plan::{MAX_SEATS, PlanTerms, Terms};
use super::subscription::Subscription;
use crate::id::PlanId;

/// Minimum days between the notice of a new price and the first period that has it.
pub const PRICE_NOTICE_DAYS: u32 = 30;
/// Maximum days between the start of a campaign and its first day.
pub const MAX_CAMPAIGN_LEAD_DAYS: u32 = 366;
/// Periods that [`PriceChange::first_boundary`] looks ahead: the longest lead in periods of a month, with a margin.
const MAX_PERIODS_AHEAD: usize = 16;

/// When a campaign concerns one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceChange {
    /// First day of the campaign, Moscow.
    pub effective_on: NaiveDate,
    /// Day of the notice, Moscow.
    pub noticed_on: NaiveDate,
}

impl PriceChange {
    /// Whether the period that begins on `boundary` has the new price.
    pub fn applies_from(self, boundary: NaiveDate) -> bool {
        let told_long_ago = self
            .noticed_on
            .checked_add_days(Days::new(PRICE_NOTICE_DAYS.into()))
            .is_some_and(|earliest| boundary >= earliest);
        told_long_ago && boundary >= self.effective_on
    }

    /// First day of the first period that has the new price, if the terms stay as they are; `None` if there is no period.
    pub fn first_boundary(self, subscription: &Subscription) -> Option<NaiveDate> {
        let (anchor, terms) = (subscription.anchor?, subscription.terms?);
        let mut boundary = subscription.paid_until()?;
        for _ in 0..MAX_PERIODS_AHEAD {
            if self.applies_from(boundary) {
                return Some(boundary);
            }
            boundary = anchor.period_from(boundary, terms.length).ok()?.until;
        }
        None
    }
}

impl Terms {
    /// These terms under another version of their plan; `None` if the version has no price for their length, or the total
    /// cannot be charged.
    pub fn under(self, plan: PlanId, version: &PlanTerms) -> Option<Self> {
        let seat_price = *version.prices.get(&self.length)?;
        let most = version.max_seats.unwrap_or(MAX_SEATS).max(version.min_seats);
        let terms = Self { plan, seat_price, seats: self.seats.clamp(version.min_seats, most), ..self };
        terms.total().is_ok().then_some(terms)
    }
}

/// A campaign cannot start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CampaignRefusal {
    /// The versions do not belong together.
    #[error("a campaign leads from one version of a plan to a later version of the same plan")]
    Versions,
    /// The day is out of range.
    #[error("a campaign begins {PRICE_NOTICE_DAYS} to {MAX_CAMPAIGN_LEAD_DAYS} days from today")]
    Day,
}

/// Checks the day of a campaign that starts today.
pub fn check_campaign_day(effective_on: NaiveDate, today: NaiveDate) -> Result<(), CampaignRefusal> {
    let lead = (effective_on - today).num_days();
    let allowed = i64::from(PRICE_NOTICE_DAYS)..=i64::from(MAX_CAMPAIGN_LEAD_DAYS);
    if allowed.contains(&lead) { Ok(()) } else { Err(CampaignRefusal::Day) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::calendar::PeriodLength;
    use super::super::plan::Currency;
    use super::super::subscription::tests::{active, day};
    use super::*;
    use crate::SystemClock;
    use crate::money::Kopecks;

    fn change(effective_on: &str, noticed_on: &str) -> PriceChange {
        PriceChange { effective_on: day(effective_on), noticed_on: day(noticed_on) }
    }

    #[test]
    fn a_new_price_needs_its_day_and_thirty_days_of_notice() {
        let early = change("2027-02-15", "2026-12-10");
        assert!(!early.applies_from(day("2027-02-14")));
        assert!(early.applies_from(day("2027-02-15")));
        let late = change("2027-02-15", "2027-02-01");
        assert!(!late.applies_from(day("2027-03-02")), "29 days after the notice");
        assert!(late.applies_from(day("2027-03-03")));
    }

    #[test]
    fn the_first_boundary_is_that_of_a_period_of_the_customer() {
        // Periods begin on the first day of a month.
        let monthly = active("2026-12-01");
        assert_eq!(change("2027-02-15", "2026-12-10").first_boundary(&monthly), Some(day("2027-03-01")));
        assert_eq!(change("2027-03-01", "2026-12-10").first_boundary(&monthly), Some(day("2027-03-01")));
        assert_eq!(change("2027-01-01", "2026-12-10").first_boundary(&monthly), Some(day("2027-02-01")));
        let trial = Subscription::new(day("2026-12-01"), 14).unwrap();
        assert_eq!(change("2027-01-01", "2026-12-10").first_boundary(&trial), None);
    }

    #[test]
    fn a_version_without_a_price_for_the_length_moves_nobody() {
        let version = |prices: &[(PeriodLength, i64)], min_seats| PlanTerms {
            title: "Про".to_owned(),
            prices: prices
                .iter()
                .map(|(length, price)| (*length, Kopecks(*price)))
                .collect::<BTreeMap<_, _>>(),
            min_seats,
            max_seats: None,
            currency: Currency::Rub,
            features: json!({}),
        };
        let (old, new) = (PlanId::generate(&SystemClock), PlanId::generate(&SystemClock));
        let terms = Terms { plan: old, seat_price: Kopecks(500), seats: 2, length: PeriodLength::Month };
        let moved = terms.under(new, &version(&[(PeriodLength::Month, 700)], 3));
        assert_eq!(moved, Some(Terms { plan: new, seat_price: Kopecks(700), seats: 3, ..terms }));
        assert_eq!(terms.under(new, &version(&[(PeriodLength::Year, 7_000)], 1)), None);
        let most = Terms { seats: MAX_SEATS, ..terms };
        assert_eq!(
            most.under(new, &version(&[(PeriodLength::Month, 100_000_000)], 1)),
            None,
            "above one payment"
        );
    }

    #[test]
    fn a_campaign_begins_a_month_to_a_year_from_today() {
        let today = day("2026-12-01");
        for (on, allowed) in
            [("2026-12-30", false), ("2026-12-31", true), ("2027-12-02", true), ("2027-12-03", false)]
        {
            assert_eq!(check_campaign_day(day(on), today).is_ok(), allowed, "{on}");
        }
        assert!(check_campaign_day(day("2026-11-01"), today).is_err());
    }
}
