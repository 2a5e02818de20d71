//! Table `install_tokens`: one token pair per install, with its renewal lease.
//!
//! A refresh token works once. The process that renews a pair holds the row's lease under a fence number and stores its
//! intent (`refreshing`) before it calls amoCRM. A new pair replaces only the pair that was spent for it, so that a late
//! response is neither lost nor overwrites a newer pair.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::UnknownText;
use flysk_domain::id::{InstallId, UserId, WidgetId};

use super::cache_invalidations::{self, Subject};
use crate::error::expect_one;
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult, TextColumn};

/// Whether a token pair can be used or renewed; stored as text.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairState {
    /// Usable.
    Good,
    /// A renewal is in progress.
    Refreshing,
    /// A renewal was requested and its response was lost: the pair may be spent.
    InDoubt,
    /// amoCRM refused the pair permanently.
    Refused,
}

/// A token pair.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Pair {
    /// Row of `installs`, which has the widget and the account.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// The access token, sealed for `install_tokens.access:<install>`.
    pub access_sealed: String,
    /// The refresh token, sealed for `install_tokens.refresh:<install>`.
    pub refresh_sealed: String,
    /// When the access token expires.
    pub expires_at: DateTime<Utc>,
    /// When amoCRM issued the pair.
    pub refreshed_at: DateTime<Utc>,
    /// `Good` while no renewal is in progress or in doubt.
    #[sqlx(try_from = "TextColumn")]
    pub state: PairState,
    /// Process that holds the renewal lease.
    pub lease_owner: Option<String>,
    /// End of the renewal lease.
    pub lease_until: Option<DateTime<Utc>>,
    /// Earliest next renewal after a failed one.
    pub retry_at: Option<DateTime<Utc>>,
    /// Fence number, incremented with each lease.
    pub fence: u64,
    /// Number of the pair, incremented with each new pair of the install.
    pub generation: u64,
}

/// A token pair to be written.
#[derive(Debug)]
pub struct NewPair<'a> {
    /// The access token, sealed.
    pub access_sealed: &'a str,
    /// The refresh token, sealed.
    pub refresh_sealed: &'a str,
    /// When the access token expires.
    pub expires_at: DateTime<Utc>,
    /// When amoCRM issued the pair.
    pub refreshed_at: DateTime<Utc>,
    /// The user who granted access, if the token names one.
    pub granted_by: Option<UserId>,
}

const COLUMNS: &str = "install_id, access_sealed, refresh_sealed, expires_at, refreshed_at, state, lease_owner, \
     lease_until, retry_at, fence, generation";

/// Without a lock; `None` if no pair is stored.
pub async fn find(conn: &mut Conn, install_id: InstallId) -> StoreResult<Option<Pair>> {
    Ok(sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM install_tokens WHERE install_id = ?"))
        .bind(install_id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Finds the pair of an install and locks its row until the transaction ends.
pub async fn lock(conn: &mut Conn, install_id: InstallId) -> StoreResult<Option<Pair>> {
    Ok(sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM install_tokens WHERE install_id = ? FOR UPDATE"))
        .bind(install_id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Writes the pair of a new grant, replacing any other; earlier leases become invalid.
pub async fn put_granted(conn: &mut Conn, install_id: InstallId, pair: &NewPair<'_>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO install_tokens (install_id, access_sealed, refresh_sealed, expires_at, refreshed_at, state, granted_by)
         VALUES (?, ?, ?, ?, ?, 'good', ?)
         ON DUPLICATE KEY UPDATE access_sealed = VALUES(access_sealed), refresh_sealed = VALUES(refresh_sealed),
            expires_at = VALUES(expires_at), refreshed_at = VALUES(refreshed_at), state = 'good',
            granted_by = VALUES(granted_by), lease_owner = NULL, lease_until = NULL, retry_at = NULL,
            fence = fence + 1, generation = generation + 1, last_error = NULL",
    )
    .bind(install_id.to_string())
    .bind(pair.access_sealed)
    .bind(pair.refresh_sealed)
    .bind(pair.expires_at)
    .bind(pair.refreshed_at)
    .bind(pair.granted_by.map(|user| user.0))
    .execute(&mut *conn)
    .await?;
    cache_invalidations::record(conn, Subject::Install(install_id)).await
}

/// Takes the renewal lease and stores the intent; the caller holds the row's lock and has checked its state. Returns the
/// new fence number.
pub async fn take_lease(
    conn: &mut Conn,
    pair: &Pair,
    state: PairState,
    owner: &str,
    until: DateTime<Utc>,
) -> StoreResult<u64> {
    let fence = pair.fence + 1;
    let result = sqlx::query(
        "UPDATE install_tokens SET state = ?, lease_owner = ?, lease_until = ?, fence = ? WHERE install_id = ? AND fence = ?",
    )
    .bind(state.as_str())
    .bind(owner)
    .bind(until)
    .bind(fence)
    .bind(pair.install_id.to_string())
    .bind(pair.fence)
    .execute(conn)
    .await?;
    expect_one(&result, "token pair")?;
    Ok(fence)
}

/// Replaces pair number `spent` with its successor; `false` if another pair was stored. The fence is not checked: the pair
/// was spent for this successor, so the successor is valid in any case.
pub async fn put_renewed(
    conn: &mut Conn,
    install_id: InstallId,
    spent: u64,
    pair: &NewPair<'_>,
) -> StoreResult<bool> {
    let result = sqlx::query(
        "UPDATE install_tokens SET access_sealed = ?, refresh_sealed = ?, expires_at = ?, refreshed_at = ?, state = 'good',
                lease_owner = NULL, lease_until = NULL, retry_at = NULL, fence = fence + 1, generation = generation + 1,
                last_error = NULL
         WHERE install_id = ? AND generation = ?",
    )
    .bind(pair.access_sealed)
    .bind(pair.refresh_sealed)
    .bind(pair.expires_at)
    .bind(pair.refreshed_at)
    .bind(install_id.to_string())
    .bind(spent)
    .execute(&mut *conn)
    .await?;
    cache_invalidations::record(conn, Subject::Install(install_id)).await?;
    Ok(result.rows_affected() == 1)
}

/// Ends the lease with fence number `fence` without a new pair; the next lease is possible from `retry_at`. `false` if the
/// lease was lost.
pub async fn give_up_lease(
    conn: &mut Conn,
    install_id: InstallId,
    fence: u64,
    state: PairState,
    reason: &str,
    retry_at: Option<DateTime<Utc>>,
) -> StoreResult<bool> {
    let reason: String = reason.chars().take(500).collect();
    let result = sqlx::query(
        "UPDATE install_tokens SET state = ?, lease_owner = NULL, lease_until = NULL, last_error = ?, retry_at = ?
         WHERE install_id = ? AND fence = ?",
    )
    .bind(state.as_str())
    .bind(reason)
    .bind(retry_at)
    .bind(install_id.to_string())
    .bind(fence)
    .execute(&mut *conn)
    .await?;
    cache_invalidations::record(conn, Subject::Install(install_id)).await?;
    Ok(result.rows_affected() == 1)
}

/// Sets the earliest next renewal of a pair whose row is locked and which no renewal holds, after a failure before the lease.
pub async fn postpone(
    conn: &mut Conn,
    install_id: InstallId,
    reason: &str,
    retry_at: DateTime<Utc>,
) -> StoreResult<()> {
    let reason: String = reason.chars().take(500).collect();
    sqlx::query("UPDATE install_tokens SET last_error = ?, retry_at = ? WHERE install_id = ?")
        .bind(reason)
        .bind(retry_at)
        .bind(install_id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Replaces sealed texts with the same tokens under another key, unless the row changed since it was read. Caches are not
/// invalidated: see [`widgets::reseal`](super::widgets::reseal).
pub async fn reseal(
    conn: &mut Conn,
    read: &Pair,
    access_sealed: &str,
    refresh_sealed: &str,
) -> StoreResult<bool> {
    let result = sqlx::query(
        "UPDATE install_tokens SET access_sealed = ?, refresh_sealed = ?
         WHERE install_id = ? AND access_sealed = ? AND refresh_sealed = ?",
    )
    .bind(access_sealed)
    .bind(refresh_sealed)
    .bind(read.install_id.to_string())
    .bind(&read.access_sealed)
    .bind(&read.refresh_sealed)
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Lists at most `limit` installs whose pair is due: the access token of an active install expires before
/// `expires_before`, or the pair is older than `idle_since`. Those that have been due longest come first; a pair whose renewal
/// failed is due from its `retry_at`, and so stands behind those that were due meanwhile: however many pairs fail again and again,
/// each of the others has its turn.
///
/// Refused pairs and pairs of uninstalled widgets are excluded: only the customer can help. Pairs whose last renewal failed
/// are excluded until their `retry_at`, so that they do not delay pairs that can be renewed.
///
/// Reads a range of an index for each of the two reasons: besides what is due only expired pairs of installs that are not
/// active. A condition on both reasons would read all pairs.
pub async fn list_due(
    conn: &mut Conn,
    now: DateTime<Utc>,
    expires_before: DateTime<Utc>,
    idle_since: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<InstallId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT install_id FROM (
             (SELECT t.install_id, COALESCE(t.retry_at, t.expires_at - INTERVAL ? MINUTE) AS due_since
              FROM install_tokens t FORCE INDEX (install_tokens_due)
                  STRAIGHT_JOIN installs i ON i.id = t.install_id
              WHERE t.state IN ('good', 'refreshing', 'in_doubt') AND t.expires_at < ?
                AND (t.retry_at IS NULL OR t.retry_at <= ?) AND i.status = 'active'
              ORDER BY due_since LIMIT ?)
             UNION ALL
             (SELECT t.install_id, COALESCE(t.retry_at, t.refreshed_at + INTERVAL ? MINUTE) AS due_since
              FROM install_tokens t FORCE INDEX (install_tokens_idle)
                  STRAIGHT_JOIN installs i ON i.id = t.install_id
              WHERE t.state IN ('good', 'refreshing', 'in_doubt') AND t.refreshed_at < ?
                AND (t.retry_at IS NULL OR t.retry_at <= ?) AND i.status <> 'uninstalled'
              ORDER BY due_since LIMIT ?)
         ) AS due GROUP BY install_id ORDER BY MIN(due_since) LIMIT ?",
    )
    .bind((expires_before - now).num_minutes())
    .bind(expires_before)
    .bind(now)
    .bind(limit)
    .bind((now - idle_since).num_minutes())
    .bind(idle_since)
    .bind(now)
    .bind(limit)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    ids.iter().map(|id| parse(id)).collect()
}

/// Lists at most `limit` pairs after `after`, by id, of all widgets or of one.
pub async fn list_page(
    conn: &mut Conn,
    after: Option<InstallId>,
    widget_id: Option<WidgetId>,
    limit: u32,
) -> StoreResult<Vec<Pair>> {
    let mut query = sqlx::QueryBuilder::new(
        "SELECT t.install_id, t.access_sealed, t.refresh_sealed, t.expires_at, t.refreshed_at, t.state, t.lease_owner,
                t.lease_until, t.retry_at, t.fence, t.generation
         FROM install_tokens t JOIN installs i ON i.id = t.install_id WHERE t.install_id > ",
    );
    query.push_bind(after.map(|id| id.to_string()).unwrap_or_default());
    if let Some(widget_id) = widget_id {
        query.push(" AND i.widget_id = ").push_bind(widget_id.to_string());
    }
    query.push(" ORDER BY t.install_id LIMIT ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

fn parse(id: &str) -> StoreResult<InstallId> {
    id.parse().map_err(|error: flysk_domain::id::InvalidId| StoreError::InvalidRow {
        what: "install id",
        reason: error.to_string(),
    })
}
