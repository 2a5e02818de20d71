//! The seat of the calling user: found in the cache or taken by a handshake; and the text for a user without one.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{SubscriptionId, UserId};
use flysk_domain::platform::subscriptions::{Access, Notice, NoticeKind, Seat};
use flysk_domain::trace::Trace;
use flysk_services::subscriptions::{SubscriptionDetails, request_seat_check, settings_of, take_seat};
use flysk_store::platform::subscriptions::{self, SubscriptionRow};
use flysk_store::platform::widgets::Widget;
use flysk_store::repeat_contended;

use super::views::SubscriptionView;
use crate::deps::Deps;
use crate::problem::Problem;

/// A seat's last use is written if it is older than this, so that a handshake seldom writes.
const SEEN_INTERVAL: TimeDelta = TimeDelta::hours(1);

/// The seat of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnSeat {
    /// There are no seats of users.
    Unused,
    /// The user has one.
    Taken,
    /// The user has none; the next handshake takes one.
    Waiting,
    /// The user has none, and all are in use.
    Refused,
}

impl OwnSeat {
    const fn without(has_room: bool) -> Self {
        if has_room { Self::Waiting } else { Self::Refused }
    }
}

/// The subscription as a user of the account has it. A handshake takes a seat, if the widget gives seats to users.
pub(crate) async fn seat_user(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    mut details: SubscriptionDetails,
    user: UserId,
) -> Result<SubscriptionView, Problem> {
    let (settings, id) = (settings_of(widget), details.row.id);
    let seats = details.seats.zip(details.row.subscription.seat_limit());
    let Some((count, limit)) = seats.filter(|_| details.access.level.works()) else {
        return show_seat(deps, widget, details, user).await;
    };
    if let Some(seat) = find_own_seat(deps, &details.row, user).await?
        && keep(deps, &details.row, seat).await?
    {
        return Ok(of_user(widget, details, OwnSeat::Taken));
    }
    let now = deps.clock().now();
    if !count.has_room(limit, &settings, now) {
        if count.has_suspects(now) {
            Box::pin(request_check(deps, trace, id)).await?;
        }
        return Ok(of_user(widget, details, OwnSeat::Refused));
    }
    let take = || async {
        let mut unit = deps.begin(trace).await?;
        let row = subscriptions::lock_subscription(&mut unit, id).await?;
        let taken = take_seat(&mut unit, deps.clock(), &settings, &row, user).await?;
        let count = subscriptions::count_seats(&mut unit, id).await?;
        unit.commit().await?;
        Ok::<_, Problem>((taken, count))
    };
    let (taken, count) = Box::pin(repeat_contended(take)).await?;
    deps.cache.invalidate_install(details.row.install_id);
    details.seats = Some(count);
    let own = if taken.is_some() { OwnSeat::Taken } else { OwnSeat::Refused };
    Ok(of_user(widget, details, own))
}

/// Has the seats of users whom the account has blocked freed.
async fn request_check(deps: &Deps, trace: &Trace, id: SubscriptionId) -> Result<(), Problem> {
    let request = || async {
        let mut unit = deps.begin(trace).await?;
        request_seat_check(&mut unit, deps.clock(), id).await?;
        unit.commit().await?;
        Ok::<_, Problem>(())
    };
    repeat_contended(request).await
}

/// The subscription as a user of the account has it. Takes no seat.
pub(crate) async fn show_seat(
    deps: &Deps,
    widget: &Widget,
    details: SubscriptionDetails,
    user: UserId,
) -> Result<SubscriptionView, Problem> {
    let Some((count, limit)) = details.seats.zip(details.row.subscription.seat_limit()) else {
        return Ok(of_user(widget, details, OwnSeat::Unused));
    };
    let own = match find_own_seat(deps, &details.row, user).await? {
        Some(_) => OwnSeat::Taken,
        None => OwnSeat::without(count.has_room(limit, &settings_of(widget), deps.clock().now())),
    };
    Ok(of_user(widget, details, own))
}

/// Access of a user of the account, for a backend. Takes no seat: a user without one is refused if all seats are in use.
pub(crate) async fn access_of_user(
    deps: &Deps,
    widget: &Widget,
    row: &SubscriptionRow,
    user: Option<u64>,
) -> Result<Access, Problem> {
    let (settings, now) = (settings_of(widget), deps.clock().now());
    let access = row.subscription.access(now, &settings);
    let limit = row.subscription.seat_limit().filter(|_| settings.seats_per_user && access.level.works());
    let Some((limit, user)) = limit.zip(user) else { return Ok(access) };
    if find_own_seat(deps, row, UserId(user)).await?.is_some() {
        return Ok(access);
    }
    let count = subscriptions::count_seats(&mut *deps.conn().await?, row.id).await?;
    Ok(if count.has_room(limit, &settings, now) { access } else { access.without_seat(&settings) })
}

/// The seat of a user, from the cache or from the database.
async fn find_own_seat(deps: &Deps, row: &SubscriptionRow, user: UserId) -> Result<Option<Seat>, Problem> {
    if let Some(seat) = deps.cache.seat(row.install_id, user) {
        return Ok(Some(seat));
    }
    let epoch = deps.cache.read_epoch();
    let found = subscriptions::find_seat(&mut *deps.conn().await?, row.id, user).await?;
    if let Some(seat) = found {
        deps.cache.insert_seat(epoch, row.install_id, seat);
    }
    Ok(found)
}

/// Records the use of a seat; `false` if the user has none any more.
async fn keep(deps: &Deps, row: &SubscriptionRow, seat: Seat) -> Result<bool, Problem> {
    let now = deps.clock().now();
    if !is_use_due(&seat, now) {
        return Ok(true);
    }
    let epoch = deps.cache.read_epoch();
    let mark = || async {
        let mut conn = deps.conn().await?;
        Ok::<_, Problem>(subscriptions::mark_seat_seen(&mut conn, row.id, seat.user, now).await?)
    };
    let is_kept = repeat_contended(mark).await?;
    if is_kept {
        deps.cache.insert_seat(epoch, row.install_id, Seat { seen_at: now, ..seat });
    }
    Ok(is_kept)
}

/// Whether the stored last use of a seat is too old.
fn is_use_due(seat: &Seat, now: DateTime<Utc>) -> bool {
    now - seat.seen_at >= SEEN_INTERVAL
}

fn of_user(widget: &Widget, mut details: SubscriptionDetails, own: OwnSeat) -> SubscriptionView {
    if own == OwnSeat::Refused {
        let refused = details.access.without_seat(&settings_of(widget));
        if refused != details.access
            && let Some(text) = refused.reason.notice_ru()
        {
            details.notices.push(Notice { kind: NoticeKind::Access, text: text.to_owned(), on: None });
        }
        details.access = refused;
    }
    let mut view = SubscriptionView::from(details);
    view.has_seat = match own {
        OwnSeat::Unused => None,
        OwnSeat::Taken => Some(true),
        OwnSeat::Waiting | OwnSeat::Refused => Some(false),
    };
    view
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_use_of_a_seat_is_written_once_an_hour() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let seen_at = at("2026-12-01T09:00:00Z");
        let seat = Seat { number: 1, user: UserId(501), taken_at: seen_at, seen_at };
        assert!(!is_use_due(&seat, at("2026-12-01T09:59:59Z")));
        assert!(is_use_due(&seat, at("2026-12-01T10:00:00Z")));
    }
}
