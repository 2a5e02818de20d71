//! Table `idempotency_keys`: the first result under a key, written in the transaction of its effect.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;
use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::{CommandOutcome, Posted};
use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// An idempotency key. Unique per widget; at most 120 ASCII characters, compared exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key as sent by the caller.
    pub text: String,
    /// SHA-256 of operation and body, lower-case hex. The same key with another body is refused.
    pub body_hash: String,
}

/// A stored result.
#[derive(Debug, Clone)]
pub(super) struct StoredAnswer {
    pub(super) body_hash: String,
    pub(super) answer: Posted,
}

impl StoredAnswer {
    /// Outcome of a command that uses the key again.
    pub(super) fn outcome_for(&self, key: &IdempotencyKey) -> CommandOutcome {
        if self.body_hash == key.body_hash {
            CommandOutcome::Replayed(self.answer)
        } else {
            CommandOutcome::KeyReused
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    idem_key: String,
    body_hash: String,
    answer: Json<Posted>,
}

/// Loads the stored results under any of the keys.
pub(super) async fn load(
    conn: &mut Conn,
    widget: WidgetId,
    keys: &[&str],
) -> StoreResult<BTreeMap<String, StoredAnswer>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut query =
        QueryBuilder::new("SELECT idem_key, body_hash, answer FROM idempotency_keys WHERE widget_id = ");
    query.push_bind(widget.to_string()).push(" AND idem_key");
    push_in(&mut query, keys.iter().map(ToString::to_string));
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    let given = |row: Row| (row.idem_key, StoredAnswer { body_hash: row.body_hash, answer: row.answer.0 });
    Ok(rows.into_iter().map(given).collect())
}

/// Looks a key up without locking a wallet, before a command is refused for another reason: [`CommandOutcome::Replayed`],
/// [`CommandOutcome::KeyReused`] if the body differs, `None` if the key is new.
pub async fn find_answer(
    conn: &mut Conn,
    widget: WidgetId,
    key: &IdempotencyKey,
) -> StoreResult<Option<CommandOutcome>> {
    let given = load(conn, widget, &[key.text.as_str()]).await?;
    Ok(given.into_values().next().map(|given| given.outcome_for(key)))
}

/// Stores results. Fails with [`crate::StoreError::Duplicate`] if a command for another wallet stored the same key
/// concurrently: the caller repeats the whole transaction, which then finds the result.
pub(super) async fn insert(
    conn: &mut Conn,
    widget: WidgetId,
    given: &[(&IdempotencyKey, Posted)],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    if given.is_empty() {
        return Ok(());
    }
    let mut query = QueryBuilder::new(
        "INSERT INTO idempotency_keys (widget_id, idem_key, body_hash, answer, created_at) ",
    );
    query.push_values(given, |mut row, (key, answer)| {
        row.push_bind(widget.to_string())
            .push_bind(&key.text)
            .push_bind(&key.body_hash)
            .push_bind(Json(*answer))
            .push_bind(now);
    });
    query.build().execute(conn).await?;
    Ok(())
}

/// Deletes at most `limit` keys older than `before`; returns how many.
pub async fn prune_idempotency_keys(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM idempotency_keys WHERE created_at < ? LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}
