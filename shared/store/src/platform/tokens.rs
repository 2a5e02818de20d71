//! Table `install_tokens`: one pair of tokens per install, and who may renew it.
//!
//! A refresh token works once. Whoever renews a pair holds the row's lease under a fence number and has
//! written its intent (`refreshing`) before it asked amoCRM. A new pair is written over the pair that was
//! spent for it and over no other, so that a late answer can neither be lost nor replace a newer pair.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use flysk_domain::id::{InstallId, UserId, WidgetId};

use super::changes::{self, Subject};
use crate::error::expect_one;
use crate::{Conn, StoreError, StoreResult};

/// What is known about a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairState {
    /// amoCRM gave it and nothing was said since.
    Good,
    /// Somebody asked for its successor.
    Refreshing,
    /// Its successor was asked for and the answer was lost: it may be spent.
    InDoubt,
    /// amoCRM refused it for good.
    Refused,
}

impl PairState {
    const ALL: [Self; 4] = [Self::Good, Self::Refreshing, Self::InDoubt, Self::Refused];

    /// The column's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Refreshing => "refreshing",
            Self::InDoubt => "in_doubt",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for PairState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PairState {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| StoreError::Corrupt { what: "pair state", reason: format!("`{text}` is unknown") })
    }
}

impl TryFrom<String> for PairState {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        text.parse()
    }
}

/// A pair of tokens.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Pair {
    /// Whose.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// The access token, sealed for `install_tokens.access:<install>`.
    pub access_sealed: String,
    /// The refresh token, sealed for `install_tokens.refresh:<install>`.
    pub refresh_sealed: String,
    /// When the access token dies.
    pub expires_at: DateTime<Utc>,
    /// When amoCRM gave the pair.
    pub refreshed_at: DateTime<Utc>,
    /// What is known about it.
    #[sqlx(try_from = "String")]
    pub state: PairState,
    /// Who renews it.
    pub lease_owner: Option<String>,
    /// Until when nobody else may.
    pub lease_until: Option<DateTime<Utc>>,
    /// Until when nobody may at all, after a renewal that failed.
    pub retry_at: Option<DateTime<Utc>>,
    /// Counts leases.
    pub fence: u64,
    /// Counts pairs.
    pub pair: u64,
}

/// A pair to be written.
#[derive(Debug)]
pub struct NewPair<'a> {
    /// The access token, sealed.
    pub access_sealed: &'a str,
    /// The refresh token, sealed.
    pub refresh_sealed: &'a str,
    /// When the access token dies.
    pub expires_at: DateTime<Utc>,
    /// When amoCRM gave the pair.
    pub refreshed_at: DateTime<Utc>,
    /// The user who granted access, if the token names one.
    pub granted_by: Option<UserId>,
}

const COLUMNS: &str = "install_id, access_sealed, refresh_sealed, expires_at, refreshed_at, state, lease_owner, \
     lease_until, retry_at, fence, pair";

/// The pair of an install.
pub async fn find(conn: &mut Conn, install_id: InstallId) -> StoreResult<Option<Pair>> {
    let sql = format!("SELECT {COLUMNS} FROM install_tokens WHERE install_id = ?");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(install_id.to_string()).fetch_optional(conn).await?)
}

/// The pair of an install, locked until the transaction ends.
pub async fn lock(conn: &mut Conn, install_id: InstallId) -> StoreResult<Option<Pair>> {
    let sql = format!("SELECT {COLUMNS} FROM install_tokens WHERE install_id = ? FOR UPDATE");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(install_id.to_string()).fetch_optional(conn).await?)
}

/// Writes the pair of a new grant over whatever was there; leases taken before are void.
pub async fn put_granted(conn: &mut Conn, install_id: InstallId, pair: &NewPair<'_>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO install_tokens (install_id, access_sealed, refresh_sealed, expires_at, refreshed_at, state, granted_by)
         VALUES (?, ?, ?, ?, ?, 'good', ?)
         ON DUPLICATE KEY UPDATE access_sealed = VALUES(access_sealed), refresh_sealed = VALUES(refresh_sealed),
            expires_at = VALUES(expires_at), refreshed_at = VALUES(refreshed_at), state = 'good',
            granted_by = VALUES(granted_by), lease_owner = NULL, lease_until = NULL, retry_at = NULL,
            fence = fence + 1, pair = pair + 1, last_error = NULL",
    )
    .bind(install_id.to_string())
    .bind(pair.access_sealed)
    .bind(pair.refresh_sealed)
    .bind(pair.expires_at)
    .bind(pair.refreshed_at)
    .bind(pair.granted_by.map(|user| user.0))
    .execute(&mut *conn)
    .await?;
    changes::note(conn, Subject::Install(install_id)).await
}

/// Takes the lease and writes the intent; the caller holds the row's lock and has looked at it.
/// Returns the fence to write under.
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

/// Writes the successor of pair number `spent`; `false` if that pair is not there any more. The fence does
/// not matter: the pair was spent for this one, so nothing else can be true.
pub async fn put_renewed(
    conn: &mut Conn,
    install_id: InstallId,
    spent: u64,
    pair: &NewPair<'_>,
) -> StoreResult<bool> {
    let result = sqlx::query(
        "UPDATE install_tokens SET access_sealed = ?, refresh_sealed = ?, expires_at = ?, refreshed_at = ?, state = 'good',
                lease_owner = NULL, lease_until = NULL, retry_at = NULL, fence = fence + 1, pair = pair + 1,
                last_error = NULL
         WHERE install_id = ? AND pair = ?",
    )
    .bind(pair.access_sealed)
    .bind(pair.refresh_sealed)
    .bind(pair.expires_at)
    .bind(pair.refreshed_at)
    .bind(install_id.to_string())
    .bind(spent)
    .execute(&mut *conn)
    .await?;
    changes::note(conn, Subject::Install(install_id)).await?;
    Ok(result.rows_affected() == 1)
}

/// Gives the lease of fence number `fence` back without a new pair; nobody takes one before `retry_at`. `false` if it
/// was taken away.
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
    changes::note(conn, Subject::Install(install_id)).await?;
    Ok(result.rows_affected() == 1)
}

/// Replaces sealed texts by the same tokens under another key, if the row is as it was read. No change is noted: see
/// [`widgets::reseal`](super::widgets::reseal).
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

/// At most `limit` installs whose pair is due: the access token of an active one dies before
/// `expires_before`, or the pair is older than `idle_since`; those first that die first.
///
/// Refused pairs and those of uninstalled widgets are left alone: only the customer can help. So are those whose last
/// renewal failed a short while before `now`: they must not stand before pairs that can be renewed.
pub async fn list_due(
    conn: &mut Conn,
    now: DateTime<Utc>,
    expires_before: DateTime<Utc>,
    idle_since: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<InstallId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT t.install_id FROM install_tokens t JOIN installs i ON i.id = t.install_id
         WHERE t.state <> 'refused' AND i.status <> 'uninstalled' AND (t.retry_at IS NULL OR t.retry_at <= ?)
           AND ((i.status = 'active' AND t.expires_at < ?) OR t.refreshed_at < ?)
         ORDER BY t.expires_at LIMIT ?",
    )
    .bind(now)
    .bind(expires_before)
    .bind(idle_since)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    ids.iter().map(|id| parse(id)).collect()
}

/// At most `limit` pairs after `after` in the order of ids, of all widgets or of one.
pub async fn list_page(
    conn: &mut Conn,
    after: Option<InstallId>,
    widget_id: Option<WidgetId>,
    limit: u32,
) -> StoreResult<Vec<Pair>> {
    let mut query = sqlx::QueryBuilder::new(
        "SELECT t.install_id, t.access_sealed, t.refresh_sealed, t.expires_at, t.refreshed_at, t.state, t.lease_owner,
                t.lease_until, t.retry_at, t.fence, t.pair
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
    id.parse().map_err(|error: flysk_domain::id::InvalidId| StoreError::Corrupt {
        what: "install id",
        reason: error.to_string(),
    })
}
