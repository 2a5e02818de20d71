//! Table `ledger_lots`: coins by origin and expiry.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::id::{LotId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Lot;
use sqlx::QueryBuilder;

use crate::error::expect_one;
use crate::listed::push_in;
use crate::{Conn, StoreError, StoreResult};

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    origin: String,
    granted_micro: i64,
    left_micro: i64,
    expires_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Lot {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: super::decode_text("lot id", &row.id)?,
            origin: super::decode_text("lot origin", &row.origin)?,
            granted: MicroCoins(row.granted_micro),
            left: MicroCoins(row.left_micro),
            expires_at: row.expires_at,
            created_at: row.created_at,
        })
    }
}

/// Loads all lots of a wallet with coins left, and the named lots.
pub(super) async fn load(
    conn: &mut Conn,
    wallet: WalletId,
    named: &[LotId],
) -> StoreResult<BTreeMap<LotId, Lot>> {
    let mut query = QueryBuilder::new(
        "SELECT id, origin, granted_micro, left_micro, expires_at, created_at FROM ledger_lots WHERE wallet_id = ",
    );
    query.push_bind(wallet.to_string());
    if named.is_empty() {
        query.push(" AND left_micro > 0");
    } else {
        query.push(" AND (left_micro > 0 OR id");
        push_in(&mut query, named.iter().map(ToString::to_string));
        query.push(")");
    }
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(|row| Lot::try_from(row).map(|lot| (lot.id, lot))).collect()
}

/// Lists at most `limit` lots of a wallet with coins left that expire between `from` and `until`, earliest first.
pub async fn list_expiring_lots(
    conn: &mut Conn,
    wallet: WalletId,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    limit: u32,
) -> StoreResult<Vec<Lot>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, origin, granted_micro, left_micro, expires_at, created_at FROM ledger_lots
         WHERE wallet_id = ? AND left_micro > 0 AND expires_at > ? AND expires_at <= ?
         ORDER BY expires_at, id LIMIT ?",
    )
    .bind(wallet.to_string())
    .bind(from)
    .bind(until)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Lists all lots of a wallet with coins left, by id.
pub async fn list_open_lots(conn: &mut Conn, wallet: WalletId) -> StoreResult<Vec<Lot>> {
    Ok(load(conn, wallet, &[]).await?.into_values().collect())
}

/// Inserts new lots and updates existing ones.
pub(super) async fn save(
    conn: &mut Conn,
    wallet: WalletId,
    before: &BTreeMap<LotId, Lot>,
    after: &BTreeMap<LotId, Lot>,
) -> StoreResult<()> {
    let fresh: Vec<&Lot> = after.values().filter(|lot| !before.contains_key(&lot.id)).collect();
    if !fresh.is_empty() {
        let mut query = QueryBuilder::new(
            "INSERT INTO ledger_lots (id, wallet_id, origin, granted_micro, left_micro, expires_at, created_at) ",
        );
        query.push_values(fresh, |mut row, lot| {
            row.push_bind(lot.id.to_string())
                .push_bind(wallet.to_string())
                .push_bind(lot.origin.code())
                .push_bind(lot.granted.0)
                .push_bind(lot.left.0)
                .push_bind(lot.expires_at)
                .push_bind(lot.created_at);
        });
        query.build().execute(&mut *conn).await?;
    }
    for lot in after.values() {
        let Some(old) = before.get(&lot.id).filter(|old| *old != lot) else { continue };
        let updated = sqlx::query(
            "UPDATE ledger_lots SET left_micro = ?, expires_at = ? WHERE id = ? AND wallet_id = ? AND left_micro = ?",
        )
        .bind(lot.left.0)
        .bind(lot.expires_at)
        .bind(lot.id.to_string())
        .bind(wallet.to_string())
        .bind(old.left.0)
        .execute(&mut *conn)
        .await?;
        expect_one(&updated, "lot")?;
    }
    Ok(())
}
