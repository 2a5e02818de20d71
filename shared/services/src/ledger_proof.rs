//! Verification of the ledger of what is new since the last one, and of all of it.
//!
//! What was found right is stored as a proof, in the transaction that read it: ranges of transactions with a hash, and the sums
//! of each wallet and lot. The next verification continues behind the last range. It therefore takes time in proportion to
//! what is new, and to the number of wallets, whose balances are all compared.
//!
//! It cannot see a row that was changed, removed or inserted in a proven range, as long as the balance of the wallet stays what
//! it was. The verification of the whole ledger reads the ranges again and compares their hashes.

use flysk_domain::Clock;
use flysk_domain::id::TransactionId;
use flysk_domain::platform::ledger::proof::{PROOF_MARGIN, prove_range};
use flysk_store::platform::ledger::{self, LedgerRange, Proof, Verification};
use flysk_store::{Pool, StoreError, StoreResult, repeat_while};

/// Verifies what is new since the last verification, and stores what is right; reports at most `limit` discrepancies per rule.
///
/// Two at once do not harm each other: a range is stored once. One that was interrupted is continued by the next.
///
/// # Errors
///
/// The database fails.
pub async fn verify_new_entries(pool: &Pool, clock: &dyn Clock, limit: u32) -> StoreResult<Verification> {
    let horizon = TransactionId::first_at(clock.now() - PROOF_MARGIN).to_string();
    let mut proven: u64 = 0;
    while let Some(entries) =
        repeat_while(may_be_repeated, || prove_next_range(pool, clock, &horizon)).await?
    {
        proven += entries;
    }
    let comparison = ledger::compare_with_proofs(pool, limit).await?;
    if let Some(number) = comparison.compared {
        ledger::mark_compared(&mut *pool.acquire().await?, number, clock.now()).await?;
    }
    let mut verification = comparison.verification;
    verification.entries = verification.entries.saturating_add_unsigned(proven);
    Ok(verification)
}

/// Verifies all transactions, wallets and lots, and that proven ranges are unchanged; reports at most `limit` discrepancies per
/// rule. Reads only.
///
/// # Errors
///
/// The database fails.
pub async fn verify_whole_ledger(pool: &Pool, limit: u32) -> StoreResult<Verification> {
    ledger::verify(&mut *pool.acquire().await?, limit).await
}

/// Forgets what has been proven: the next verification of what is new begins with the first transaction.
///
/// # Errors
///
/// The database fails.
pub async fn forget_proofs(pool: &Pool) -> StoreResult<()> {
    let forget = || async {
        let mut tx = flysk_store::begin(pool).await?;
        let last = ledger::lock_last_proof(&mut tx).await?.unwrap_or_else(Proof::start);
        ledger::forget_proofs(&mut tx, last.number + 1).await?;
        tx.commit().await?;
        StoreResult::Ok(())
    };
    repeat_while(may_be_repeated, forget).await
}

/// Proves the next range of transactions that are older than the horizon; returns the number of its entries. `None` if there
/// are none, or if one is wrong: then the range stays unproven, and every verification reports it until it is right.
async fn prove_next_range(pool: &Pool, clock: &dyn Clock, horizon: &str) -> StoreResult<Option<u64>> {
    let mut tx = flysk_store::begin(pool).await?;
    let last = ledger::lock_last_proof(&mut tx).await?.unwrap_or_else(Proof::start);
    let Some(through) = ledger::find_range_end(&mut tx, &last.through_id, horizon).await? else {
        return Ok(None);
    };
    let range = LedgerRange { after: last.through_id, through };
    let transactions = ledger::read_range(&mut tx, &range).await?;
    let proof = prove_range(&last.chain_hash, last.number + 1, &transactions);
    if !proof.unbalanced.is_empty() || !ledger::check_range(&mut tx, &range).await? {
        return Ok(None);
    }
    let stored = Proof {
        number: last.number + 1,
        through_id: range.through,
        transactions: proof.transactions,
        entries: proof.entries,
        chain_hash: proof.hash,
    };
    // First, because its number is unique: of two verifications one fails here, before it adds anything.
    match ledger::insert_proof(&mut tx, &stored, clock.now()).await {
        // The other one has proven it. However often that happens, there is a next range.
        Err(StoreError::Duplicate { .. }) => return Ok(Some(0)),
        inserted => inserted?,
    }
    ledger::add_proven_sums(&mut tx, stored.number, &proof.sums).await?;
    tx.commit().await?;
    Ok(Some(proof.entries))
}

/// Whether a transaction lost a race, also against another verification that proved the same range.
const fn may_be_repeated(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict(_) | StoreError::Duplicate { .. })
}
