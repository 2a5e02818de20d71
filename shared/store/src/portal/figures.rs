//! Table `widget_figures`: figures of widgets by day. A job computes them, so that the portal scans nothing.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::WidgetFigure;
use flysk_domain::id::{InstallId, TransactionId, VendorId, WidgetId};

use crate::listed::in_few_lengths;
use crate::{Conn, StoreResult, TextColumn};

/// A figure of a day.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DailyWidgetFigure {
    /// Decides the unit of the amount.
    #[sqlx(try_from = "TextColumn")]
    pub figure: WidgetFigure,
    /// The day, UTC.
    pub day: NaiveDate,
    /// Amount in the figure's unit.
    pub amount: i64,
}

/// Lists the figures of a vendor's widget since a day, by figure and day.
pub async fn list_since(
    conn: &mut Conn,
    vendor: VendorId,
    widget: WidgetId,
    since: NaiveDate,
) -> StoreResult<Vec<DailyWidgetFigure>> {
    Ok(sqlx::query_as(
        "SELECT f.figure, f.day, f.amount FROM widgets w JOIN widget_figures f ON f.widget_id = w.id
         WHERE w.id = ? AND w.vendor_id = ? AND f.day >= ? ORDER BY f.figure, f.day",
    )
    .bind(widget.to_string())
    .bind(vendor.to_string())
    .bind(since)
    .fetch_all(conn)
    .await?)
}

/// When the figures of a vendor's widget were last computed.
pub async fn last_update(
    conn: &mut Conn,
    vendor: VendorId,
    widget: WidgetId,
) -> StoreResult<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar(
        "SELECT MAX(f.updated_at) FROM widgets w JOIN widget_figures f ON f.widget_id = w.id
         WHERE w.id = ? AND w.vendor_id = ?",
    )
    .bind(widget.to_string())
    .bind(vendor.to_string())
    .fetch_one(conn)
    .await?)
}

/// Writes a figure of a day for these widgets, or replaces it.
pub async fn write(
    conn: &mut Conn,
    figure: WidgetFigure,
    day: NaiveDate,
    amounts: &[(String, i64)],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    for batch in in_few_lengths(amounts) {
        let mut query = sqlx::QueryBuilder::new(
            "INSERT INTO widget_figures (widget_id, day, figure, amount, updated_at) ",
        );
        query.push_values(batch, |mut row, (widget, amount)| {
            row.push_bind(widget.clone())
                .push_bind(day)
                .push_bind(figure.as_str())
                .push_bind(*amount)
                .push_bind(now);
        });
        query.push(" ON DUPLICATE KEY UPDATE amount = VALUES(amount), updated_at = VALUES(updated_at)");
        query.build().execute(&mut *conn).await?;
    }
    Ok(())
}

/// Computes a figure of the period from `from` until `until` for every widget that has any: ids of widgets with amounts. One of
/// [`WidgetFigure::is_state`] is that of now.
///
/// Ids begin with the time of their creation, so the rows of a period are a range of the primary key. What is paid or refunded
/// belongs to the day on which that happened, and is read by an index of that time.
pub async fn compute(
    conn: &mut Conn,
    figure: WidgetFigure,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> StoreResult<Vec<(String, i64)>> {
    match figure {
        WidgetFigure::InstallsNew | WidgetFigure::InstallsActive => {
            of_installs(conn, figure, from, until).await
        }
        WidgetFigure::SubscriptionsActive
        | WidgetFigure::SubscriptionRevenue
        | WidgetFigure::SubscriptionRefunds => of_subscriptions(conn, figure, from, until).await,
        WidgetFigure::CoinRevenue | WidgetFigure::CoinRefunds | WidgetFigure::CoinsSpent => {
            of_coins(conn, figure, from, until).await
        }
    }
}

async fn of_installs(
    conn: &mut Conn,
    figure: WidgetFigure,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> StoreResult<Vec<(String, i64)>> {
    let query = if figure == WidgetFigure::InstallsActive {
        sqlx::query_as(
            "SELECT widget_id, COUNT(*) AS amount FROM installs WHERE status = 'active' GROUP BY widget_id",
        )
    } else {
        sqlx::query_as(
            "SELECT widget_id, COUNT(*) AS amount FROM installs WHERE id >= ? AND id < ? GROUP BY widget_id",
        )
        .bind(InstallId::first_at(from).to_string())
        .bind(InstallId::first_at(until).to_string())
    };
    Ok(query.fetch_all(conn).await?)
}

async fn of_subscriptions(
    conn: &mut Conn,
    figure: WidgetFigure,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> StoreResult<Vec<(String, i64)>> {
    let query = match figure {
        WidgetFigure::SubscriptionRevenue => sqlx::query_as(
            "SELECT widget_id, CAST(SUM(total_kopecks) AS SIGNED) AS amount FROM subscription_invoices
             WHERE paid_at >= ? AND paid_at < ? GROUP BY widget_id",
        )
        .bind(from)
        .bind(until),
        WidgetFigure::SubscriptionRefunds => sqlx::query_as(
            "SELECT i.widget_id, CAST(SUM(r.amount_kopecks) AS SIGNED) AS amount
             FROM invoice_refunds r JOIN subscription_invoices i ON i.id = r.invoice_id
             WHERE r.state = 'done' AND r.updated_at >= ? AND r.updated_at < ? GROUP BY i.widget_id",
        )
        .bind(from)
        .bind(until),
        _ => sqlx::query_as(
            "SELECT widget_id, COUNT(*) AS amount FROM subscriptions WHERE state = 'active' GROUP BY widget_id",
        ),
    };
    Ok(query.fetch_all(conn).await?)
}

async fn of_coins(
    conn: &mut Conn,
    figure: WidgetFigure,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> StoreResult<Vec<(String, i64)>> {
    let query = match figure {
        WidgetFigure::CoinRefunds => sqlx::query_as(
            "SELECT w.widget_id, CAST(SUM(r.amount_kopecks) AS SIGNED) AS amount
             FROM coin_purchase_refunds r JOIN coin_purchases p ON p.id = r.purchase_id
                 JOIN wallets w ON w.id = p.wallet_id
             WHERE r.state = 'done' AND r.updated_at >= ? AND r.updated_at < ? GROUP BY w.widget_id",
        )
        .bind(from)
        .bind(until),
        WidgetFigure::CoinsSpent => sqlx::query_as(
            "SELECT w.widget_id, CAST(SUM(c.charged_micro - c.refunded_micro) AS SIGNED) AS amount
             FROM ledger_charges c JOIN wallets w ON w.id = c.wallet_id
             WHERE c.transaction_id >= ? AND c.transaction_id < ? GROUP BY w.widget_id",
        )
        .bind(TransactionId::first_at(from).to_string())
        .bind(TransactionId::first_at(until).to_string()),
        _ => sqlx::query_as(
            "SELECT w.widget_id, CAST(SUM(p.price_kopecks) AS SIGNED) AS amount
             FROM coin_purchases p JOIN wallets w ON w.id = p.wallet_id
             WHERE p.credited_at >= ? AND p.credited_at < ? GROUP BY w.widget_id",
        )
        .bind(from)
        .bind(until),
    };
    Ok(query.fetch_all(conn).await?)
}
