//! Wallets with expired holds or lots.

use chrono::{DateTime, Utc};
use flysk_domain::id::WalletId;

use crate::{Conn, StoreResult};

/// Lists at most `limit` wallets with an expired hold or lot; [`super::apply`] without commands cleans them up.
/// Ordered by id, so that concurrent sweepers do not deadlock.
pub async fn list_wallets_to_sweep(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<WalletId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT wallet_id FROM (
             (SELECT wallet_id FROM ledger_holds WHERE state = 'open' AND expires_at <= ? LIMIT ?)
             UNION
             (SELECT wallet_id FROM ledger_lots WHERE is_spent = FALSE AND expires_at <= ? LIMIT ?)
         ) AS due ORDER BY wallet_id LIMIT ?",
    )
    .bind(now)
    .bind(limit)
    .bind(now)
    .bind(limit)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    ids.iter().map(|id| super::decode_text("wallet id", id)).collect()
}

/// Whether a wallet has an expired hold or lot.
pub async fn has_expired(conn: &mut Conn, wallet: WalletId, now: DateTime<Utc>) -> StoreResult<bool> {
    let over: i64 = sqlx::query_scalar(
        "SELECT CAST(EXISTS (SELECT 1 FROM ledger_holds WHERE wallet_id = ? AND state = 'open' AND expires_at <= ?)
                  OR EXISTS (SELECT 1 FROM ledger_lots WHERE wallet_id = ? AND is_spent = FALSE AND expires_at <= ?)
                AS SIGNED)",
    )
    .bind(wallet.to_string())
    .bind(now)
    .bind(wallet.to_string())
    .bind(now)
    .fetch_one(conn)
    .await?;
    Ok(over == 1)
}
