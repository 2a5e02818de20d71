//! Seats that users of an account occupy, for widgets that give seats to users.
//!
//! The first users take the seats until none is left. A seat stays with its user until somebody frees it, another user needs
//! it after it was unused for the widget's number of days, or the subscription has fewer seats: then the latest comers lose
//! theirs.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::access::{Access, AccessReason};
use super::settings::SubscriptionSettings;
use super::subscription::{Subscription, SubscriptionState};
use crate::id::UserId;

/// Time without use after which a seat may belong to a user whom the account has blocked.
const SUSPICION_AGE: TimeDelta = TimeDelta::days(1);

/// A seat that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// From 1 to the number of seats that are paid.
    pub number: u32,
    /// User of amoCRM who took the seat by a handshake.
    pub user: UserId,
    /// Since when.
    pub taken_at: DateTime<Utc>,
    /// When it was last used.
    pub seen_at: DateTime<Utc>,
}

/// Number of taken seats of a subscription, and the longest time without use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatCount {
    /// Number of seats that are taken.
    pub taken: u32,
    /// Last use of the seat that is unused for longest; `None` if no seat is taken.
    pub unused_since: Option<DateTime<Utc>>,
}

/// The seat for a user who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatOffer {
    /// The one that the user has.
    Own(Seat),
    /// A free one, by its number.
    Free(u32),
    /// One that its user has not used for long.
    Idle(Seat),
    /// None: all seats are in use.
    Full,
}

impl Subscription {
    /// Number of users that may have seats; `None` before the first purchase, when there is no limit.
    pub fn seat_limit(&self) -> Option<u32> {
        match self.state {
            SubscriptionState::Trialing | SubscriptionState::TrialEnded => None,
            _ => self.terms.map(|terms| terms.seats),
        }
    }
}

impl Access {
    /// Access of a user of the account who has no seat. What does not work for the account stays as it is.
    #[must_use]
    pub const fn without_seat(self, settings: &SubscriptionSettings) -> Self {
        if !self.level.works() {
            return self;
        }
        Self { until: self.until, ..Self::over(AccessReason::NoSeat, settings) }
    }
}

impl SeatCount {
    /// Whether a user who has no seat could get one now.
    pub fn has_room(&self, limit: u32, settings: &SubscriptionSettings, now: DateTime<Utc>) -> bool {
        let is_idle = |seen_at| is_unused(seen_at, settings, now);
        self.taken < limit || self.taken == limit && self.unused_since.is_some_and(is_idle)
    }
}

impl SeatCount {
    /// Whether a seat may belong to a user whom the account has blocked.
    pub fn has_suspects(&self, now: DateTime<Utc>) -> bool {
        self.unused_since.is_some_and(|seen_at| is_suspect(seen_at, now))
    }
}

/// The seats that may belong to users whom the account has blocked: a blocked user does not use a seat.
pub fn suspect_seats(taken: &[Seat], now: DateTime<Utc>) -> Vec<Seat> {
    taken.iter().filter(|seat| is_suspect(seat.seen_at, now)).copied().collect()
}

fn is_suspect(seen_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - seen_at >= SUSPICION_AGE
}

/// Whether a seat that was last used at a time may be given to another user.
fn is_unused(seen_at: DateTime<Utc>, settings: &SubscriptionSettings, now: DateTime<Utc>) -> bool {
    let Some(days) = settings.seat_idle_days else { return false };
    now - seen_at >= TimeDelta::days(days.into())
}

/// The seat for a user who comes: the lowest free number, or else the seat that is unused for longest.
pub fn offer_seat(
    taken: &[Seat],
    user: UserId,
    limit: u32,
    settings: &SubscriptionSettings,
    now: DateTime<Utc>,
) -> SeatOffer {
    if let Some(own) = taken.iter().find(|seat| seat.user == user) {
        return SeatOffer::Own(*own);
    }
    let numbers: BTreeSet<u32> = taken.iter().map(|seat| seat.number).collect();
    let is_short = u32::try_from(taken.len()).is_ok_and(|taken| taken < limit);
    if is_short && let Some(free) = (1..=limit).find(|number| !numbers.contains(number)) {
        return SeatOffer::Free(free);
    }
    let in_range = taken.iter().filter(|seat| seat.number <= limit);
    match in_range.min_by_key(|seat| (seat.seen_at, seat.number)) {
        Some(seat) if is_unused(seat.seen_at, settings, now) => SeatOffer::Idle(*seat),
        _ => SeatOffer::Full,
    }
}

/// The seats that are lost once there are only `limit`: those of the latest comers.
pub fn surplus_seats(taken: &[Seat], limit: u32) -> Vec<Seat> {
    let kept = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut by_age = taken.to_vec();
    by_age.sort_by_key(|seat| (seat.taken_at, seat.number));
    by_age.split_off(kept.min(by_age.len()))
}

/// New numbers of the seats that stay once there are only `limit`. `kept`: at most `limit` seats.
pub fn renumbered_seats(kept: &[Seat], limit: u32) -> Vec<(UserId, u32)> {
    let numbers: BTreeSet<u32> = kept.iter().map(|seat| seat.number).collect();
    let free = (1..=limit).filter(|number| !numbers.contains(number));
    kept.iter().filter(|seat| seat.number > limit).map(|seat| seat.user).zip(free).collect()
}

#[cfg(test)]
mod tests {
    use super::super::access::AccessLevel;
    use super::super::settings::AfterEnd;
    use super::super::subscription::tests::{active, day};
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// A seat that was taken and last used on days of December.
    fn seat(number: u32, user: u64, taken: u32, seen: u32) -> Seat {
        let at = |day: u32| at(&format!("2026-12-{day:02}T09:00:00Z"));
        Seat { number, user: UserId(user), taken_at: at(taken), seen_at: at(seen) }
    }

    fn idle_after(days: u32) -> SubscriptionSettings {
        SubscriptionSettings { seat_idle_days: Some(days), ..SubscriptionSettings::default() }
    }

    #[test]
    fn the_first_users_take_the_lowest_free_seats_and_keep_them() {
        let (never, now) = (SubscriptionSettings::default(), at("2026-12-20T09:00:00Z"));
        let taken = [seat(1, 501, 1, 1), seat(3, 503, 2, 2)];
        let offer = |user, limit| offer_seat(&taken, UserId(user), limit, &never, now);
        assert_eq!(offer(503, 3), SeatOffer::Own(taken[1]));
        assert_eq!(offer(504, 3), SeatOffer::Free(2));
        assert_eq!(offer(504, 2), SeatOffer::Full, "two seats are taken, whatever their numbers");
        assert_eq!(offer_seat(&[], UserId(504), 0, &never, now), SeatOffer::Full);
    }

    #[test]
    fn a_seat_that_was_unused_for_the_days_of_the_setting_goes_to_who_needs_it() {
        let taken = [seat(1, 501, 1, 9), seat(2, 502, 1, 3)];
        let (settings, user) = (idle_after(7), UserId(503));
        let offer = |now| offer_seat(&taken, user, 2, &settings, at(now));
        assert_eq!(offer("2026-12-10T08:59:59Z"), SeatOffer::Full);
        assert_eq!(offer("2026-12-10T09:00:00Z"), SeatOffer::Idle(taken[1]));
        let more = offer_seat(&taken, user, 3, &settings, at("2026-12-30T09:00:00Z"));
        assert_eq!(more, SeatOffer::Free(3), "a free one first");
        let count = SeatCount { taken: 2, unused_since: Some(taken[1].seen_at) };
        assert!(!count.has_room(2, &settings, at("2026-12-10T08:59:59Z")));
        assert!(count.has_room(2, &settings, at("2026-12-10T09:00:00Z")));
        assert!(count.has_room(3, &SubscriptionSettings::default(), at("2026-12-10T09:00:00Z")));
    }

    #[test]
    fn only_a_seat_that_was_unused_for_a_day_may_be_that_of_a_blocked_user() {
        let taken = [seat(1, 501, 1, 9), seat(2, 502, 1, 3)];
        let now = at("2026-12-09T09:00:00Z");
        assert_eq!(suspect_seats(&taken, now), [taken[1]]);
        let count = |unused_since| SeatCount { taken: 1, unused_since };
        assert!(count(Some(taken[1].seen_at)).has_suspects(now));
        assert!(!count(Some(taken[0].seen_at)).has_suspects(now) && !count(None).has_suspects(now));
    }

    #[test]
    fn the_latest_comers_lose_their_seats_and_the_others_move_to_the_numbers_that_stay() {
        let taken = [seat(1, 501, 9, 9), seat(2, 502, 1, 9), seat(3, 503, 2, 9), seat(4, 504, 3, 9)];
        let lost: Vec<UserId> = surplus_seats(&taken, 2).iter().map(|seat| seat.user).collect();
        assert_eq!(lost, [UserId(504), UserId(501)]);
        assert_eq!(renumbered_seats(&taken[1..3], 2), [(UserId(503), 1)]);
        assert!(surplus_seats(&taken, 4).is_empty() && renumbered_seats(&taken, 4).is_empty());
        assert_eq!(surplus_seats(&taken, 0).len(), 4);
    }

    #[test]
    fn without_a_seat_a_user_has_what_the_account_has_after_the_end() {
        let paid = active("2026-12-01");
        let settings = SubscriptionSettings::default();
        let access = paid.access(at("2026-12-02T09:00:00Z"), &settings);
        let refused = access.without_seat(&settings);
        assert_eq!((refused.level, refused.reason), (AccessLevel::Off, AccessReason::NoSeat));
        assert_eq!(refused.until, access.until);
        let shown = SubscriptionSettings { after_end: AfterEnd::Restricted, ..settings.clone() };
        assert_eq!(access.without_seat(&shown).level, AccessLevel::Restricted);
        let over =
            Subscription::new(day("2026-12-01"), 0).unwrap().access(at("2026-12-02T09:00:00Z"), &settings);
        assert_eq!(over.without_seat(&settings), over, "the account's own reason stays");
    }

    #[test]
    fn seats_are_counted_from_the_first_purchase_on() {
        assert_eq!(Subscription::new(day("2026-12-01"), 14).unwrap().seat_limit(), None);
        assert_eq!(active("2026-12-01").seat_limit(), Some(3));
    }
}
