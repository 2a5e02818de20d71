//! Table `welcome_bonuses`: accounts that received the welcome bonus of a widget.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, TransactionId, WalletId, WidgetId};

use crate::{Conn, StoreError, StoreResult};

/// Claims the welcome bonus of an account for a widget; `false` if it was granted before. The caller credits it in the
/// same transaction.
pub async fn claim_welcome_bonus(
    conn: &mut Conn,
    widget: WidgetId,
    (platform, account): (&str, AccountId),
    wallet: WalletId,
    transaction: TransactionId,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO welcome_bonuses (widget_id, platform, account_id, wallet_id, transaction_id, granted_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(widget.to_string())
    .bind(platform)
    .bind(account.0)
    .bind(wallet.to_string())
    .bind(transaction.to_string())
    .bind(now)
    .execute(conn)
    .await
    .map_err(StoreError::from);
    match inserted {
        Ok(_) => Ok(true),
        Err(StoreError::Duplicate { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
