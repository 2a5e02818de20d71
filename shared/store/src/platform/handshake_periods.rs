//! Table `handshake_periods`: when an install made handshakes, for the timeline.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;
use flysk_domain::platform::handshakes::{HANDSHAKES_LOST_AFTER, HandshakePeriod};
use sqlx::QueryBuilder;

use crate::listed::{in_few_lengths, push_in};
use crate::text_column::decode_text;
use crate::{Conn, StoreResult};

/// Handshakes of an install that a process has answered since it wrote them last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenHandshakes {
    /// Row of `installs`, which has the widget and the account.
    pub install_id: InstallId,
    /// The first of them.
    pub first_at: DateTime<Utc>,
    /// The last of them.
    pub last_at: DateTime<Utc>,
    /// Their number.
    pub handshakes: u64,
}

#[derive(sqlx::FromRow)]
struct PeriodRow {
    began_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
    handshakes: u64,
}

/// Adds handshakes to the periods that go on, or begins others. Of each install at most one row, in the order of the installs.
/// Processes that begin a period at once write one each; [`flysk_domain::platform::handshakes`] joins them.
pub async fn add(conn: &mut Conn, seen: &[SeenHandshakes]) -> StoreResult<()> {
    for part in in_few_lengths(seen) {
        let began = list_latest(conn, part).await?;
        let mut query =
            QueryBuilder::new("INSERT INTO handshake_periods (install_id, began_at, last_at, handshakes) ");
        query.push_values(part, |mut row, one| {
            row.push_bind(one.install_id.to_string())
                .push_bind(began.get(&one.install_id).copied().unwrap_or(one.first_at))
                .push_bind(one.last_at)
                .push_bind(one.handshakes);
        });
        query.push(
            " ON DUPLICATE KEY UPDATE last_at = GREATEST(last_at, VALUES(last_at)),
              handshakes = handshakes + VALUES(handshakes)",
        );
        query.build().execute(&mut *conn).await?;
    }
    Ok(())
}

/// The beginnings of the periods that these handshakes continue.
async fn list_latest(
    conn: &mut Conn,
    seen: &[SeenHandshakes],
) -> StoreResult<HashMap<InstallId, DateTime<Utc>>> {
    let Some(first_at) = seen.iter().map(|one| one.first_at).min() else { return Ok(HashMap::new()) };
    let mut query = QueryBuilder::new(
        "SELECT install_id, began_at, last_at FROM handshake_periods FORCE INDEX (PRIMARY) WHERE last_at > ",
    );
    query.push_bind(first_at - HANDSHAKES_LOST_AFTER).push(" AND install_id");
    push_in(&mut query, seen.iter().map(|one| one.install_id.to_string()));
    query.push(" ORDER BY install_id, began_at");
    let rows: Vec<(String, DateTime<Utc>, DateTime<Utc>)> = query.build_query_as().fetch_all(conn).await?;
    let first_of: HashMap<InstallId, DateTime<Utc>> =
        seen.iter().map(|one| (one.install_id, one.first_at)).collect();
    let mut latest = HashMap::new();
    for (install, began_at, last_at) in rows {
        let install: InstallId = decode_text("install id", &install)?;
        if first_of.get(&install).is_some_and(|first| *first - last_at < HANDSHAKES_LOST_AFTER) {
            latest.insert(install, began_at);
        }
    }
    Ok(latest)
}

/// Lists the newest `limit` periods of an install that began before a time, newest first.
pub async fn list_before(
    conn: &mut Conn,
    install: InstallId,
    before: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<HandshakePeriod>> {
    let rows: Vec<PeriodRow> = sqlx::query_as(
        "SELECT began_at, last_at, handshakes FROM handshake_periods
         WHERE install_id = ? AND began_at < ? ORDER BY began_at DESC LIMIT ?",
    )
    .bind(install.to_string())
    .bind(before.naive_utc())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|PeriodRow { began_at, last_at, handshakes }| HandshakePeriod { began_at, last_at, handshakes })
        .collect())
}

/// Deletes at most `limit` periods whose last handshake was before `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM handshake_periods WHERE last_at < ? ORDER BY last_at LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}
