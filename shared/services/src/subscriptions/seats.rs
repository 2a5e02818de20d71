//! Seats that users occupy: taking, freeing and losing them, and who has one.
//!
//! Callers hold the lock of the subscription's row. Each change writes that row too, so that of two changes at once one is
//! repeated on a cluster as well.

use chrono::{NaiveDate, TimeDelta};
use flysk_domain::Clock;
use flysk_domain::id::{SubscriptionId, UserId};
use flysk_domain::platform::subscriptions::{
    Seat, SeatOffer, Subscription, SubscriptionSettings, offer_seat, renumbered_seats, surplus_seats,
};
use flysk_jobs::platform::subscriptions::FreeBlockedSeats;
use flysk_queue::UnitOfWork;
use flysk_store::platform::cache_invalidations::{self, Subject};
use flysk_store::platform::subscriptions::{self, SubscriptionRow};
use flysk_store::{Conn, StoreResult};
use serde_json::json;

use super::action_log::{Actor, Entry, SubscriptionAction, note};
use super::next_terms::upcoming_terms;

/// Delay of a check for blocked users, which is also the shortest time between two of a subscription.
const SEAT_CHECK_DELAY: TimeDelta = TimeDelta::minutes(10);

/// A seat, who has it, and the day from which its user has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OccupiedSeat {
    /// The seat.
    pub seat: Seat,
    /// Name of the user; `None` until the account's users were read, and without a grant that may read them.
    pub name: Option<String>,
    /// The day from which the subscription has fewer seats, so that this one is lost; `None` if it stays.
    pub lost_on: Option<NaiveDate>,
}

/// Finds or takes the seat of a user; `None` if all seats are in use, or the subscription gives no access.
pub async fn take_seat(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    user: UserId,
) -> StoreResult<Option<Seat>> {
    let now = clock.now();
    let works = row.subscription.access(now, settings).level.works();
    let Some(limit) = row.subscription.seat_limit().filter(|_| works) else { return Ok(None) };
    let taken = subscriptions::list_seats(unit, row.id).await?;
    let number = match offer_seat(&taken, user, limit, settings, now) {
        SeatOffer::Own(seat) => return Ok(Some(seat)),
        SeatOffer::Full => return Ok(None),
        SeatOffer::Free(number) => number,
        SeatOffer::Idle(idle) => {
            // Its user has come back at this moment.
            if !subscriptions::delete_unused_seat(unit, row.id, &idle).await? {
                return Ok(None);
            }
            let released = json!({ "user_id": idle.user, "seen_at": idle.seen_at, "for_user_id": user });
            let entry = Entry::new(Actor::System, SubscriptionAction::SeatFreed).because("unused");
            note(unit, clock, row, entry.with(released)).await?;
            idle.number
        }
    };
    let seat = Seat { number, user, taken_at: now, seen_at: now };
    subscriptions::insert_seat(unit, row.id, &seat).await?;
    record_change(unit, clock, row).await?;
    // It also learns the name of the user.
    request_seat_check(unit, clock, row.id).await?;
    metrics::counter!("flysk_subscription_seats_taken_total").increment(1);
    Ok(Some(seat))
}

/// Frees the seat of a user; `false` if the user has none. If the user comes again, a seat is taken again if one is free.
pub async fn free_seat(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    row: &SubscriptionRow,
    user: UserId,
    actor: Actor<'_>,
    reason: Option<&str>,
) -> StoreResult<bool> {
    if !subscriptions::delete_seat(unit, row.id, user).await? {
        return Ok(false);
    }
    let entry = Entry { reason, ..Entry::new(actor, SubscriptionAction::SeatFreed) };
    note(unit, clock, row, entry.with(json!({ "user_id": user }))).await?;
    record_change(unit, clock, row).await?;
    Ok(true)
}

/// Frees the seat of a user whom the account has blocked; `false` if it was used since it was read, or is gone.
pub async fn free_blocked_seat(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    row: &SubscriptionRow,
    seat: &Seat,
) -> StoreResult<bool> {
    if !subscriptions::delete_unused_seat(unit, row.id, seat).await? {
        return Ok(false);
    }
    let entry = Entry::new(Actor::System, SubscriptionAction::SeatFreed).because("blocked");
    note(unit, clock, row, entry.with(json!({ "user_id": seat.user }))).await?;
    record_change(unit, clock, row).await?;
    Ok(true)
}

/// Has the account's users read soon: seats get the names of their users, and those of blocked users are freed. Harmless when
/// repeated: one check waits at a time.
pub async fn request_seat_check(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    subscription: SubscriptionId,
) -> StoreResult<()> {
    let job = FreeBlockedSeats { subscription_id: subscription };
    unit.enqueue_at(&job, clock.now() + SEAT_CHECK_DELAY).await?;
    Ok(())
}

/// Takes seats from the latest comers once there are fewer of them. `save` calls it with the subscription's new state.
pub(super) async fn drop_surplus_seats(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    row: &SubscriptionRow,
    new: &Subscription,
) -> StoreResult<()> {
    let (Some(before), Some(after)) = (row.subscription.terms, new.terms) else { return Ok(()) };
    if after.seats >= before.seats {
        return Ok(());
    }
    let taken = subscriptions::list_seats(unit, row.id).await?;
    let lost = surplus_seats(&taken, after.seats);
    for seat in &lost {
        subscriptions::delete_seat(unit, row.id, seat.user).await?;
    }
    let kept: Vec<Seat> = taken.into_iter().filter(|seat| !lost.contains(seat)).collect();
    for (user, number) in renumbered_seats(&kept, after.seats) {
        subscriptions::renumber_seat(unit, row.id, user, number).await?;
    }
    if lost.is_empty() {
        return Ok(());
    }
    let users: Vec<UserId> = lost.iter().map(|seat| seat.user).collect();
    let entry = Entry::new(Actor::System, SubscriptionAction::SeatsLost);
    note(unit, clock, row, entry.with(json!({ "user_ids": users, "seats": after.seats }))).await
}

/// Lists who has seats, first comers first, and who loses one with the next period.
pub async fn list_occupied_seats(conn: &mut Conn, row: &SubscriptionRow) -> StoreResult<Vec<OccupiedSeat>> {
    let taken = subscriptions::list_seats(conn, row.id).await?;
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let lost = match next_seats(conn, row).await? {
        Some(seats) => surplus_seats(&taken, seats),
        None => Vec::new(),
    };
    let boundary = row.subscription.period.map(|period| period.until);
    let mut names = subscriptions::list_seat_names(conn, row.id).await?;
    let occupied = |seat: Seat| OccupiedSeat {
        seat,
        name: names.remove(&seat.user),
        lost_on: boundary.filter(|_| lost.contains(&seat)),
    };
    Ok(taken.into_iter().map(occupied).collect())
}

/// Number of seats of the next period; `None` if there is none, because the subscription ends.
async fn next_seats(conn: &mut Conn, row: &SubscriptionRow) -> StoreResult<Option<u32>> {
    let subscription = &row.subscription;
    if subscription.cancels || subscription.state.can_start() {
        return Ok(None);
    }
    if subscription.prepaid.is_some() {
        let next = subscription.period_no.saturating_add(1);
        let paid = subscriptions::find_invoice_of_period(conn, row.id, next).await?;
        return Ok(paid.map(|invoice| invoice.terms.seats));
    }
    Ok(upcoming_terms(conn, row).await?.map(|resolved| resolved.next.terms.seats))
}

/// Writes the subscription's row, and invalidates what is cached of its install.
async fn record_change(unit: &mut UnitOfWork, clock: &dyn Clock, row: &SubscriptionRow) -> StoreResult<()> {
    subscriptions::mark_seats_changed(unit, row, clock.now()).await?;
    cache_invalidations::record(unit, Subject::Install(row.install_id)).await
}
