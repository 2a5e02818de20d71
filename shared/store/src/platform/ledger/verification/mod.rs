//! Verification: of stored balances against the entries, and of the entries against stored proofs.
//!
//! [`verify`] reads the whole ledger. What has been proven is stored in [`Proof`]s, so that a verification of what is new
//! reads only the entries behind the last one, and every wallet's balance ([`compare_with_proofs`]).
//!
//! Nothing here takes a lock that a charge waits for. Each statement of [`verify`] compares both sides of its rule in one
//! snapshot, so that concurrent writes do not affect it, and reads one page, so that no snapshot is kept for long.

mod balances;
mod comparison;
mod proofs;
mod ranges;

use crate::{Conn, StoreResult};
use flysk_domain::platform::ledger::proof::{PROOF_START, prove_range};

pub use comparison::{Comparison, compare_with_proofs};
pub use proofs::{
    Proof, add_proven_sums, find_last_proof, forget_proofs, insert_proof, lock_last_proof, mark_compared,
};
pub use ranges::{LedgerRange, check_range, find_range_end, read_range};

/// Ranges per page of [`proofs::list_proofs`].
const PROOFS_PER_PAGE: u32 = 500;

/// Names of all rules, in the order of a report.
const RULES: [&str; 9] = [
    UNBALANCED,
    ranges::FOREIGN_ENTRY,
    balances::WALLET_AVAILABLE,
    balances::WALLET_HELD,
    balances::LOT_LEFT,
    balances::OPEN_HOLDS,
    ranges::CHARGED,
    ranges::REFUNDED,
    PROVEN_RANGE,
];
/// A transaction has entries, and they sum to zero.
const UNBALANCED: &str = "transaction sums to zero";
/// A range has the entries that it had when it was proven. Its values are numbers of entries.
pub const PROVEN_RANGE: &str = "proven range";

/// A mismatch between the entries and a stored balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// Name of the violated rule.
    pub rule: &'static str,
    /// Id of the row concerned.
    pub row_id: String,
    /// Value computed from the entries, micro-Flycoins; for a proven range the number of its entries.
    pub proven: i64,
    /// Stored value, in the same unit.
    pub stored: i64,
}

/// Result of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Number of entries checked.
    pub entries: i64,
    /// Number of wallets checked.
    pub wallets: i64,
    /// Mismatches by rule, at most `limit` of each; empty if the ledger is consistent.
    pub discrepancies: Vec<Discrepancy>,
}

impl Verification {
    /// Adds mismatches of a rule: row id, proven and stored value.
    fn note(&mut self, rule: &'static str, found: impl IntoIterator<Item = (String, i64, i64)>, limit: u32) {
        let known = self.discrepancies.iter().filter(|one| one.rule == rule).count();
        let room = (limit as usize).saturating_sub(known);
        let found = found.into_iter().take(room);
        self.discrepancies.extend(found.map(|(row_id, proven, stored)| Discrepancy {
            rule,
            row_id,
            proven,
            stored,
        }));
    }

    fn in_order(mut self) -> Self {
        let rank = |rule| RULES.iter().position(|one| *one == rule);
        self.discrepancies.sort_by_key(|one| rank(one.rule));
        self
    }
}

/// Names of all rules, as used in [`Discrepancy::rule`].
pub fn rules() -> impl Iterator<Item = &'static str> {
    RULES.into_iter()
}

/// Verifies the whole ledger, and that proven ranges are as they were; reports at most `limit` discrepancies per rule.
///
/// Takes time in proportion to the ledger, and the memory of a page.
pub async fn verify(conn: &mut Conn, limit: u32) -> StoreResult<Verification> {
    let mut found = Verification::default();
    let mut last = Proof::start();
    loop {
        let page = proofs::list_proofs(conn, last.number, PROOFS_PER_PAGE).await?;
        if page.is_empty() {
            break;
        }
        for proof in page {
            verify_proven(conn, &last, &proof, limit, &mut found).await?;
            last = proof;
        }
    }
    let mut after = last.through_id;
    loop {
        let end = find_range_end(conn, &after, ranges::AFTER_ALL).await?;
        let range = LedgerRange { after, through: end.clone().unwrap_or_else(|| ranges::AFTER_ALL.into()) };
        verify_unproven(conn, &range, limit, &mut found).await?;
        let Some(end) = end else { break };
        after = end;
    }
    balances::verify_wallets(conn, limit, &mut found).await?;
    balances::verify_lots(conn, limit, &mut found).await?;
    Ok(found.in_order())
}

/// Verifies a proven range: its transactions, and that it still has the same.
async fn verify_proven(
    conn: &mut Conn,
    previous: &Proof,
    proof: &Proof,
    limit: u32,
    found: &mut Verification,
) -> StoreResult<()> {
    let range = LedgerRange { after: previous.through_id.clone(), through: proof.through_id.clone() };
    let transactions = read_range(conn, &range).await?;
    // From the stored hash, so that a changed range is one discrepancy and not one of all that follow.
    let now = prove_range(&previous.chain_hash, proof.number, &transactions);
    found.entries = found.entries.saturating_add_unsigned(now.entries);
    found.note(UNBALANCED, unbalanced(now.unbalanced), limit);
    if now.hash != proof.chain_hash {
        let count = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let row_id = format!("{} through {}", proof.number, proof.through_id);
        found.note(PROVEN_RANGE, [(row_id, count(now.entries), count(proof.entries))], limit);
    }
    ranges::check_rules(conn, &range, limit, found).await
}

/// Verifies the transactions of a range that no proof is stored of.
async fn verify_unproven(
    conn: &mut Conn,
    range: &LedgerRange,
    limit: u32,
    found: &mut Verification,
) -> StoreResult<()> {
    let proof = prove_range(PROOF_START, 0, &read_range(conn, range).await?);
    found.entries = found.entries.saturating_add_unsigned(proof.entries);
    found.note(UNBALANCED, unbalanced(proof.unbalanced), limit);
    ranges::check_rules(conn, range, limit, found).await
}

/// Transactions whose entries do not sum to zero, as discrepancies.
fn unbalanced(found: Vec<(String, i64)>) -> impl Iterator<Item = (String, i64, i64)> {
    found.into_iter().map(|(transaction, sum)| (transaction, 0, sum))
}
