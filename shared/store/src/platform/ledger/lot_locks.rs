//! Lots by id, for refunds of purchases.

use std::collections::{BTreeMap, BTreeSet};

use flysk_domain::id::{LotId, TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{LedgerAccount, Lot, LotPart};

use super::{lots, transactions, wallets};
use crate::{Conn, StoreError, StoreResult};

/// Reads the named lots and locks the wallet until the transaction ends, so that a command of the same transaction
/// finds them unchanged.
pub async fn lock_lots(
    conn: &mut Conn,
    wallet: WalletId,
    named: &[LotId],
) -> StoreResult<BTreeMap<LotId, Lot>> {
    wallets::lock(conn, wallet).await?;
    let named = named.iter().copied().collect();
    let mut found =
        lots::load(conn, &BTreeSet::from([wallet]), &named).await?.remove(&wallet).unwrap_or_default();
    found.retain(|id, _| named.contains(id));
    Ok(found)
}

/// Coins that a transaction took from the balance, by lot.
pub async fn list_taken(
    conn: &mut Conn,
    wallet: WalletId,
    transaction: TransactionId,
) -> StoreResult<Vec<LotPart>> {
    let entries = transactions::load_entries(conn, &BTreeSet::from([wallet]), &[transaction]).await?;
    let entries = entries.into_values().flatten().filter(|entry| entry.account == LedgerAccount::Available);
    let taken = entries.filter_map(|entry| Some((entry.lot?, entry.amount)));
    taken
        .filter(|(_, amount)| *amount < MicroCoins::ZERO)
        .map(|(lot, amount)| {
            let amount = amount
                .checked_neg()
                .map_err(|error| StoreError::InvalidRow { what: "entry", reason: error.to_string() })?;
            Ok(LotPart { lot, amount })
        })
        .collect()
}
