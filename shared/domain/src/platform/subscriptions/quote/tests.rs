use super::*;
use crate::SystemClock;
use crate::platform::subscriptions::subscription::EndReason;
use crate::platform::subscriptions::subscription::tests::{active, day};

fn plan() -> PlanTerms {
    PlanTerms {
        title: "Про".to_owned(),
        prices: [(PeriodLength::Month, Kopecks(30_000))].into(),
        min_seats: 1,
        max_seats: Some(10),
        currency: crate::platform::subscriptions::plan::Currency::Rub,
        features: serde_json::json!({}),
    }
}

fn price(subscription: &Subscription, change: Change, today: &str) -> Result<Quote, QuoteError> {
    let (own, terms) = (plan(), subscription.terms);
    let own = terms.map(|terms| (terms.plan, &own));
    quote(subscription, change, own, own, &[], day(today))
}

#[test]
fn more_seats_cost_the_days_that_are_left_the_day_of_the_change_included() {
    let subscription = active("2026-12-01");
    // Two more seats for 300 roubles each: 600 × days / 31.
    for (today, kopecks) in [("2026-12-01", 60_000), ("2026-12-16", 30_968), ("2026-12-31", 1_935)] {
        let quote = price(&subscription, Change::Seats(5), today).unwrap();
        assert_eq!(quote.total, Kopecks(kopecks), "{today}");
        assert_eq!(quote.lines.len(), 1, "one line, rounded once");
    }
}

#[test]
fn a_surcharge_does_not_read_as_the_price_of_all_seats() {
    let subscription = active("2026-12-01");
    let told = |change, own: &PlanTerms, wanted: &PlanTerms| {
        let plan = subscription.terms.unwrap().plan;
        let dearer = (PlanId::generate(&SystemClock), wanted);
        let quote = quote(&subscription, change, Some((plan, own)), Some(dearer), &[], day("2026-12-16"));
        quote.unwrap().lines.remove(0).title
    };
    let (own, dearer) =
        (plan(), PlanTerms { prices: [(PeriodLength::Month, Kopecks(60_000))].into(), ..plan() });
    let of_plan = Change::Plan(PlanId::generate(&SystemClock));
    let prefix = "Доплата до конца периода: тариф «Про», ";
    for (title, seats) in [
        (told(Change::Seats(5), &own, &dearer), "5 мест вместо 3"),
        (told(of_plan, &own, &dearer), "3 места"),
        (told(of_plan, &own, &PlanTerms { min_seats: 4, ..dearer.clone() }), "4 места вместо 3"),
    ] {
        assert_eq!(title, format!("{prefix}{seats}, 16.12.2026–31.12.2026"));
    }
}

#[test]
fn granted_days_cost_no_more_than_days_that_are_sold() {
    let ended = active("2026-12-01").ended(EndReason::Cancelled);
    // Two more seats for 300 roubles each and month: 600 × days / 31, or all of it for the days of a longer gift.
    for (days, kopecks) in [(3, 5_806), (31, 60_000), (62, 60_000)] {
        let granted = ended.with_bonus(days, day("2027-01-10")).unwrap();
        let quote = price(&granted, Change::Seats(5), "2027-01-10").unwrap();
        assert_eq!(quote.total, Kopecks(kopecks), "{days}");
    }
}

#[test]
fn a_difference_below_the_banks_minimum_is_waived_line_by_line() {
    let cheap = Terms { seat_price: Kopecks(1_000), ..active("2026-12-01").terms.unwrap() };
    let subscription = active("2026-12-01").changed(cheap).unwrap();
    let quote = price(&subscription, Change::Seats(5), "2026-12-31").unwrap();
    let amounts: Vec<i64> = quote.lines.iter().map(|line| line.amount.0).collect();
    assert_eq!((amounts, quote.total), (vec![65, -65], Kopecks::ZERO));
    assert_eq!(quote.lines[1].kind, LineKind::Waiver);
}

#[test]
fn what_is_not_possible_says_why() {
    let subscription = active("2026-12-01");
    let today = "2026-12-16";
    let refused = |change| price(&subscription, change, today).unwrap_err();
    assert_eq!(refused(Change::Seats(0)), QuoteError::Seats { min: 1, max: 10 });
    assert_eq!(refused(Change::Seats(u32::MAX)), QuoteError::Seats { min: 1, max: 10 });
    assert_eq!(refused(Change::Seats(3)), QuoteError::NothingChanges);
    assert_eq!(refused(Change::Length(PeriodLength::Year)), QuoteError::Length(PeriodLength::Year));
    let start = Change::Start { plan: PlanId::generate(&SystemClock), seats: 1, length: PeriodLength::Month };
    assert_eq!(price(&subscription, start, today), Err(QuoteError::AlreadyActive));
    let (cancelled, _) = subscription.cancelled(day(today)).unwrap();
    assert_eq!(price(&cancelled, Change::Seats(1), today), Err(QuoteError::Cancels));
    assert_eq!(price(&cancelled, Change::Renew, today), Err(QuoteError::Cancels));
    let unpaid = subscription.renewal_opened(false).unwrap();
    assert_eq!(price(&unpaid, Change::Seats(5), "2027-01-02"), Err(QuoteError::PaymentOverdue));
    assert_eq!(price(&subscription, Change::Renew, "2027-02-01"), Err(QuoteError::UnderReview));
    let lapsed = Subscription { needs_person: true, ..subscription.clone() };
    assert_eq!(price(&lapsed, Change::Seats(5), today), Err(QuoteError::UnderReview));
}
