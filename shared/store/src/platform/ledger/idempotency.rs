//! Table `idempotency_keys`: the first result under a key, written in the transaction of its effect.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;
use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::command::{CommandOutcome, IdempotencyKey, Posted};
use crate::listed::{Lengths, push_in};
use crate::{Conn, StoreResult};

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
    #[sqlx(try_from = "String")]
    widget_id: WidgetId,
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

/// Maximum number of keys in a group of [`groups_of`].
const MAX_GROUP_LEN: usize = 8;

/// Splits the keys of each widget into groups of one length. Length and number of groups are powers of two: the last key of a
/// group and the last group are repeated. So the statement has few texts, which connections keep prepared.
fn groups_of<'a>(keys: &BTreeMap<WidgetId, Vec<&'a str>>) -> Vec<(WidgetId, Vec<&'a str>)> {
    let longest = keys.values().map(Vec::len).max().unwrap_or_default();
    let length = longest.next_power_of_two().min(MAX_GROUP_LEN);
    let mut groups = Vec::new();
    for (widget, keys) in keys {
        for part in keys.chunks(length) {
            let mut part = part.to_vec();
            let last = part.last().copied().unwrap_or_default();
            part.resize(length, last);
            groups.push((*widget, part));
        }
    }
    if let Some(last) = groups.last().cloned() {
        groups.resize(groups.len().next_power_of_two(), last);
    }
    groups
}

/// Loads the stored results under any of the keys, by widget.
pub(super) async fn load(conn: &mut Conn, keys: &BTreeMap<WidgetId, Vec<&str>>) -> StoreResult<Answers> {
    let groups = groups_of(keys);
    let mut answers = Answers::default();
    let Some(((widget, first), others)) = groups.split_first() else { return Ok(answers) };
    // A list of pairs scans the table, and a list of widgets beside a list of keys multiplies.
    let mut query = QueryBuilder::new(
        "SELECT widget_id, idem_key, body_hash, answer FROM idempotency_keys FORCE INDEX (PRIMARY)
         WHERE (widget_id = ",
    );
    query.push_bind(widget.to_string()).push(" AND idem_key");
    push_in(&mut query, first.iter().map(ToString::to_string));
    query.push(")");
    for (widget, keys) in others {
        query.push(" OR (widget_id = ").push_bind(widget.to_string()).push(" AND idem_key");
        push_in(&mut query, keys.iter().map(ToString::to_string));
        query.push(")");
    }
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    for row in rows {
        let stored = StoredAnswer { body_hash: row.body_hash, answer: row.answer.0 };
        answers.0.entry(row.widget_id).or_default().insert(row.idem_key, stored);
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
    lengths: Lengths,
) -> StoreResult<()> {
    answers.sort_by(|(widget, key, _), (other, next, _)| (widget, &key.text).cmp(&(other, &next.text)));
    for answers in lengths.split(&answers) {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn lists_of_many_lengths_make_groups_of_few() {
        let text: Vec<String> = (0..128).map(|number| number.to_string()).collect();
        let mut shapes = BTreeSet::new();
        for lengths in
            (1..=40).flat_map(|count| [vec![count], vec![1; count], vec![count, 3], vec![2, 1, 88]])
        {
            let lists: BTreeMap<WidgetId, Vec<&str>> = (1..)
                .zip(&lengths)
                .map(|(number, length)| {
                    let widget = format!("wgt_{number:026}").parse::<WidgetId>().unwrap();
                    (widget, text[..*length].iter().map(String::as_str).collect())
                })
                .collect();
            let groups = groups_of(&lists);
            let length = groups[0].1.len();
            assert!(groups.iter().all(|(_, keys)| keys.len() == length));
            shapes.insert((groups.len(), length));
            let mut grouped: BTreeMap<WidgetId, BTreeSet<&str>> = BTreeMap::new();
            for (widget, keys) in groups {
                grouped.entry(widget).or_default().extend(keys);
            }
            let given: BTreeMap<WidgetId, BTreeSet<&str>> =
                lists.into_iter().map(|(widget, keys)| (widget, keys.into_iter().collect())).collect();
            assert_eq!(grouped, given);
        }
        assert!(shapes.iter().all(|(count, length)| count.is_power_of_two() && length.is_power_of_two()));
        assert!(shapes.len() < 20, "{shapes:?}");
        assert!(groups_of(&BTreeMap::new()).is_empty());
    }
}
