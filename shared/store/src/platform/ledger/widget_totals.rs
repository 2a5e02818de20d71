//! Transactions and revenue of a widget, over all its wallets.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::{AccountId, InstallId, WalletId, WidgetId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::ledger::statistics::DaySpent;
use sqlx::QueryBuilder;

use super::history::{SpentRow, day_spent};
use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// Money received and refunded on one day for a widget's Flycoins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayReceived {
    /// The day.
    pub day: NaiveDate,
    /// Number of purchases.
    pub purchases: u64,
    /// Price of the purchases.
    pub received: Kopecks,
    /// Coins of the purchases, without bonus.
    pub coins: MicroCoins,
    /// Money refunded for purchases.
    pub refunded: Kopecks,
}

#[derive(sqlx::FromRow)]
struct ReceivedRow {
    on_day: NaiveDate,
    purchases: i64,
    received: i64,
    coins: i64,
    refunded: i64,
}

/// The install that owns a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalletOwner {
    /// Row of `wallets`; an install has at most one.
    pub wallet_id: WalletId,
    /// Row of `installs`, which has the widget and the account.
    pub install_id: InstallId,
    /// amoCRM's number of the account.
    pub account_id: AccountId,
}

/// Lists the owners of these wallets.
pub async fn list_owners(conn: &mut Conn, wallets: &[WalletId]) -> StoreResult<Vec<WalletOwner>> {
    if wallets.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT w.id, i.id, i.account_id FROM wallets w JOIN installs i ON i.id = w.install_id WHERE w.id",
    );
    push_in(&mut query, wallets.iter().map(ToString::to_string));
    let rows: Vec<(String, String, u64)> = query.build_query_as().fetch_all(conn).await?;
    rows.iter()
        .map(|(wallet, install, account)| {
            Ok(WalletOwner {
                wallet_id: super::decode_text("wallet id", wallet)?,
                install_id: super::decode_text("install id", install)?,
                account_id: AccountId(*account),
            })
        })
        .collect()
}

/// Charged and refunded coins of a widget in a period, by day and service. Days begin `offset_min` minutes before midnight
/// UTC.
pub async fn list_spent_of_widget(
    conn: &mut Conn,
    widget: WidgetId,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    offset_min: i32,
) -> StoreResult<Vec<DaySpent>> {
    let rows: Vec<SpentRow> = sqlx::query_as(
        "SELECT DATE(t.created_at + INTERVAL ? MINUTE) AS on_day, e.account,
                CAST(SUM(GREATEST(e.amount_micro, 0)) AS SIGNED) AS paid,
                CAST(SUM(GREATEST(-e.amount_micro, 0)) AS SIGNED) AS returned,
                CAST(SUM(e.amount_micro > 0) AS SIGNED) AS charges
         FROM wallets w JOIN ledger_transactions t ON t.wallet_id = w.id
             JOIN ledger_entries e ON e.transaction_id = t.id
         WHERE w.widget_id = ? AND t.created_at >= ? AND t.created_at < ? AND e.account LIKE 'spent:%'
         GROUP BY on_day, e.account ORDER BY on_day, e.account",
    )
    .bind(offset_min)
    .bind(widget.to_string())
    .bind(from)
    .bind(until)
    .fetch_all(conn)
    .await?;
    rows.iter().map(day_spent).collect()
}

/// Money received and refunded for a widget's Flycoins in a period, by day: purchases on the day of their credit, refunds on
/// the day on which the bank made them.
pub async fn list_received_of_widget(
    conn: &mut Conn,
    widget: WidgetId,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    offset_min: i32,
) -> StoreResult<Vec<DayReceived>> {
    let rows: Vec<ReceivedRow> = sqlx::query_as(
        "SELECT on_day, CAST(SUM(purchases) AS SIGNED) AS purchases, CAST(SUM(received) AS SIGNED) AS received,
                CAST(SUM(coins) AS SIGNED) AS coins, CAST(SUM(refunded) AS SIGNED) AS refunded
         FROM (
             SELECT DATE(p.credited_at + INTERVAL ? MINUTE) AS on_day, 1 AS purchases,
                    p.price_kopecks AS received, p.coins_micro AS coins, 0 AS refunded
             FROM wallets w JOIN coin_purchases p ON p.wallet_id = w.id
             WHERE w.widget_id = ? AND p.credited_at >= ? AND p.credited_at < ?
             UNION ALL
             SELECT DATE(r.updated_at + INTERVAL ? MINUTE), 0, 0, 0, r.amount_kopecks
             FROM wallets w JOIN coin_purchases p ON p.wallet_id = w.id
                 JOIN coin_purchase_refunds r ON r.purchase_id = p.id
             WHERE w.widget_id = ? AND r.state = 'done' AND r.updated_at >= ? AND r.updated_at < ?
         ) AS movements
         GROUP BY on_day ORDER BY on_day",
    )
    .bind(offset_min)
    .bind(widget.to_string())
    .bind(from)
    .bind(until)
    .bind(offset_min)
    .bind(widget.to_string())
    .bind(from)
    .bind(until)
    .fetch_all(conn)
    .await?;
    Ok(rows
        .iter()
        .map(|row| DayReceived {
            day: row.on_day,
            purchases: u64::try_from(row.purchases).unwrap_or_default(),
            received: Kopecks(row.received),
            coins: MicroCoins(row.coins),
            refunded: Kopecks(row.refunded),
        })
        .collect())
}
