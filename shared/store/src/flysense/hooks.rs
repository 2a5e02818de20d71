//! Table `flysense_hooks`: raw hook deliveries from amoCRM, stored before they are answered.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, HookId};

use sqlx::QueryBuilder;

use crate::listed::in_few_lengths;
use crate::{Conn, StoreResult};

/// A delivery to be stored. No `Debug`: the body contains phone numbers.
#[derive(Clone, Copy)]
pub struct NewHook<'a> {
    /// `hok_…`, chosen by the caller.
    pub id: HookId,
    /// The account that sent it.
    pub account_id: AccountId,
    /// The raw body.
    pub body: &'a [u8],
    /// Correlation id of the request, under which its jobs are found.
    pub correlation_id: &'a str,
}

/// Inserts deliveries that were received at `now`, all or none.
pub async fn insert_all(conn: &mut Conn, hooks: &[NewHook<'_>], now: DateTime<Utc>) -> StoreResult<()> {
    for rows in in_few_lengths(hooks) {
        let mut query = QueryBuilder::new(
            "INSERT INTO flysense_hooks (id, account_id, body, state, received_at, correlation_id) ",
        );
        query.push_values(rows, |mut row, hook| {
            row.push_bind(hook.id.to_string())
                .push_bind(hook.account_id.0)
                .push_bind(hook.body)
                .push_bind("received")
                .push_bind(now)
                .push_bind(hook.correlation_id);
        });
        query.build().execute(&mut *conn).await?;
    }
    Ok(())
}

/// A delivery without its body.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct HookRow {
    /// `hok_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: HookId,
    /// `received`, or `ingested` once its job has processed it.
    pub state: String,
    /// Correlation id of the request; `None` of an earlier release.
    pub correlation_id: Option<String>,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
}

/// Lists the newest `limit` deliveries of an account whose ids are below `before`, newest first.
pub async fn list_before(
    conn: &mut Conn,
    account: AccountId,
    before: &str,
    limit: u32,
) -> StoreResult<Vec<HookRow>> {
    Ok(sqlx::query_as(
        "SELECT id, state, correlation_id, received_at FROM flysense_hooks FORCE INDEX (flysense_hooks_account)
         WHERE account_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
    )
    .bind(account.0)
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Finds the raw body of a delivery.
pub async fn find_body(conn: &mut Conn, id: HookId) -> StoreResult<Option<Vec<u8>>> {
    Ok(sqlx::query_scalar("SELECT body FROM flysense_hooks WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Marks a delivery as processed.
pub async fn mark_ingested(conn: &mut Conn, id: HookId) -> StoreResult<()> {
    sqlx::query("UPDATE flysense_hooks SET state = 'ingested' WHERE id = ?")
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Deletes at most `limit` deliveries of each state received before `before`; returns how many. They contain phone numbers and
/// are therefore kept no longer than support needs them.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let mut pruned = 0;
    // By state, because the index begins with it.
    for state in ["ingested", "received"] {
        pruned += sqlx::query(
            "DELETE FROM flysense_hooks WHERE state = ? AND received_at < ? ORDER BY received_at LIMIT ?",
        )
        .bind(state)
        .bind(before)
        .bind(limit)
        .execute(&mut *conn)
        .await?
        .rows_affected();
    }
    Ok(pruned)
}
