//! Table `ledger_charges`: charged and refunded totals per charge. Lots and services of a charge are read from
//! its entries and the entries of its refunds.

use std::collections::{BTreeMap, BTreeSet};

use flysk_domain::id::{TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Charge, LedgerRefusal};
use sqlx::QueryBuilder;

use super::changed::Changed;
use super::transactions::{self, EntriesBy};
use crate::error::expect_one;
use crate::listed::{Lengths, push_in};
use crate::{Conn, StoreError, StoreResult};

/// Charges by wallet and id.
pub(super) type ChargesOf = BTreeMap<WalletId, BTreeMap<TransactionId, Charge>>;

/// Loads those of the named charges that are the wallets'.
pub(super) async fn load(
    conn: &mut Conn,
    wallets: &BTreeSet<WalletId>,
    named: &BTreeSet<TransactionId>,
) -> StoreResult<ChargesOf> {
    if named.is_empty() {
        return Ok(ChargesOf::new());
    }
    let mut query =
        QueryBuilder::new("SELECT transaction_id, wallet_id FROM ledger_charges WHERE transaction_id");
    push_in(&mut query, named.iter().map(ToString::to_string));
    let rows: Vec<(String, String)> = query.build_query_as().fetch_all(&mut *conn).await?;
    let mut known: Vec<(TransactionId, WalletId)> = Vec::with_capacity(rows.len());
    for (id, wallet) in &rows {
        known.push((super::decode_text("transaction id", id)?, super::decode_text("wallet id", wallet)?));
    }
    known.retain(|(_, wallet)| wallets.contains(wallet));
    let ids: Vec<TransactionId> = known.iter().map(|(id, _)| *id).collect();
    let own = transactions::load_entries(conn, wallets, &ids).await?;
    let refunds = transactions::load_refund_entries(conn, wallets, &ids).await?;
    let entries = |of: &EntriesBy, id: TransactionId| of.get(&id).cloned().unwrap_or_default();
    let mut charges = ChargesOf::new();
    for (id, wallet) in known {
        let charge = Charge::from_entries(id, &entries(&own, id), &entries(&refunds, id)).map_err(corrupt)?;
        charges.entry(wallet).or_default().insert(id, charge);
    }
    Ok(charges)
}

/// Inserts new charges and updates the refunded total of existing ones.
pub(super) async fn save(
    conn: &mut Conn,
    changed: &[Changed<'_, TransactionId, Charge>],
    lengths: Lengths,
) -> StoreResult<()> {
    let fresh = changed.iter().flat_map(Changed::fresh);
    let fresh: Vec<(WalletId, (TransactionId, i64, i64))> =
        fresh.map(|(wallet, charge)| Ok((wallet, sums(charge)?))).collect::<StoreResult<_>>()?;
    for rows in lengths.split(&fresh) {
        let mut query = QueryBuilder::new(
            "INSERT INTO ledger_charges (transaction_id, wallet_id, charged_micro, refunded_micro) ",
        );
        query.push_values(rows, |mut row, (wallet, (id, paid, returned))| {
            row.push_bind(id.to_string()).push_bind(wallet.to_string()).push_bind(*paid).push_bind(*returned);
        });
        query.build().execute(&mut *conn).await?;
    }
    for (old, charge) in changed.iter().flat_map(Changed::altered) {
        let updated = sqlx::query(
            "UPDATE ledger_charges SET refunded_micro = ? WHERE transaction_id = ? AND refunded_micro = ?",
        )
        .bind(sums(charge)?.2)
        .bind(charge.id.to_string())
        .bind(sums(old)?.2)
        .execute(&mut *conn)
        .await?;
        expect_one(&updated, "charge")?;
    }
    Ok(())
}

/// Amount of a charge or a capture that has been refunded; zero for any other transaction.
pub async fn find_refunded(conn: &mut Conn, charge: TransactionId) -> StoreResult<MicroCoins> {
    let refunded: Option<i64> =
        sqlx::query_scalar("SELECT refunded_micro FROM ledger_charges WHERE transaction_id = ?")
            .bind(charge.to_string())
            .fetch_optional(conn)
            .await?;
    Ok(MicroCoins(refunded.unwrap_or_default()))
}

fn sums(charge: &Charge) -> StoreResult<(TransactionId, i64, i64)> {
    Ok((charge.id, charge.paid().map_err(corrupt)?.0, charge.returned().map_err(corrupt)?.0))
}

fn corrupt(reason: LedgerRefusal) -> StoreError {
    StoreError::InvalidRow { what: "charge", reason: reason.to_string() }
}
