//! Lots by name, for who gives the money of a purchase back.

use std::collections::BTreeMap;

use flysk_domain::id::{LotId, TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Account, Lot, Part};

use super::{lots, transactions, wallets};
use crate::{Conn, StoreError, StoreResult};

/// The named lots as they are, the wallet locked until the transaction ends: what is read here is still there
/// when a command of the same transaction takes it.
pub async fn lock_lots(
    conn: &mut Conn,
    wallet: WalletId,
    named: &[LotId],
) -> StoreResult<BTreeMap<LotId, Lot>> {
    wallets::lock(conn, wallet).await?;
    let mut found = lots::load(conn, wallet, named).await?;
    found.retain(|id, _| named.contains(id));
    Ok(found)
}

/// What a transaction took out of which lots.
pub async fn list_taken(
    conn: &mut Conn,
    wallet: WalletId,
    transaction: TransactionId,
) -> StoreResult<Vec<Part>> {
    let entries = transactions::load_entries(conn, wallet, &[transaction]).await?;
    let entries = entries.into_values().flatten().filter(|entry| entry.account == Account::Available);
    let taken = entries.filter_map(|entry| Some((entry.lot?, entry.amount)));
    taken
        .filter(|(_, amount)| *amount < MicroCoins::ZERO)
        .map(|(lot, amount)| {
            let amount = amount
                .negated()
                .map_err(|error| StoreError::Corrupt { what: "entry", reason: error.to_string() })?;
            Ok(Part { lot, amount })
        })
        .collect()
}
