//! Tables `ledger_proofs` and `ledger_proven_sums`: which transactions have been proven, and the sums of their entries.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::platform::ledger::proof::{PROOF_START, ProvenSums};
use sqlx::QueryBuilder;

use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// Rows per `INSERT`.
const MAX_INSERT_ROWS: usize = 1_000;

/// A proven range. It begins behind the one before it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Proof {
    /// Number of the range, from 1.
    pub number: u64,
    /// Id of its last transaction.
    pub through_id: String,
    /// Number of its transactions.
    pub transactions: u64,
    /// Number of their entries.
    pub entries: u64,
    /// Hash of this range and all before it.
    pub chain_hash: String,
}

impl Proof {
    /// Proof that the first range follows.
    pub fn start() -> Self {
        Self {
            number: 0,
            through_id: String::new(),
            transactions: 0,
            entries: 0,
            chain_hash: PROOF_START.to_owned(),
        }
    }
}

const SELECT: &str = "SELECT number, through_id, transactions, entries, chain_hash FROM ledger_proofs ";

/// Finds the last range.
pub async fn find_last_proof(conn: &mut Conn) -> StoreResult<Option<Proof>> {
    Ok(sqlx::query_as(sql!(SELECT, "ORDER BY number DESC LIMIT 1")).fetch_optional(conn).await?)
}

/// Finds the last range and locks its row until the transaction ends.
pub async fn lock_last_proof(conn: &mut Conn) -> StoreResult<Option<Proof>> {
    Ok(sqlx::query_as(sql!(SELECT, "ORDER BY number DESC LIMIT 1 FOR UPDATE")).fetch_optional(conn).await?)
}

/// Lists at most `limit` ranges after number `after`, in order.
pub(super) async fn list_proofs(conn: &mut Conn, after: u64, limit: u32) -> StoreResult<Vec<Proof>> {
    Ok(sqlx::query_as(sql!(SELECT, "WHERE number > ? ORDER BY number LIMIT ?"))
        .bind(after)
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Inserts a range. [`crate::StoreError::Duplicate`] if another verification has proven it.
pub async fn insert_proof(conn: &mut Conn, proof: &Proof, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO ledger_proofs (number, through_id, transactions, entries, chain_hash, proven_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(proof.number)
    .bind(&proof.through_id)
    .bind(proof.transactions)
    .bind(proof.entries)
    .bind(&proof.chain_hash)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds the sums of range number `number` to those of all ranges before it, in the transaction that inserts the range.
pub async fn add_proven_sums(
    conn: &mut Conn,
    number: u64,
    sums: &BTreeMap<String, ProvenSums>,
) -> StoreResult<()> {
    let sums: Vec<(&String, &ProvenSums)> = sums.iter().collect();
    for rows in sums.chunks(MAX_INSERT_ROWS) {
        let mut query = QueryBuilder::new(
            "INSERT INTO ledger_proven_sums (subject_id, available_micro, held_micro, proof_number) ",
        );
        query.push_values(rows, |mut row, (subject, moved)| {
            row.push_bind((*subject).clone())
                .push_bind(moved.available)
                .push_bind(moved.held)
                .push_bind(number);
        });
        query.push(
            " ON DUPLICATE KEY UPDATE available_micro = available_micro + VALUES(available_micro),
                held_micro = held_micro + VALUES(held_micro), proof_number = VALUES(proof_number)",
        );
        query.build().execute(&mut *conn).await?;
    }
    Ok(())
}

/// Numbers of the ranges up to `number` whose balances have not been found right yet.
pub(super) async fn list_uncompared(conn: &mut Conn, number: u64) -> StoreResult<Vec<u64>> {
    Ok(sqlx::query_scalar(
        "SELECT number FROM ledger_proofs WHERE compared_at IS NULL AND number <= ? ORDER BY number",
    )
    .bind(number)
    .fetch_all(conn)
    .await?)
}

/// Records that the balances which the ranges up to `number` moved are right.
pub async fn mark_compared(conn: &mut Conn, number: u64, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query("UPDATE ledger_proofs SET compared_at = ? WHERE compared_at IS NULL AND number <= ?")
        .bind(now)
        .bind(number)
        .execute(conn)
        .await?;
    Ok(())
}

/// Deletes all proofs; the next verification proves the ledger from its beginning. `next` is the number after the last range, whose
/// row the caller has locked. [`crate::StoreError::Duplicate`] if that range has been proven meanwhile.
///
/// The number is inserted and deleted with the others: on a cluster, where locks are local to a node, a verification may prove the
/// range on another node. Of two transactions that write one key one commits.
pub async fn forget_proofs(conn: &mut Conn, next: u64) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO ledger_proofs (number, through_id, transactions, entries, chain_hash, proven_at)
         VALUES (?, '', 0, 0, '', '1970-01-01')",
    )
    .bind(next)
    .execute(&mut *conn)
    .await?;
    sqlx::query("DELETE FROM ledger_proofs").execute(&mut *conn).await?;
    sqlx::query("DELETE FROM ledger_proven_sums").execute(conn).await?;
    Ok(())
}
