//! Table `subscription_seats`: seats that users occupy.
//!
//! Every change happens under the lock of the subscription's row, and writes that row ([`mark_seats_changed`]): on a cluster
//! a lock that writes nothing keeps nobody out. The unique keys allow one user per seat and one seat per user.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::id::{SubscriptionId, UserId};
use flysk_domain::platform::subscriptions::{Seat, SeatCount};

use super::row::SubscriptionRow;
use crate::error::expect_one;
use crate::platform::cache_invalidations;
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// Width of the column of a user's name, in characters.
const MAX_NAME_CHARS: usize = 120;

#[derive(sqlx::FromRow)]
struct Row {
    seat_no: u32,
    user_id: u64,
    taken_at: DateTime<Utc>,
    seen_at: DateTime<Utc>,
}

impl From<Row> for Seat {
    fn from(row: Row) -> Self {
        Self { number: row.seat_no, user: UserId(row.user_id), taken_at: row.taken_at, seen_at: row.seen_at }
    }
}

const SELECT_SEAT: &str =
    "SELECT seat_no, user_id, taken_at, seen_at FROM subscription_seats WHERE subscription_id = ?";

/// Lists the seats that are taken, first comers first.
pub async fn list_seats(conn: &mut Conn, subscription: SubscriptionId) -> StoreResult<Vec<Seat>> {
    let rows: Vec<Row> = sqlx::query_as(sql!(SELECT_SEAT, " ORDER BY taken_at, seat_no"))
        .bind(subscription.to_string())
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(Seat::from).collect())
}

/// Finds the seat of a user.
pub async fn find_seat(
    conn: &mut Conn,
    subscription: SubscriptionId,
    user: UserId,
) -> StoreResult<Option<Seat>> {
    let row: Option<Row> = sqlx::query_as(sql!(SELECT_SEAT, " AND user_id = ?"))
        .bind(subscription.to_string())
        .bind(user.0)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(Seat::from))
}

/// Counts the seats that are taken.
pub async fn count_seats(conn: &mut Conn, subscription: SubscriptionId) -> StoreResult<SeatCount> {
    let (taken, unused_since): (i64, Option<DateTime<Utc>>) =
        sqlx::query_as("SELECT COUNT(*), MIN(seen_at) FROM subscription_seats WHERE subscription_id = ?")
            .bind(subscription.to_string())
            .fetch_one(conn)
            .await?;
    Ok(SeatCount { taken: u32::try_from(taken).unwrap_or(u32::MAX), unused_since })
}

/// Inserts a seat that a user takes.
pub async fn insert_seat(conn: &mut Conn, subscription: SubscriptionId, seat: &Seat) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO subscription_seats (subscription_id, seat_no, user_id, taken_at, seen_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(subscription.to_string())
    .bind(seat.number)
    .bind(seat.user.0)
    .bind(seat.taken_at)
    .bind(seat.seen_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Names of the users who have seats, as far as they are known.
pub async fn list_seat_names(
    conn: &mut Conn,
    subscription: SubscriptionId,
) -> StoreResult<BTreeMap<UserId, String>> {
    let rows: Vec<(u64, String)> = sqlx::query_as(
        "SELECT user_id, user_name FROM subscription_seats WHERE subscription_id = ? AND user_name IS NOT NULL",
    )
    .bind(subscription.to_string())
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(user, name)| (UserId(user), name)).collect())
}

/// Names the user of a seat, at most 120 characters. A user without a seat is left alone. Needs no lock: nothing depends on it.
pub async fn set_seat_name(
    conn: &mut Conn,
    subscription: SubscriptionId,
    user: UserId,
    name: &str,
) -> StoreResult<()> {
    let name: String = name.chars().take(MAX_NAME_CHARS).collect();
    sqlx::query("UPDATE subscription_seats SET user_name = ? WHERE subscription_id = ? AND user_id = ?")
        .bind(name)
        .bind(subscription.to_string())
        .bind(user.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Deletes the seat of a user; `false` if the user has none.
pub async fn delete_seat(conn: &mut Conn, subscription: SubscriptionId, user: UserId) -> StoreResult<bool> {
    let deleted = sqlx::query("DELETE FROM subscription_seats WHERE subscription_id = ? AND user_id = ?")
        .bind(subscription.to_string())
        .bind(user.0)
        .execute(conn)
        .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Deletes a seat that was not used since it was read; `false` if it was, or is gone.
pub async fn delete_unused_seat(
    conn: &mut Conn,
    subscription: SubscriptionId,
    read: &Seat,
) -> StoreResult<bool> {
    let deleted = sqlx::query(
        "DELETE FROM subscription_seats WHERE subscription_id = ? AND user_id = ? AND seen_at = ?",
    )
    .bind(subscription.to_string())
    .bind(read.user.0)
    .bind(read.seen_at)
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Gives the seat of a user another number, which must be free.
pub async fn renumber_seat(
    conn: &mut Conn,
    subscription: SubscriptionId,
    user: UserId,
    number: u32,
) -> StoreResult<()> {
    let updated =
        sqlx::query("UPDATE subscription_seats SET seat_no = ? WHERE subscription_id = ? AND user_id = ?")
            .bind(number)
            .bind(subscription.to_string())
            .bind(user.0)
            .execute(conn)
            .await?;
    expect_one(&updated, "seat")
}

/// Records that a user uses the seat; `false` if the user has none any more. Needs no lock.
pub async fn mark_seat_seen(
    conn: &mut Conn,
    subscription: SubscriptionId,
    user: UserId,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let updated =
        sqlx::query("UPDATE subscription_seats SET seen_at = ? WHERE subscription_id = ? AND user_id = ?")
            .bind(now)
            .bind(subscription.to_string())
            .bind(user.0)
            .execute(&mut *conn)
            .await?;
    let is_taken = updated.rows_affected() == 1;
    if is_taken {
        cache_invalidations::record_subscription(conn, subscription).await?;
    }
    Ok(is_taken)
}

/// Writes the row of the subscription whose seats the caller changes under its lock. Its version stays: quotes remain valid.
pub async fn mark_seats_changed(
    conn: &mut Conn,
    read: &SubscriptionRow,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query("UPDATE subscriptions SET updated_at = ? WHERE id = ? AND version = ?")
        .bind(now)
        .bind(read.id.to_string())
        .bind(read.version)
        .execute(conn)
        .await?;
    expect_one(&updated, "subscription")
}
