//! Table `oauth_codes`, the rows with a `source`: codes that no state vouches for, and whose turn it is.
//!
//! Anybody can send such codes, in any number, and name any host. Each job of the lane serves the code whose turn it is,
//! not one of its own, so a turn is a question to all codes that wait. A claim is one conditional `UPDATE`.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{InvalidId, JobId, OauthCodeId, WidgetId};

use crate::{Conn, StoreError, StoreResult};

/// For how long a bad code counts against its source and its host.
const FAILURE_COUNTS_FOR: TimeDelta = TimeDelta::minutes(20);
/// For how long a good code counts for its source.
const CREDIT_COUNTS_FOR: TimeDelta = TimeDelta::days(30);
/// More good codes than this count no more.
const MAX_CREDIT: u32 = 1_000;
/// Codes looked at for one claim: of several workers each gets another one.
const CANDIDATES: u32 = 16;
/// How often other candidates are looked for when callers of the same moment took all of the first ones.
const DISPLACEMENT_TRIES: u32 = 8;

/// The order of turns. What counts for a code is small for whoever sends few codes, and few bad ones:
///
/// - its place among the codes of its source, newest first;
/// - its place among the codes of its host, each source having a turn there before anybody's second; a source that brought
///   good codes before is not judged by what others send in the name of its host;
/// - the codes of its source that were bad lately, less the good ones; the same of its host;
/// - how often it was looked at itself.
///
/// Newest first, since a flood grows and a genuine code that comes into it is new. A pair in hand goes before everything.
const IN_TURN: &str = "SELECT c.id FROM (
        SELECT w.*, ROW_NUMBER() OVER (PARTITION BY w.host ORDER BY w.in_source, w.received_at DESC, w.id DESC) AS in_host
        FROM (
            SELECT id, host, source, credit, looks, received_at, pair_sealed IS NOT NULL AS has_pair,
                   ROW_NUMBER() OVER (PARTITION BY source ORDER BY looks, received_at DESC, id DESC) AS in_source
            FROM oauth_codes WHERE state = 'waiting' AND source IS NOT NULL AND next_at <= ?
        ) AS w
    ) AS c
    LEFT JOIN (
        SELECT source, COUNT(*) AS failures FROM oauth_codes
        WHERE state = 'dead' AND source IS NOT NULL AND updated_at > ? GROUP BY source
    ) AS s ON s.source = c.source
    LEFT JOIN (
        SELECT host, COUNT(*) AS failures FROM oauth_codes
        WHERE state = 'dead' AND source IS NOT NULL AND updated_at > ? GROUP BY host
    ) AS h ON h.host = c.host
    ORDER BY c.has_pair DESC,
             c.in_source + c.looks + GREATEST(COALESCE(s.failures, 0) - c.credit, 0)
                 + IF(c.credit > 0, 1, c.in_host + COALESCE(h.failures, 0)),
             c.credit DESC, c.received_at DESC, c.id DESC
    LIMIT ?";

/// Gives `job` the code whose turn it is until `until`, and counts the look: the one it holds already, if its last run was
/// cut off; `None` if no code is due.
pub async fn claim(
    conn: &mut Conn,
    job: JobId,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<Option<OauthCodeId>> {
    if let Some(held) = find_held(conn, job).await? {
        return Ok(claim_one(conn, &held, job, until, None).await?.then_some(read(&held)?));
    }
    let in_turn: Vec<String> = sqlx::query_scalar(IN_TURN)
        .bind(now)
        .bind(now - FAILURE_COUNTS_FOR)
        .bind(now - FAILURE_COUNTS_FOR)
        .bind(CANDIDATES)
        .fetch_all(&mut *conn)
        .await?;
    for id in &in_turn {
        if claim_one(conn, id, job, until, Some(now)).await? {
            return Ok(Some(read(id)?));
        }
    }
    Ok(None)
}

/// Whether `job` holds a code: its last run was cut off.
pub async fn is_holding(conn: &mut Conn, job: JobId) -> StoreResult<bool> {
    Ok(find_held(conn, job).await?.is_some())
}

async fn find_held(conn: &mut Conn, job: JobId) -> StoreResult<Option<String>> {
    Ok(sqlx::query_scalar("SELECT id FROM oauth_codes WHERE served_by = ? AND state = 'waiting' LIMIT 1")
        .bind(job.to_string())
        .fetch_optional(conn)
        .await?)
}

/// `due`: when it has to be free, unless `job` holds it already.
async fn claim_one(
    conn: &mut Conn,
    id: &str,
    job: JobId,
    until: DateTime<Utc>,
    due: Option<DateTime<Utc>>,
) -> StoreResult<bool> {
    let claimed = sqlx::query(
        "UPDATE oauth_codes SET next_at = ?, served_by = ?, looks = looks + 1
         WHERE id = ? AND state = 'waiting' AND source IS NOT NULL AND (served_by = ? OR next_at <= ?)",
    )
    .bind(until)
    .bind(job.to_string())
    .bind(id)
    .bind(job.to_string())
    .bind(due)
    .execute(conn)
    .await?;
    Ok(claimed.rows_affected() == 1)
}

fn read(id: &str) -> StoreResult<OauthCodeId> {
    id.parse()
        .map_err(|error: InvalidId| StoreError::Corrupt { what: "id of a code", reason: error.to_string() })
}

/// When the next code is due, which may be past; `None` if none waits.
pub async fn next_due(conn: &mut Conn) -> StoreResult<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar(
        "SELECT MIN(next_at) FROM oauth_codes WHERE state = 'waiting' AND source IS NOT NULL",
    )
    .fetch_one(conn)
    .await?)
}

/// Lets go of a code until `until`.
pub async fn postpone(conn: &mut Conn, id: OauthCodeId, until: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query("UPDATE oauth_codes SET next_at = ?, served_by = NULL WHERE id = ? AND state = 'waiting'")
        .bind(until)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// There is no account at `host`: no pair will come of the code that was asked with, nor of any other from there. Those that
/// are being asked with at this moment find out themselves. Returns how many were given up.
pub async fn give_up_host(
    conn: &mut Conn,
    asked: OauthCodeId,
    host: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> StoreResult<u64> {
    let reason: String = reason.chars().take(500).collect();
    let given_up = sqlx::query(
        "UPDATE oauth_codes SET state = 'dead', no_account = TRUE, reason = ?, code_sealed = '', served_by = NULL,
                updated_at = ?
         WHERE host = ? AND state = 'waiting' AND source IS NOT NULL AND pair_sealed IS NULL
           AND (id = ? OR served_by IS NULL)",
    )
    .bind(reason)
    .bind(now)
    .bind(host)
    .bind(asked.to_string())
    .execute(conn)
    .await?;
    Ok(given_up.rows_affected())
}

/// Whether it turned out after `since` that there is no account at `host`.
pub async fn has_no_account(conn: &mut Conn, host: &str, since: DateTime<Utc>) -> StoreResult<bool> {
    let found: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM oauth_codes WHERE host = ? AND state = 'dead' AND updated_at > ? AND no_account LIMIT 1",
    )
    .bind(host)
    .bind(since)
    .fetch_optional(conn)
    .await?;
    Ok(found.is_some())
}

/// How many codes from `source` were good lately.
pub async fn credit_of(conn: &mut Conn, source: &str, now: DateTime<Utc>) -> StoreResult<i64> {
    Ok(sqlx::query_scalar(
        "SELECT COUNT(*) FROM (
             SELECT id FROM oauth_codes WHERE state = 'exchanged' AND source = ? AND updated_at > ? LIMIT ?
         ) AS good",
    )
    .bind(source)
    .bind(now - CREDIT_COUNTS_FOR)
    .bind(MAX_CREDIT)
    .fetch_one(conn)
    .await?)
}

/// How many codes of a widget wait in the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiting {
    /// From anywhere.
    pub of_widget: i64,
    /// From one source.
    pub from_source: i64,
}

/// How many codes of a widget wait in the lane, and how many of them came from `source`.
pub async fn count_waiting(conn: &mut Conn, widget_id: WidgetId, source: &str) -> StoreResult<Waiting> {
    Ok(sqlx::query_as(
        "SELECT COUNT(*) AS of_widget, COUNT(CASE WHEN source = ? THEN 1 END) AS from_source
         FROM oauth_codes WHERE widget_id = ? AND state = 'waiting' AND source IS NOT NULL",
    )
    .bind(source)
    .bind(widget_id.to_string())
    .fetch_one(conn)
    .await?)
}

/// Which waiting codes may be forgotten for a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Displaced<'a> {
    /// Those from this source.
    From(&'a str),
    /// Those from sources that never brought a good one.
    WithoutCredit,
}

/// Forgets one of a widget's waiting codes that may be, other than `but`: the oldest of those that nobody asked amoCRM with, or
/// else of the others; `false` if there is none. One that is being asked with, or gave a pair, stays.
pub async fn displace(
    conn: &mut Conn,
    widget_id: WidgetId,
    which: Displaced<'_>,
    but: OauthCodeId,
) -> StoreResult<bool> {
    for _ in 0..DISPLACEMENT_TRIES {
        let oldest = list_displaceable(conn, widget_id, which, but).await?;
        if oldest.is_empty() {
            return Ok(false);
        }
        for id in oldest {
            let gone = sqlx::query(
                "DELETE FROM oauth_codes WHERE id = ? AND state = 'waiting' AND served_by IS NULL",
            )
            .bind(id)
            .execute(&mut *conn)
            .await?;
            if gone.rows_affected() == 1 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The oldest waiting codes that may be forgotten; callers who arrive at one moment see the same ones.
async fn list_displaceable(
    conn: &mut Conn,
    widget_id: WidgetId,
    which: Displaced<'_>,
    but: OauthCodeId,
) -> StoreResult<Vec<String>> {
    let source = match which {
        Displaced::From(source) => Some(source),
        Displaced::WithoutCredit => None,
    };
    Ok(sqlx::query_scalar(
        "SELECT id FROM oauth_codes
         WHERE widget_id = ? AND state = 'waiting' AND source IS NOT NULL AND served_by IS NULL
           AND pair_sealed IS NULL AND id <> ? AND (source = ? OR (? IS NULL AND credit = 0))
         ORDER BY looks > 0, received_at, id LIMIT ?",
    )
    .bind(widget_id.to_string())
    .bind(but.to_string())
    .bind(source)
    .bind(source)
    .bind(CANDIDATES)
    .fetch_all(conn)
    .await?)
}

/// Gives up at most `limit` codes that came before `before` and that no job came for, and forgets as many that were given up
/// before `forgotten`: anybody can make rows here. Returns how many rows it was in all.
pub async fn prune(
    conn: &mut Conn,
    before: DateTime<Utc>,
    forgotten: DateTime<Utc>,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<u64> {
    let expired = sqlx::query(
        "UPDATE oauth_codes SET state = 'dead', reason = 'too old', code_sealed = '', updated_at = ?
         WHERE state = 'waiting' AND source IS NOT NULL AND pair_sealed IS NULL AND received_at < ? LIMIT ?",
    )
    .bind(now)
    .bind(before)
    .bind(limit)
    .execute(&mut *conn)
    .await?;
    let gone = sqlx::query(
        "DELETE FROM oauth_codes WHERE state = 'dead' AND source IS NOT NULL AND updated_at < ? LIMIT ?",
    )
    .bind(forgotten)
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(expired.rows_affected() + gone.rows_affected())
}
