//! Proof of the ledger: the hash of a range of transactions, and the coins that it moves.
//!
//! A verification reads the transactions in the order of their ids, range after range, and stores what it has proven: a hash
//! of the range and of all ranges before it, and the sums of wallets and lots. The next verification reads only what follows.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::LedgerAccount;
use crate::money::{MicroCoins, WideSum};

/// Hash before the first range.
pub const PROOF_START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Transactions younger than this are read again by the next verification.
///
/// An id is made shortly before its transaction, which may commit after a transaction with a larger id. A range must not end
/// before all its transactions are visible. A transaction takes milliseconds and waits at most 10 s for each lock.
pub const PROOF_MARGIN: TimeDelta = TimeDelta::hours(1);

/// A transaction as it is stored, with its entries in the order of their lines.
///
/// Ids and codes are texts: what cannot be parsed is to be proven, too. Reference and receipt are missing, because they move
/// no coins and may be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTransaction {
    /// Text with the prefix `ltx_`, unless the row was tampered with.
    pub id: String,
    /// Id of the wallet.
    pub wallet: String,
    /// Code of the kind.
    pub kind: String,
    /// Id of the hold that the transaction placed or ended.
    pub hold: Option<String>,
    /// Id of the transaction that this one reverses.
    pub reverses: Option<String>,
    /// When the command was applied; UTC, microseconds.
    pub at: DateTime<Utc>,
    /// In the order of their lines.
    pub entries: Vec<StoredEntry>,
}

/// One side of a stored transaction, unparsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Number of the entry in its transaction.
    pub line: u16,
    /// Id of the wallet.
    pub wallet: String,
    /// Code of the ledger account.
    pub account: String,
    /// Id of the lot; set on a wallet's accounts only.
    pub lot: Option<String>,
    /// Signed amount.
    pub amount: MicroCoins,
}

/// Sums of entries, micro-Flycoins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProvenSums {
    /// Of the account `available`.
    pub available: i64,
    /// Of the account `held`.
    pub held: i64,
}

impl ProvenSums {
    /// Adds other sums. One that does not fit stays at the limit, which equals no stored balance.
    pub fn add(&mut self, other: Self) {
        self.available = self.available.saturating_add(other.available);
        self.held = self.held.saturating_add(other.held);
    }
}

/// Hash and sums that prove a range of transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeProof {
    /// Number of transactions.
    pub transactions: u64,
    /// Number of entries.
    pub entries: u64,
    /// SHA-256 of the range and of the hash before it, lower-case hex.
    pub hash: String,
    /// Sums by the id of the wallet, and by the id of the lot.
    pub sums: BTreeMap<String, ProvenSums>,
    /// Transactions whose entries do not sum to zero, or that have fewer than two, with the sum of their entries.
    pub unbalanced: Vec<(String, i64)>,
}

/// Proves range number `number`, which follows a range with the hash `previous_hash`. The transactions are in the order of
/// their ids.
pub fn prove_range(previous_hash: &str, number: u64, transactions: &[StoredTransaction]) -> RangeProof {
    let mut hash = Sha256::new();
    hash.update(json!([previous_hash, number]).to_string());
    let (mut sums, mut entries, mut unbalanced) = (BTreeMap::new(), 0, Vec::new());
    for transaction in transactions {
        hash.update(text_of(transaction));
        entries += transaction.entries.len() as u64;
        transaction.entries.iter().for_each(|entry| add_entry(&mut sums, entry));
        let sum: WideSum = transaction.entries.iter().map(|entry| entry.amount).sum();
        if sum != WideSum(0) || transaction.entries.len() < 2 {
            unbalanced.push((transaction.id.clone(), i64::try_from(sum.0).unwrap_or(i64::MAX)));
        }
    }
    let hash = format!("{:x}", hash.finalize());
    RangeProof { transactions: transactions.len() as u64, entries, hash, sums, unbalanced }
}

/// JSON, so that no two transactions have the same text.
fn text_of(transaction: &StoredTransaction) -> String {
    let StoredTransaction { id, wallet, kind, hold, reverses, at, entries } = transaction;
    let entries: Vec<_> = entries
        .iter()
        .map(|entry| json!([entry.line, entry.wallet, entry.account, entry.lot, entry.amount.0]))
        .collect();
    json!([id, wallet, kind, hold, reverses, at.timestamp_micros(), entries]).to_string()
}

/// Adds an entry to the sums of its wallet and lot. Only coins that are available belong to a lot's balance.
fn add_entry(sums: &mut BTreeMap<String, ProvenSums>, entry: &StoredEntry) {
    let amount = entry.amount.0;
    match entry.account.parse() {
        Ok(LedgerAccount::Available) => {
            let moved = ProvenSums { available: amount, held: 0 };
            sums.entry(entry.wallet.clone()).or_default().add(moved);
            if let Some(lot) = &entry.lot {
                sums.entry(lot.clone()).or_default().add(moved);
            }
        }
        Ok(LedgerAccount::Held) => {
            sums.entry(entry.wallet.clone()).or_default().add(ProvenSums { available: 0, held: amount });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A charge of some coins of one lot.
    fn charge(number: u32, wallet: u8, amount: i64) -> StoredTransaction {
        let wallet = format!("wal_{wallet}");
        let entry = |line, account: &str, lot: Option<&str>, amount| StoredEntry {
            line,
            wallet: wallet.clone(),
            account: account.to_owned(),
            lot: lot.map(str::to_owned),
            amount: MicroCoins(amount),
        };
        StoredTransaction {
            id: format!("ltx_{number:08}"),
            wallet: wallet.clone(),
            kind: "charge".to_owned(),
            hold: None,
            reverses: None,
            at: DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::from(number)),
            entries: vec![
                entry(0, "available", Some("lot_1"), -amount),
                entry(1, "spent:acme.work", None, amount),
            ],
        }
    }

    fn charges(amounts: &[(u8, i64)]) -> Vec<StoredTransaction> {
        (0..).zip(amounts).map(|(number, (wallet, amount))| charge(number, *wallet, *amount)).collect()
    }

    #[test]
    fn every_part_of_a_transaction_changes_the_hash() {
        let hash = |transaction: &StoredTransaction| {
            prove_range(PROOF_START, 1, std::slice::from_ref(transaction)).hash
        };
        let whole = charge(7, 1, 30);
        let mut others = vec![whole.clone(); 11];
        others[0].id.push('0');
        others[1].wallet.push('0');
        others[2].kind = "capture".to_owned();
        others[3].hold = Some("hld_1".to_owned());
        others[4].reverses = Some("ltx_1".to_owned());
        others[5].at += TimeDelta::microseconds(1);
        others[6].entries[0].line = 2;
        others[7].entries[0].account = "held".to_owned();
        others[8].entries[0].lot = None;
        others[9].entries[1].amount = MicroCoins(31);
        others[10].entries.pop();
        for other in &others {
            assert_ne!(hash(other), hash(&whole), "{other:?}");
        }
        assert_eq!(hash(&whole).len(), PROOF_START.len());
        let only = std::slice::from_ref(&whole);
        assert_ne!(prove_range(PROOF_START, 2, only).hash, hash(&whole));
        assert_ne!(prove_range(&hash(&whole), 1, only).hash, hash(&whole));
    }

    #[test]
    fn a_transaction_without_its_counterpart_is_unbalanced() {
        let mut transactions = charges(&[(1, 30), (1, 5), (1, 7)]);
        transactions[0].entries.pop();
        transactions[1].entries.clear();
        let proof = prove_range(PROOF_START, 1, &transactions);
        assert_eq!(proof.unbalanced, [("ltx_00000000".to_owned(), -30), ("ltx_00000001".to_owned(), 0)]);
        assert_eq!((proof.transactions, proof.entries), (3, 3));
    }

    proptest! {
        /// Wherever ranges end, their sums are those of the whole, and the hash of the last one tells a removed transaction.
        #[test]
        fn ranges_sum_to_the_whole(
            amounts in prop::collection::vec((0_u8..4, 1_i64..1_000), 1..40),
            ends in prop::collection::vec(0_usize..40, 0..4),
            removed in any::<prop::sample::Index>(),
        ) {
            let all = charges(&amounts);
            let whole = prove_range(PROOF_START, 1, &all);
            let mut bounds: Vec<usize> = ends.iter().map(|end| end % (all.len() + 1)).collect();
            bounds.extend([0, all.len()]);
            bounds.sort_unstable();
            let chain = |transactions: &[StoredTransaction], removed: Option<usize>| {
                let (mut hash, mut sums) = (PROOF_START.to_owned(), BTreeMap::<String, ProvenSums>::new());
                for (number, pair) in (1..).zip(bounds.windows(2)) {
                    let range: Vec<StoredTransaction> = (pair[0]..pair[1])
                        .filter(|at| Some(*at) != removed)
                        .map(|at| transactions[at].clone())
                        .collect();
                    let proof = prove_range(&hash, number, &range);
                    proof.sums.iter().for_each(|(id, moved)| sums.entry(id.clone()).or_default().add(*moved));
                    hash = proof.hash;
                }
                (hash, sums)
            };
            let (hash, sums) = chain(&all, None);
            prop_assert_eq!(sums, whole.sums);
            prop_assert_ne!(chain(&all, Some(removed.index(all.len()))).0, hash);
        }
    }
}
