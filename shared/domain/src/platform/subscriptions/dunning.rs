//! When an unpaid renewal is charged again, by the class of the bank's refusal.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use super::calendar::{day_start, moscow_day};
use super::settings::{MAX_CHARGE_DAY, SubscriptionSettings};
use crate::platform::tbank::ErrorClass;

/// Charges are made from 10:00 to 12:00 in Moscow: in the daytime, and spread so that not all meet the bank at once.
const CHARGE_TIME: TimeDelta = TimeDelta::hours(10);
const CHARGE_SPREAD_S: u32 = 2 * 60 * 60;
/// Maximum number of automatic charges after temporary refusals of the issuer. Source: fact sheet of T-Bank, class
/// `SOFT`: a few times, days apart.
const MAX_SOFT_CHARGES: u32 = 4;
/// Time between the reminder of a charge and the charge. Source: the shortest notice that peers give before a renewal, one day;
/// reminders that are in time come 3 or 7 days before it.
const MIN_CHARGE_NOTICE: TimeDelta = TimeDelta::days(1);
/// Maximum number of Moscow days from a reminder to the charge that waits for it: the notice, and the wait for the hours of charges.
pub(super) const MAX_NOTICE_DAYS: u64 = 2;
/// The payer is told of a fault of ours once access would end within this number of days.
const TOLD_DAYS_BEFORE_END: i64 = 7;

/// Next step after a failed charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargePlan {
    /// The card is charged again at this time.
    At(DateTime<Utc>),
    /// The card is not charged any more: another card or payment is needed.
    Stop,
    /// The outcome is not known: the bank is asked, and nothing else is done.
    AskBank,
}

impl ChargePlan {
    /// The first charge of an invoice, not earlier than a day after its reminder, and in the hours of charges.
    ///
    /// `boundary` is the day on which the unpaid period began, `spread` any number that is stable for the subscription. A charge
    /// that would wait longer than the schedule lasts is not made.
    #[must_use]
    pub fn announced(self, boundary: NaiveDate, spread: u32, reminded_at: DateTime<Utc>) -> Self {
        let earliest = reminded_at + MIN_CHARGE_NOTICE;
        let Self::At(at) = self else { return self };
        if at >= earliest {
            return self;
        }
        let same_day = charge_time(moscow_day(earliest), spread);
        let at = if same_day >= earliest { same_day } else { same_day + TimeDelta::days(1) };
        let last = boundary.checked_add_days(Days::new(MAX_CHARGE_DAY.into()));
        if last.is_some_and(|last| moscow_day(at) <= last) { Self::At(at) } else { Self::Stop }
    }
}

/// When a card is charged on a day.
fn charge_time(day: NaiveDate, spread: u32) -> DateTime<Utc> {
    day_start(day) + CHARGE_TIME + TimeDelta::seconds((spread % CHARGE_SPREAD_S).into())
}

/// The next automatic charge of an invoice.
///
/// `boundary` is the day on which the unpaid period began, `made` the number of automatic charges so far, `failure` the
/// class of the last one's refusal (`None` before the first), `spread` any number that is stable for the subscription.
/// There is at most one charge a day, and none after 31 days.
pub fn next_charge(
    settings: &SubscriptionSettings,
    boundary: NaiveDate,
    made: u32,
    failure: Option<ErrorClass>,
    spread: u32,
    now: DateTime<Utc>,
) -> ChargePlan {
    match failure {
        Some(ErrorClass::Unknown | ErrorClass::State) => return ChargePlan::AskBank,
        Some(ErrorClass::Hard | ErrorClass::Stop) => return ChargePlan::Stop,
        Some(ErrorClass::Soft) if made >= MAX_SOFT_CHARGES => return ChargePlan::Stop,
        // A fault of ours is tried again on the schedule; the payer is not at fault and loses no step by it.
        None | Some(ErrorClass::Funds | ErrorClass::Soft | ErrorClass::Config) => {}
    }
    let Some(&offset) = settings.charge_days.get(usize::try_from(made).unwrap_or(usize::MAX)) else {
        return ChargePlan::Stop;
    };
    let today = moscow_day(now);
    let scheduled = boundary.checked_add_days(Days::new(offset.into()));
    let earliest = if failure.is_some() { today.succ_opt() } else { Some(today) };
    let last = boundary.checked_add_days(Days::new(MAX_CHARGE_DAY.into()));
    let (Some(scheduled), Some(earliest), Some(last)) = (scheduled, earliest, last) else {
        return ChargePlan::Stop;
    };
    let day = scheduled.max(earliest);
    if day > last {
        return ChargePlan::Stop;
    }
    ChargePlan::At(charge_time(day, spread).max(now))
}

/// Whether the payer is told that a charge failed, and the subscription counts as unpaid.
///
/// A fault of ours or of the terminal (`CONFIG`) is the operators' business, who are alerted: nobody is dunned for it as long as the
/// card is charged again at `next` and access lasts for more than a week, until `grace_until`. Source: fact sheet of T-Bank, class
/// `CONFIG`.
pub fn tells_payer(
    class: ErrorClass,
    next: Option<DateTime<Utc>>,
    grace_until: Option<NaiveDate>,
    today: NaiveDate,
) -> bool {
    let lasts = grace_until.is_some_and(|until| (until - today).num_days() > TOLD_DAYS_BEFORE_END);
    class != ErrorClass::Config || next.is_none() || !lasts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(made: u32, failure: Option<ErrorClass>, now: &str) -> ChargePlan {
        let boundary = "2027-01-01".parse().unwrap();
        next_charge(&SubscriptionSettings::default(), boundary, made, failure, 0, now.parse().unwrap())
    }

    fn at(time: &str) -> ChargePlan {
        ChargePlan::At(time.parse().unwrap())
    }

    #[test]
    fn a_card_without_money_is_tried_by_the_schedule_and_then_left_alone() {
        let funds = Some(ErrorClass::Funds);
        assert_eq!(plan(0, None, "2026-12-31T21:00:00Z"), at("2027-01-01T07:00:00Z"));
        assert_eq!(plan(0, None, "2027-01-01T15:00:00Z"), at("2027-01-01T15:00:00Z"), "a late scheduler");
        for (made, now, wanted) in [
            (1, "2027-01-01T07:00:05Z", "2027-01-02T07:00:00Z"),
            (2, "2027-01-02T07:00:05Z", "2027-01-04T07:00:00Z"),
            (3, "2027-01-04T07:00:05Z", "2027-01-06T07:00:00Z"),
            (4, "2027-01-06T07:00:05Z", "2027-01-08T07:00:00Z"),
            (5, "2027-01-08T07:00:05Z", "2027-01-11T07:00:00Z"),
            (6, "2027-01-11T07:00:05Z", "2027-01-15T07:00:00Z"),
        ] {
            assert_eq!(plan(made, funds, now), at(wanted), "after {made}");
        }
        assert_eq!(plan(7, funds, "2027-01-15T07:00:05Z"), ChargePlan::Stop);
    }

    #[test]
    fn a_charge_comes_a_day_after_its_reminder_or_later_and_in_the_daytime() {
        let boundary: NaiveDate = "2027-01-01".parse().unwrap();
        for (planned, reminded_at, wanted) in [
            ("2027-01-01T07:00:00Z", "2026-12-29T07:00:00Z", "2027-01-01T07:00:00Z"),
            ("2027-01-01T07:00:00Z", "2026-12-31T07:00:00Z", "2027-01-01T07:00:00Z"),
            ("2027-01-01T07:00:00Z", "2026-12-31T07:00:01Z", "2027-01-02T07:00:00Z"),
            ("2027-01-05T15:00:00Z", "2027-01-05T15:00:00Z", "2027-01-07T07:00:00Z"),
            ("2027-01-05T00:30:00Z", "2027-01-05T00:30:00Z", "2027-01-06T07:00:00Z"),
            // 23:59:59 and 00:00 in Moscow.
            ("2027-01-05T20:59:59Z", "2027-01-05T20:59:59Z", "2027-01-07T07:00:00Z"),
            ("2027-01-05T21:00:00Z", "2027-01-05T21:00:00Z", "2027-01-07T07:00:00Z"),
        ] {
            let planned = ChargePlan::At(planned.parse().unwrap());
            let announced = planned.announced(boundary, 0, reminded_at.parse().unwrap());
            assert_eq!(announced, at(wanted), "reminded at {reminded_at}");
        }
        let late: DateTime<Utc> = "2027-01-31T07:00:00Z".parse().unwrap();
        assert_eq!(ChargePlan::At(late).announced(boundary, 0, late), at("2027-02-01T07:00:00Z"));
        let late = late + TimeDelta::seconds(1);
        assert_eq!(ChargePlan::At(late).announced(boundary, 0, late), ChargePlan::Stop);
        for plan in [ChargePlan::Stop, ChargePlan::AskBank] {
            assert_eq!(plan.announced(boundary, 0, late), plan);
        }
    }

    #[test]
    fn an_announced_charge_is_at_most_two_days_after_its_reminder() {
        let boundary: NaiveDate = "2027-01-01".parse().unwrap();
        for minutes in 0..3 * 24 * 60 {
            let now = "2027-01-04T21:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes);
            let ChargePlan::At(at) = ChargePlan::At(now).announced(boundary, 7_199, now) else {
                panic!("no charge");
            };
            let days = (moscow_day(at) - moscow_day(now)).num_days();
            assert!(at >= now + MIN_CHARGE_NOTICE && days <= MAX_NOTICE_DAYS.cast_signed(), "{now}: {at}");
        }
    }

    #[test]
    fn there_is_one_charge_a_day_and_none_after_a_month() {
        let funds = Some(ErrorClass::Funds);
        assert_eq!(
            plan(1, funds, "2027-01-05T07:00:00Z"),
            at("2027-01-06T07:00:00Z"),
            "two steps were missed"
        );
        assert_eq!(plan(6, funds, "2027-01-31T07:00:00Z"), at("2027-02-01T07:00:00Z"));
        assert_eq!(plan(6, funds, "2027-02-01T07:00:00Z"), ChargePlan::Stop);
    }

    #[test]
    fn every_class_has_its_own_end() {
        let now = "2027-01-01T07:00:05Z";
        for class in [ErrorClass::Hard, ErrorClass::Stop] {
            assert_eq!(plan(1, Some(class), now), ChargePlan::Stop, "{class}");
        }
        for class in [ErrorClass::Unknown, ErrorClass::State] {
            assert_eq!(plan(1, Some(class), now), ChargePlan::AskBank, "{class}");
        }
        assert_eq!(plan(3, Some(ErrorClass::Soft), "2027-01-04T07:00:00Z"), at("2027-01-06T07:00:00Z"));
        assert_eq!(plan(4, Some(ErrorClass::Soft), "2027-01-06T07:00:00Z"), ChargePlan::Stop);
        assert_eq!(plan(1, Some(ErrorClass::Config), now), at("2027-01-02T07:00:00Z"));
    }

    #[test]
    fn nobody_is_dunned_for_a_fault_of_ours_while_there_is_time() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let next = Some("2027-01-02T07:00:00Z".parse().unwrap());
        let until = Some(day("2027-01-15"));
        for (class, next, until, today, told) in [
            (ErrorClass::Config, next, until, "2027-01-01", false),
            (ErrorClass::Config, next, until, "2027-01-07", false),
            (ErrorClass::Config, next, until, "2027-01-08", true),
            (ErrorClass::Config, None, until, "2027-01-01", true),
            (ErrorClass::Config, next, None, "2027-01-01", true),
            (ErrorClass::Funds, next, until, "2027-01-01", true),
            (ErrorClass::Hard, None, until, "2027-01-01", true),
        ] {
            assert_eq!(tells_payer(class, next, until, day(today)), told, "{class} on {today}");
        }
    }

    #[test]
    fn charges_are_spread_over_two_hours() {
        let settings = SubscriptionSettings::default();
        let boundary = "2027-01-01".parse().unwrap();
        for spread in [0, 1, 7_199, 7_200, u32::MAX] {
            let now = "2026-12-31T21:00:00Z".parse().unwrap();
            let ChargePlan::At(at) = next_charge(&settings, boundary, 0, None, spread, now) else {
                panic!("no charge");
            };
            let (first, last) = ("2027-01-01T07:00:00Z", "2027-01-01T09:00:00Z");
            assert!(
                at >= first.parse::<DateTime<Utc>>().unwrap() && at < last.parse::<DateTime<Utc>>().unwrap()
            );
        }
    }
}
