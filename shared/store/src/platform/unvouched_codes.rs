//! Table `oauth_codes`, rows with a `source`: codes that no state vouches for, in the order of their exchange.
//!
//! Anyone can send such codes, in any number and for any host. A job therefore exchanges not a code of its own but the
//! next code of the shared queue, chosen among all waiting codes. A claim is one conditional `UPDATE`.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{InvalidId, JobId, OauthCodeId, WidgetId};

use crate::{Conn, StoreError, StoreResult};

/// Time for which a failed code counts against its source and its host.
const FAILURE_WINDOW: TimeDelta = TimeDelta::minutes(20);
/// Time for which an exchanged code counts for its source.
const CREDIT_WINDOW: TimeDelta = TimeDelta::days(30);
/// Upper bound of a source's credit.
const MAX_CREDIT: u32 = 1_000;
/// Candidates read per claim, so that concurrent workers find different codes.
const MAX_CANDIDATES: u32 = 16;
/// Attempts to find other candidates after concurrent callers took all of the first ones.
const MAX_DISPLACEMENT_TRIES: u32 = 8;

/// Selects the next codes. The rank of a code is a sum that is small for sources with few codes and few failures:
///
/// - its position among the codes of its source: less often claimed first, then newest first;
/// - its position among the codes of its host, round-robin across sources; a source with credit is exempt from the terms
///   of the host, so that it does not suffer from codes that others send for the same host;
/// - recent failures of its source, minus its credit, and recent failures of its host;
/// - how often the code itself was claimed.
///
/// Newest first, because in a growing flood a genuine code is among the newest. Codes with a token pair come first of all.
const NEXT_CODES_QUERY: &str = "SELECT c.id FROM (
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

/// Claims the next code for `job` until `until` and counts the claim. A code that the job holds from an interrupted
/// attempt comes first. `None` if no code is due.
pub async fn claim(
    conn: &mut Conn,
    job: JobId,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<Option<OauthCodeId>> {
    if let Some(held) = find_held(conn, job).await? {
        return Ok(claim_one(conn, &held, job, until, None).await?.then_some(read(&held)?));
    }
    let candidates: Vec<String> = sqlx::query_scalar(NEXT_CODES_QUERY)
        .bind(now)
        .bind(now - FAILURE_WINDOW)
        .bind(now - FAILURE_WINDOW)
        .bind(MAX_CANDIDATES)
        .fetch_all(&mut *conn)
        .await?;
    for id in &candidates {
        if claim_one(conn, id, job, until, Some(now)).await? {
            return Ok(Some(read(id)?));
        }
    }
    Ok(None)
}

/// Whether `job` holds a code from an interrupted attempt.
pub async fn is_holding(conn: &mut Conn, job: JobId) -> StoreResult<bool> {
    Ok(find_held(conn, job).await?.is_some())
}

async fn find_held(conn: &mut Conn, job: JobId) -> StoreResult<Option<String>> {
    Ok(sqlx::query_scalar("SELECT id FROM oauth_codes WHERE served_by = ? AND state = 'waiting' LIMIT 1")
        .bind(job.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Claims a code that `job` holds already, or that is free at `due`.
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
    id.parse().map_err(|error: InvalidId| StoreError::InvalidRow {
        what: "id of a code",
        reason: error.to_string(),
    })
}

/// When the next code is due, possibly in the past; `None` if none waits.
pub async fn next_due(conn: &mut Conn) -> StoreResult<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar(
        "SELECT MIN(next_at) FROM oauth_codes WHERE state = 'waiting' AND source IS NOT NULL",
    )
    .fetch_one(conn)
    .await?)
}

/// Releases a code and postpones it to `until`.
pub async fn postpone(conn: &mut Conn, id: OauthCodeId, until: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query("UPDATE oauth_codes SET next_at = ?, served_by = NULL WHERE id = ? AND state = 'waiting'")
        .bind(until)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Gives up the code `asked` and all other unclaimed codes for `host`, because no account exists there. Codes claimed at
/// this moment get the same answer on their own. Returns how many were given up.
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

/// Whether a code was given up after `since` because no account exists at `host`.
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

/// Counts the codes from `source` that were exchanged recently.
pub async fn credit_of(conn: &mut Conn, source: &str, now: DateTime<Utc>) -> StoreResult<i64> {
    Ok(sqlx::query_scalar(
        "SELECT COUNT(*) FROM (
             SELECT id FROM oauth_codes WHERE state = 'exchanged' AND source = ? AND updated_at > ? LIMIT ?
         ) AS good",
    )
    .bind(source)
    .bind(now - CREDIT_WINDOW)
    .bind(MAX_CREDIT)
    .fetch_one(conn)
    .await?)
}

/// Numbers of a widget's waiting unvouched codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiting {
    /// From all sources.
    pub of_widget: i64,
    /// From the given source.
    pub from_source: i64,
}

/// Counts the waiting unvouched codes of a widget, in total and from `source`.
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

/// Waiting codes that may be deleted for a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Displaced<'a> {
    /// Codes from this source.
    From(&'a str),
    /// Codes from sources without credit.
    WithoutCredit,
}

/// Deletes one waiting code of a widget, other than `but`, that matches `which`: the oldest that was never claimed, or else
/// the oldest of the others. `false` if there is none. A code that is claimed now or has a token pair stays.
pub async fn displace(
    conn: &mut Conn,
    widget_id: WidgetId,
    which: Displaced<'_>,
    but: OauthCodeId,
) -> StoreResult<bool> {
    for _ in 0..MAX_DISPLACEMENT_TRIES {
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

/// Lists the oldest codes that may be deleted; concurrent callers get the same list.
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
    .bind(MAX_CANDIDATES)
    .fetch_all(conn)
    .await?)
}

/// Gives up at most `limit` codes received before `before` that still wait without a token pair, and deletes at most as
/// many that were given up before `forgotten`, because anyone can create rows here. Returns the total number of rows.
pub async fn prune(
    conn: &mut Conn,
    before: DateTime<Utc>,
    forgotten: DateTime<Utc>,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<u64> {
    let expired = sqlx::query(
        "UPDATE oauth_codes SET state = 'dead', reason = 'too old', code_sealed = '', updated_at = ?
         WHERE state = 'waiting' AND source IS NOT NULL AND pair_sealed IS NULL AND received_at < ?
         ORDER BY received_at LIMIT ?",
    )
    .bind(now)
    .bind(before)
    .bind(limit)
    .execute(&mut *conn)
    .await?;
    let gone = sqlx::query(
        "DELETE FROM oauth_codes WHERE state = 'dead' AND source IS NOT NULL AND updated_at < ?
         ORDER BY updated_at LIMIT ?",
    )
    .bind(forgotten)
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(expired.rows_affected() + gone.rows_affected())
}
