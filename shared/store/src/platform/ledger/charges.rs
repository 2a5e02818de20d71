//! Table `ledger_charges`: charged and refunded totals per charge. Lots and services of a charge are read from
//! its entries and the entries of its refunds.

use std::collections::BTreeMap;

use flysk_domain::id::{TransactionId, WalletId};
use flysk_domain::platform::ledger::{Charge, LedgerRefusal};
use sqlx::QueryBuilder;

use super::transactions;
use crate::error::expect_one;
use crate::listed::push_in;
use crate::{Conn, StoreError, StoreResult};

/// Loads the named charges of a wallet.
pub(super) async fn load(
    conn: &mut Conn,
    wallet: WalletId,
    named: &[TransactionId],
) -> StoreResult<BTreeMap<TransactionId, Charge>> {
    if named.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut query = QueryBuilder::new("SELECT transaction_id FROM ledger_charges WHERE wallet_id = ");
    query.push_bind(wallet.to_string()).push(" AND transaction_id");
    push_in(&mut query, named.iter().map(ToString::to_string));
    let known: Vec<String> = query.build_query_scalar().fetch_all(&mut *conn).await?;
    let known: Vec<TransactionId> =
        known.iter().map(|id| super::decode_text("transaction id", id)).collect::<StoreResult<_>>()?;
    let own = transactions::load_entries(conn, wallet, &known).await?;
    let refunds = transactions::load_refund_entries(conn, wallet, &known).await?;
    let entries = |of: &BTreeMap<_, Vec<_>>, id| of.get(&id).cloned().unwrap_or_default();
    let charge = |id| {
        let charge = Charge::from_entries(id, &entries(&own, id), &entries(&refunds, id)).map_err(corrupt)?;
        Ok((id, charge))
    };
    known.into_iter().map(charge).collect()
}

/// Inserts new charges and updates the refunded total of existing ones.
pub(super) async fn save(
    conn: &mut Conn,
    wallet: WalletId,
    before: &BTreeMap<TransactionId, Charge>,
    after: &BTreeMap<TransactionId, Charge>,
) -> StoreResult<()> {
    let fresh = after.values().filter(|charge| !before.contains_key(&charge.id));
    let fresh: Vec<(TransactionId, i64, i64)> = fresh.map(sums).collect::<StoreResult<_>>()?;
    if !fresh.is_empty() {
        let mut query = QueryBuilder::new(
            "INSERT INTO ledger_charges (transaction_id, wallet_id, charged_micro, refunded_micro) ",
        );
        query.push_values(fresh, |mut row, (id, paid, returned)| {
            row.push_bind(id.to_string()).push_bind(wallet.to_string()).push_bind(paid).push_bind(returned);
        });
        query.build().execute(&mut *conn).await?;
    }
    for charge in after.values() {
        let Some(old) = before.get(&charge.id).filter(|old| *old != charge) else { continue };
        let updated = sqlx::query(
            "UPDATE ledger_charges SET refunded_micro = ?
             WHERE transaction_id = ? AND wallet_id = ? AND refunded_micro = ?",
        )
        .bind(sums(charge)?.2)
        .bind(charge.id.to_string())
        .bind(wallet.to_string())
        .bind(sums(old)?.2)
        .execute(&mut *conn)
        .await?;
        expect_one(&updated, "charge")?;
    }
    Ok(())
}

fn sums(charge: &Charge) -> StoreResult<(TransactionId, i64, i64)> {
    Ok((charge.id, charge.paid().map_err(corrupt)?.0, charge.returned().map_err(corrupt)?.0))
}

fn corrupt(reason: LedgerRefusal) -> StoreError {
    StoreError::InvalidRow { what: "charge", reason: reason.to_string() }
}
