//! Table `idempotency_keys`: the first result under a key, written in the transaction of its effect.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;
use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::{CommandOutcome, Posted};
use crate::listed::{in_few_lengths, push_in};
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

/// Stored results by widget and key.
#[derive(Debug, Default)]
pub(super) struct Answers(BTreeMap<WidgetId, BTreeMap<String, StoredAnswer>>);

impl Answers {
    /// The result under a key of a widget.
    pub(super) fn find(&self, widget: WidgetId, key: &str) -> Option<&StoredAnswer> {
        self.0.get(&widget)?.get(key)
    }

    /// Adds a result.
    pub(super) fn insert(&mut self, widget: WidgetId, key: &IdempotencyKey, answer: Posted) {
        let stored = StoredAnswer { body_hash: key.body_hash.clone(), answer };
        self.0.entry(widget).or_default().insert(key.text.clone(), stored);
    }
}

/// Loads the stored results under any of the keys, by widget.
pub(super) async fn load(conn: &mut Conn, keys: &BTreeMap<WidgetId, Vec<&str>>) -> StoreResult<Answers> {
    let mut answers = Answers::default();
    // One statement per widget: a list of pairs scans the table, and two lists multiply.
    for (widget, keys) in keys {
        let mut query =
            QueryBuilder::new("SELECT idem_key, body_hash, answer FROM idempotency_keys WHERE widget_id = ");
        query.push_bind(widget.to_string()).push(" AND idem_key");
        push_in(&mut query, keys.iter().map(ToString::to_string));
        let rows: Vec<Row> = query.build_query_as().fetch_all(&mut *conn).await?;
        let stored =
            |row: Row| (row.idem_key, StoredAnswer { body_hash: row.body_hash, answer: row.answer.0 });
        answers.0.insert(*widget, rows.into_iter().map(stored).collect());
    }
    Ok(answers)
}

/// Looks a key up without locking a wallet, before a command is refused for another reason: [`CommandOutcome::Replayed`],
/// [`CommandOutcome::KeyReused`] if the body differs, `None` if the key is new.
pub async fn find_answer(
    conn: &mut Conn,
    widget: WidgetId,
    key: &IdempotencyKey,
) -> StoreResult<Option<CommandOutcome>> {
    let answers = load(conn, &BTreeMap::from([(widget, vec![key.text.as_str()])])).await?;
    Ok(answers.find(widget, &key.text).map(|given| given.outcome_for(key)))
}

/// A new result under a key of a widget.
pub(super) type NewAnswer<'a> = (WidgetId, &'a IdempotencyKey, Posted);

/// Stores results, in the order of their keys, so that concurrent transactions with common keys wait for each other and do not
/// deadlock. Fails with [`crate::StoreError::Duplicate`] if another transaction stored one of the keys concurrently: the caller
/// repeats the whole transaction, which then finds the result.
pub(super) async fn insert(
    conn: &mut Conn,
    mut answers: Vec<NewAnswer<'_>>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    answers.sort_by(|(widget, key, _), (other, next, _)| (widget, &key.text).cmp(&(other, &next.text)));
    for answers in in_few_lengths(&answers) {
        let mut query = QueryBuilder::new(
            "INSERT INTO idempotency_keys (widget_id, idem_key, body_hash, answer, created_at) ",
        );
        query.push_values(answers, |mut row, (widget, key, answer)| {
            row.push_bind(widget.to_string())
                .push_bind(&key.text)
                .push_bind(&key.body_hash)
                .push_bind(Json(*answer))
                .push_bind(now);
        });
        query.build().execute(&mut *conn).await?;
    }
    Ok(())
}

/// Deletes at most `limit` keys older than `before`; returns how many.
pub async fn prune_idempotency_keys(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let old: Vec<(String, String)> = sqlx::query_as(
        "SELECT widget_id, idem_key FROM idempotency_keys FORCE INDEX (idempotency_keys_created)
         WHERE created_at < ? ORDER BY created_at LIMIT ?",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    let mut by_widget: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (widget, key) in old {
        by_widget.entry(widget).or_default().push(key);
    }
    // By the primary key, so that no row of a charge is locked.
    let mut pruned = 0;
    for (widget, keys) in by_widget {
        let mut query = QueryBuilder::new("DELETE FROM idempotency_keys WHERE widget_id = ");
        query.push_bind(widget).push(" AND created_at < ").push_bind(before).push(" AND idem_key");
        push_in(&mut query, keys);
        pruned += query.build().execute(&mut *conn).await?.rows_affected();
    }
    Ok(pruned)
}
