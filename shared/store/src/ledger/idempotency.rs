//! Table `idempotency_keys`: the first answer under a key, written with its effect.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;
use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::{Answer, Outcome};
use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// What a caller names its write with. Unique per widget; at most 120 ASCII characters, compared exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The caller's key.
    pub text: String,
    /// SHA-256 of operation and body, lower-case hex: another body under the same key is refused.
    pub body_hash: String,
}

/// An answer that was given before.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) body_hash: String,
    pub(super) answer: Answer,
}

impl Given {
    /// What whoever uses the key again is told.
    pub(super) fn outcome_for(&self, key: &IdempotencyKey) -> Outcome {
        if self.body_hash == key.body_hash { Outcome::Replayed(self.answer) } else { Outcome::KeyReused }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    idem_key: String,
    body_hash: String,
    answer: Json<Answer>,
}

/// Answers given before under any of the keys.
pub(super) async fn load(
    conn: &mut Conn,
    widget: WidgetId,
    keys: &[&str],
) -> StoreResult<BTreeMap<String, Given>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut query =
        QueryBuilder::new("SELECT idem_key, body_hash, answer FROM idempotency_keys WHERE widget_id = ");
    query.push_bind(widget.to_string()).push(" AND idem_key");
    push_in(&mut query, keys.iter().map(ToString::to_string));
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    let given = |row: Row| (row.idem_key, Given { body_hash: row.body_hash, answer: row.answer.0 });
    Ok(rows.into_iter().map(given).collect())
}

/// What a key was answered before: [`Outcome::Replayed`], [`Outcome::KeyReused`] if it was with another body,
/// `None` if it is fresh. For who is about to refuse something before any wallet is locked.
pub async fn find_answer(
    conn: &mut Conn,
    widget: WidgetId,
    key: &IdempotencyKey,
) -> StoreResult<Option<Outcome>> {
    let given = load(conn, widget, &[key.text.as_str()]).await?;
    Ok(given.into_values().next().map(|given| given.outcome_for(key)))
}

/// Keeps answers. [`crate::StoreError::Taken`] if another wallet's write used a key at the same time: run the
/// whole transaction again, and it finds the answer.
pub(super) async fn insert(
    conn: &mut Conn,
    widget: WidgetId,
    given: &[(&IdempotencyKey, Answer)],
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

/// Forgets at most `limit` keys older than `before`; returns how many.
pub async fn prune_idempotency_keys(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM idempotency_keys WHERE created_at < ? LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}
