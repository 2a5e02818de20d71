//! Balances against the proven sums and the entries behind them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use flysk_domain::platform::ledger::proof::{PROOF_START, ProvenSums, prove_range};
use sqlx::Connection as _;

use super::proofs::{self, Proof};
use super::ranges::{self, LedgerRange};
use super::{UNBALANCED, Verification, balances, unbalanced};
use crate::listed::push_in;
use crate::{Conn, Pool, StoreResult};

/// Rows per page.
const PAGE_SIZE: u32 = 1_000;
/// Beginning of the ids of lots.
const LOTS: (&str, &str) = ("lot_", "lot_~");

/// Result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Counts and violations: of the entries behind the last proof, and of all wallets.
    pub verification: Verification,
    /// Number of the last proof whose balances are right; `None` if a lot is wrong, so that it is reported again.
    pub compared: Option<u64>,
}

/// The part of a verification that is read in one snapshot.
struct Snapshot<'a> {
    conn: &'a mut Conn,
    limit: u32,
    found: Verification,
    /// Sums of the entries behind the last proof, by wallet and by lot.
    unproven: BTreeMap<String, ProvenSums>,
}

/// Checks the transactions behind the last proof, and compares balances with the proven sums and these transactions: those of
/// all wallets, and those of lots that have entries since they were last found right. Reports at most `limit`
/// discrepancies per rule.
///
/// Runs in a consistent snapshot on its own connection: concurrent writes do not affect it, and it takes no locks.
pub async fn compare_with_proofs(pool: &Pool, limit: u32) -> StoreResult<Comparison> {
    let mut conn = pool.acquire().await?;
    // Applies to the next transaction only; the session's level is unchanged.
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *conn).await?;
    let mut tx = conn.begin().await?;
    let last = proofs::find_last_proof(&mut tx).await?.unwrap_or_else(Proof::start);
    let mut snapshot =
        Snapshot { conn: &mut tx, limit, found: Verification::default(), unproven: BTreeMap::new() };
    snapshot.read_unproven(&last.through_id).await?;
    snapshot.compare_wallets().await?;
    let is_right = snapshot.compare_lots(last.number).await?;
    let verification = snapshot.found.in_order();
    tx.rollback().await?;
    Ok(Comparison { verification, compared: is_right.then_some(last.number) })
}

impl Snapshot<'_> {
    /// Checks the transactions behind the last proof and sums their entries.
    async fn read_unproven(&mut self, after: &str) -> StoreResult<()> {
        let mut after = after.to_owned();
        loop {
            let end = ranges::find_range_end(self.conn, &after, ranges::AFTER_ALL).await?;
            let through = end.clone().unwrap_or_else(|| ranges::AFTER_ALL.to_owned());
            let range = LedgerRange { after, through };
            let proof = prove_range(PROOF_START, 0, &ranges::read_range(self.conn, &range).await?);
            self.found.entries = self.found.entries.saturating_add_unsigned(proof.entries);
            self.found.note(UNBALANCED, unbalanced(proof.unbalanced), self.limit);
            ranges::check_rules(self.conn, &range, self.limit, &mut self.found).await?;
            for (subject, moved) in proof.sums {
                self.unproven.entry(subject).or_default().add(moved);
            }
            let Some(end) = end else { return Ok(()) };
            after = end;
        }
    }

    /// Compares the balances of all wallets, and their held coins with their open holds.
    async fn compare_wallets(&mut self) -> StoreResult<()> {
        let holds: Vec<(String, i64)> = sqlx::query_as(
            "SELECT wallet_id, CAST(SUM(amount_micro) AS SIGNED) FROM ledger_holds WHERE state = 'open'
             GROUP BY wallet_id",
        )
        .fetch_all(&mut *self.conn)
        .await?;
        let holds: HashMap<String, i64> = holds.into_iter().collect();
        let mut after = String::new();
        loop {
            let page: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(
                "SELECT w.id, w.available_micro, w.held_micro,
                        CAST(COALESCE(p.available_micro, 0) AS SIGNED) AS proven_available,
                        CAST(COALESCE(p.held_micro, 0) AS SIGNED) AS proven_held
                 FROM wallets w LEFT JOIN ledger_proven_sums p ON p.subject_id = w.id
                 WHERE w.id > ? ORDER BY w.id LIMIT ?",
            )
            .bind(&after)
            .bind(PAGE_SIZE)
            .fetch_all(&mut *self.conn)
            .await?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.0);
            for (wallet, available, held, proven_available, proven_held) in page {
                self.found.wallets += 1;
                let mut proven = ProvenSums { available: proven_available, held: proven_held };
                proven.add(self.unproven.get(&wallet).copied().unwrap_or_default());
                let open = holds.get(&wallet).copied().unwrap_or_default();
                self.compare(balances::WALLET_AVAILABLE, &wallet, proven.available, available);
                self.compare(balances::WALLET_HELD, &wallet, proven.held, held);
                self.compare(balances::OPEN_HOLDS, &wallet, open, held);
            }
        }
    }

    /// Compares what is left of the lots that have entries since they were last found right; whether all are right.
    async fn compare_lots(&mut self, last: u64) -> StoreResult<bool> {
        let unproven: Vec<(String, ProvenSums)> = self
            .unproven
            .iter()
            .filter(|(subject, _)| subject.starts_with(LOTS.0))
            .map(|(subject, moved)| (subject.clone(), *moved))
            .collect();
        for lots in unproven.chunks(PAGE_SIZE as usize) {
            let mut query = sqlx::QueryBuilder::new(
                "SELECT l.id, l.left_micro, CAST(COALESCE(p.available_micro, 0) AS SIGNED) AS proven
                 FROM ledger_lots l LEFT JOIN ledger_proven_sums p ON p.subject_id = l.id WHERE l.id",
            );
            push_in(&mut query, lots.iter().map(|(lot, _)| lot.clone()));
            let rows: Vec<(String, i64, i64)> = query.build_query_as().fetch_all(&mut *self.conn).await?;
            let stored: HashMap<String, (i64, i64)> =
                rows.into_iter().map(|(lot, left, proven)| (lot, (left, proven))).collect();
            for (lot, moved) in lots {
                let (left, proven) = stored.get(lot).copied().unwrap_or_default();
                self.compare(balances::LOT_LEFT, lot, proven.saturating_add(moved.available), left);
            }
        }
        let compared: BTreeSet<String> = unproven.into_iter().map(|(lot, _)| lot).collect();
        for number in proofs::list_uncompared(self.conn, last).await? {
            let rows: Vec<(String, i64, i64)> = sqlx::query_as(
                "SELECT p.subject_id, p.available_micro, CAST(COALESCE(l.left_micro, 0) AS SIGNED) AS balance
                 FROM ledger_proven_sums p LEFT JOIN ledger_lots l ON l.id = p.subject_id
                 WHERE p.proof_number = ? AND p.subject_id BETWEEN ? AND ?",
            )
            .bind(number)
            .bind(LOTS.0)
            .bind(LOTS.1)
            .fetch_all(&mut *self.conn)
            .await?;
            for (lot, proven, left) in rows.iter().filter(|row| !compared.contains(&row.0)) {
                self.compare(balances::LOT_LEFT, lot, *proven, *left);
            }
        }
        Ok(self.found.discrepancies.iter().all(|one| one.rule != balances::LOT_LEFT))
    }

    fn compare(&mut self, rule: &'static str, row_id: &str, proven: i64, stored: i64) {
        if proven != stored {
            self.found.note(rule, [(row_id.to_owned(), proven, stored)], self.limit);
        }
    }
}
