//! Table `ledger_lots`: coins by origin and expiry.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use flysk_domain::id::{LotId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Lot;
use sqlx::QueryBuilder;

use super::changed::Changed;
use crate::error::{expect_one, expect_rows};
use crate::listed::{MAX_ROWS, filled_up, in_few_lengths, push_in};
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    wallet_id: String,
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

const SELECT: &str =
    "SELECT id, wallet_id, origin, granted_micro, left_micro, expires_at, created_at FROM ledger_lots WHERE ";

/// Lots by wallet and id.
pub(super) type LotsOf = BTreeMap<WalletId, BTreeMap<LotId, Lot>>;

/// Loads all lots of the wallets with coins left, and those of the named lots that are theirs.
pub(super) async fn load(
    conn: &mut Conn,
    wallets: &BTreeSet<WalletId>,
    named: &BTreeSet<LotId>,
) -> StoreResult<LotsOf> {
    let mut query = QueryBuilder::new(SELECT);
    query.push("is_spent = FALSE AND wallet_id");
    push_in(&mut query, wallets.iter().map(ToString::to_string));
    let mut rows: Vec<Row> = query.build_query_as().fetch_all(&mut *conn).await?;
    // A statement of its own: a condition on the id would read all lots that the wallets ever had.
    if !named.is_empty() {
        let mut query = QueryBuilder::new(SELECT);
        query.push("id");
        push_in(&mut query, named.iter().map(ToString::to_string));
        rows.extend(query.build_query_as::<Row>().fetch_all(conn).await?);
    }
    let mut lots = LotsOf::new();
    for row in rows {
        let wallet = super::decode_text("wallet id", &row.wallet_id)?;
        let lot = Lot::try_from(row)?;
        if wallets.contains(&wallet) {
            lots.entry(wallet).or_default().insert(lot.id, lot);
        }
    }
    Ok(lots)
}

/// Lists at most `limit` lots of a wallet with coins left that expire between `from` and `until`, earliest first.
pub async fn list_expiring_lots(
    conn: &mut Conn,
    wallet: WalletId,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    limit: u32,
) -> StoreResult<Vec<Lot>> {
    let rows: Vec<Row> = sqlx::query_as(sql!(
        SELECT,
        "wallet_id = ? AND is_spent = FALSE AND expires_at > ? AND expires_at <= ? ORDER BY expires_at, id LIMIT ?"
    ))
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
    let rows: Vec<Row> = sqlx::query_as(sql!(SELECT, "wallet_id = ? AND is_spent = FALSE ORDER BY id"))
        .bind(wallet.to_string())
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Inserts new lots and updates existing ones.
pub(super) async fn save(conn: &mut Conn, changed: &[Changed<'_, LotId, Lot>]) -> StoreResult<()> {
    let fresh: Vec<(WalletId, &Lot)> = changed.iter().flat_map(Changed::fresh).collect();
    for rows in in_few_lengths(&fresh) {
        let mut query = QueryBuilder::new(
            "INSERT INTO ledger_lots (id, wallet_id, origin, granted_micro, left_micro, expires_at, created_at) ",
        );
        query.push_values(rows, |mut row, (wallet, lot)| {
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
    let (extended, spent): (Vec<_>, Vec<_>) =
        changed.iter().flat_map(Changed::altered).partition(|(old, lot)| old.expires_at != lot.expires_at);
    for (old, lot) in extended {
        update_extended(conn, old, lot).await?;
    }
    for lots in spent.chunks(MAX_ROWS) {
        update_left(conn, lots).await?;
    }
    Ok(())
}

/// Writes what is left of at most [`MAX_ROWS`] lots, compared with what was left when they were loaded.
async fn update_left(conn: &mut Conn, changed: &[(&Lot, &Lot)]) -> StoreResult<()> {
    let lots = filled_up(changed);
    let mut query = QueryBuilder::new("UPDATE ledger_lots FORCE INDEX (PRIMARY) SET left_micro = CASE id");
    for (_, lot) in &lots {
        query.push(" WHEN ").push_bind(lot.id.to_string());
        query.push(" THEN CAST(").push_bind(lot.left.0).push(" AS SIGNED)");
    }
    query.push(" ELSE left_micro END WHERE left_micro = CASE id");
    for (old, _) in &lots {
        query.push(" WHEN ").push_bind(old.id.to_string());
        query.push(" THEN CAST(").push_bind(old.left.0).push(" AS SIGNED)");
    }
    query.push(" END AND id");
    push_in(&mut query, lots.iter().map(|(_, lot)| lot.id.to_string()));
    expect_rows(&query.build().execute(conn).await?, changed.len(), "lot")
}

/// Writes a lot whose expiry changed, too: a refund of a lot that has expired.
async fn update_extended(conn: &mut Conn, old: &Lot, lot: &Lot) -> StoreResult<()> {
    let updated =
        sqlx::query("UPDATE ledger_lots SET left_micro = ?, expires_at = ? WHERE id = ? AND left_micro = ?")
            .bind(lot.left.0)
            .bind(lot.expires_at)
            .bind(lot.id.to_string())
            .bind(old.left.0)
            .execute(conn)
            .await?;
    expect_one(&updated, "lot")
}
