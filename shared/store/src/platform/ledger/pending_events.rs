//! Table `pending_wallet_events`: what happened in wallets and is yet to be published as events.

use chrono::{DateTime, Utc};
use flysk_domain::id::{HoldId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{HoldState, Wallet};

use crate::{Conn, StoreError, StoreResult};

/// What a ledger transaction caused and the backend will be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalletEvent {
    /// The balance fell below the widget's threshold.
    BalanceLow {
        /// Balance after the fall.
        available: MicroCoins,
        /// The threshold.
        threshold: MicroCoins,
    },
    /// Nobody captured or released a hold in time.
    HoldExpired {
        /// The hold.
        hold: HoldId,
        /// Coins of the hold, which returned to the balance.
        amount: MicroCoins,
    },
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingWalletEvent {
    /// Number of the row, in the order of insertion.
    pub id: u64,
    /// Row of `wallets`; an install has at most one.
    pub wallet_id: WalletId,
    /// Becomes an event to the backend.
    pub event: WalletEvent,
    /// When it happened.
    pub happened_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: u64,
    wallet_id: String,
    kind: String,
    hold_id: Option<String>,
    amount_micro: i64,
    threshold_micro: Option<i64>,
    happened_at: DateTime<Utc>,
}

impl TryFrom<Row> for PendingWalletEvent {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let amount = MicroCoins(row.amount_micro);
        let event = match (row.kind.as_str(), &row.hold_id, row.threshold_micro) {
            ("balance_low", None, Some(threshold)) => {
                WalletEvent::BalanceLow { available: amount, threshold: MicroCoins(threshold) }
            }
            ("hold_expired", Some(hold), None) => {
                WalletEvent::HoldExpired { hold: super::decode_text("hold id", hold)?, amount }
            }
            _ => {
                let reason = format!("row {} is not a whole `{}`", row.id, row.kind);
                return Err(StoreError::InvalidRow { what: "pending wallet event", reason });
            }
        };
        let wallet_id = super::decode_text("wallet id", &row.wallet_id)?;
        Ok(Self { id: row.id, wallet_id, event, happened_at: row.happened_at })
    }
}

/// The events of a change from `before` to `after`, in order. `threshold` is the widget's low balance, if it has one.
pub(super) fn caused_by(before: &Wallet, after: &Wallet, threshold: Option<MicroCoins>) -> Vec<WalletEvent> {
    let expired = after.holds.values().filter(|hold| {
        let was_open = before.holds.get(&hold.id).is_some_and(|old| old.state == HoldState::Open);
        hold.state == HoldState::Expired && was_open
    });
    let mut events: Vec<WalletEvent> =
        expired.map(|hold| WalletEvent::HoldExpired { hold: hold.id, amount: hold.amount }).collect();
    if let Some(threshold) = threshold
        && before.available >= threshold
        && after.available < threshold
    {
        events.push(WalletEvent::BalanceLow { available: after.available, threshold });
    }
    events
}

/// Inserts events of a wallet, in the transaction that caused them.
pub(super) async fn insert(
    conn: &mut Conn,
    wallet: WalletId,
    events: &[WalletEvent],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    for event in events {
        let (kind, hold, amount, threshold) = match event {
            WalletEvent::BalanceLow { available, threshold } => {
                ("balance_low", None, available.0, Some(threshold.0))
            }
            WalletEvent::HoldExpired { hold, amount } => {
                ("hold_expired", Some(hold.to_string()), amount.0, None)
            }
        };
        sqlx::query(
            "INSERT INTO pending_wallet_events (wallet_id, kind, hold_id, amount_micro, threshold_micro, happened_at)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(wallet.to_string())
        .bind(kind)
        .bind(hold)
        .bind(amount)
        .bind(threshold)
        .bind(now)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Lists at most `limit` events after row `after`, the oldest first.
pub async fn list_pending_events(
    conn: &mut Conn,
    after: u64,
    limit: u32,
) -> StoreResult<Vec<PendingWalletEvent>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, wallet_id, kind, hold_id, amount_micro, threshold_micro, happened_at FROM pending_wallet_events
         WHERE id > ? ORDER BY id LIMIT ?",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Takes an event for publication, in the transaction that publishes it; `false` if another transaction took it.
pub async fn take_pending_event(conn: &mut Conn, id: u64) -> StoreResult<bool> {
    let taken = sqlx::query("DELETE FROM pending_wallet_events WHERE id = ?").bind(id).execute(conn).await?;
    Ok(taken.rows_affected() == 1)
}
