//! Table `daily_figures`: figures of the dashboard by day. A job computes them, so that the dashboard scans nothing.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::Figure;
use flysk_domain::id::{EventId, InstallId, PurchaseId, SubscriptionId, TransactionId, TranscriptionId};

use crate::{Conn, StoreResult, TextColumn};

/// A figure of a day.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DailyFigure {
    /// The figure.
    #[sqlx(try_from = "TextColumn")]
    pub figure: Figure,
    /// The day, UTC.
    pub day: NaiveDate,
    /// Its amount, in the figure's unit.
    pub amount: i64,
}

/// Writes a figure of a day, or replaces it.
pub async fn write(
    conn: &mut Conn,
    figure: Figure,
    day: NaiveDate,
    amount: i64,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO daily_figures (figure, day, amount, updated_at) VALUES (?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE amount = VALUES(amount), updated_at = VALUES(updated_at)",
    )
    .bind(figure.as_str())
    .bind(day)
    .bind(amount)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists all figures since a day, by figure and day.
pub async fn list_since(conn: &mut Conn, since: NaiveDate) -> StoreResult<Vec<DailyFigure>> {
    Ok(sqlx::query_as("SELECT figure, day, amount FROM daily_figures WHERE day >= ? ORDER BY figure, day")
        .bind(since)
        .fetch_all(conn)
        .await?)
}

/// When the figures were last computed.
pub async fn last_update(conn: &mut Conn) -> StoreResult<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar("SELECT MAX(updated_at) FROM daily_figures").fetch_one(conn).await?)
}

/// Computes a figure of the period from `from` until `until`; one of [`Figure::is_present_state`] is computed as of `now`.
///
/// Ids begin with the time of their creation, so the rows of a period are a range of the primary key.
pub async fn compute(
    conn: &mut Conn,
    figure: Figure,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<i64> {
    let amount = match figure {
        Figure::InstallsNew | Figure::InstallsActive | Figure::InstallsReconnect | Figure::EventsFailed => {
            of_installs(conn, figure, from, until).await?
        }
        Figure::Calls | Figure::CallsFailed | Figure::SecondsBilled | Figure::CallsNoBalance => {
            of_calls(conn, figure, from, until).await?
        }
        Figure::Revenue
        | Figure::CoinsSold
        | Figure::Refunds
        | Figure::CoinsSpent
        | Figure::PurchasesInReview => of_coins(conn, figure, from, until).await?,
        Figure::JobsQueued | Figure::JobsDead | Figure::JobsOldest => of_jobs(conn, figure, now).await?,
        Figure::TrialsStarted
        | Figure::Trials
        | Figure::Conversions
        | Figure::SubscriptionsActive
        | Figure::SubscriptionsInReview
        | Figure::SubscriptionRevenue
        | Figure::SubscriptionRefunds
        | Figure::PaymentsInReview => of_subscriptions(conn, figure, from, until).await?,
    };
    Ok(amount.unwrap_or_default())
}

/// A figure of installs and their events; `None` for all others.
async fn of_installs(
    conn: &mut Conn,
    figure: Figure,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> StoreResult<Option<i64>> {
    let query = match figure {
        Figure::InstallsNew => sqlx::query_scalar("SELECT COUNT(*) FROM installs WHERE id >= ? AND id < ?")
            .bind(InstallId::first_at(from).to_string())
            .bind(InstallId::first_at(until).to_string()),
        Figure::InstallsActive => sqlx::query_scalar("SELECT COUNT(*) FROM installs WHERE status = 'active'"),
        Figure::InstallsReconnect => {
            sqlx::query_scalar("SELECT COUNT(*) FROM installs WHERE status = 'reconnect'")
        }
        Figure::EventsFailed => sqlx::query_scalar(
            "SELECT COUNT(*) FROM lifecycle_events WHERE state = 'failed' AND id >= ? AND id < ?",
        )
        .bind(EventId::first_at(from).to_string())
        .bind(EventId::first_at(until).to_string()),
        _ => return Ok(None),
    };
    Ok(Some(query.fetch_one(conn).await?))
}

/// A figure of calls; `None` for all others.
async fn of_calls(
    conn: &mut Conn,
    figure: Figure,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> StoreResult<Option<i64>> {
    let calls = (TranscriptionId::first_at(from).to_string(), TranscriptionId::first_at(until).to_string());
    let query = match figure {
        Figure::Calls => sqlx::query_scalar("SELECT COUNT(*) FROM transcriptions WHERE id >= ? AND id < ?")
            .bind(calls.0)
            .bind(calls.1),
        Figure::CallsFailed => sqlx::query_scalar(
            "SELECT COUNT(*) FROM transcriptions WHERE id >= ? AND id < ? AND state = 'failed'",
        )
        .bind(calls.0)
        .bind(calls.1),
        Figure::SecondsBilled => sqlx::query_scalar(
            "SELECT CAST(COALESCE(SUM(billed_seconds), 0) AS SIGNED) FROM transcriptions WHERE id >= ? AND id < ?",
        )
        .bind(calls.0)
        .bind(calls.1),
        Figure::CallsNoBalance => {
            sqlx::query_scalar("SELECT COUNT(*) FROM transcriptions WHERE state = 'no_balance'")
        }
        _ => return Ok(None),
    };
    Ok(Some(query.fetch_one(conn).await?))
}

/// A figure of Flycoins and their purchases; `None` for all others.
async fn of_coins(
    conn: &mut Conn,
    figure: Figure,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> StoreResult<Option<i64>> {
    let purchases = (PurchaseId::first_at(from).to_string(), PurchaseId::first_at(until).to_string());
    let query = match figure {
        Figure::Revenue => sqlx::query_scalar(
            "SELECT CAST(COALESCE(SUM(price_kopecks), 0) AS SIGNED) FROM coin_purchases
             WHERE id >= ? AND id < ? AND credited_at IS NOT NULL",
        )
        .bind(purchases.0)
        .bind(purchases.1),
        Figure::CoinsSold => sqlx::query_scalar(
            "SELECT CAST(COALESCE(SUM(coins_micro + bonus_micro), 0) AS SIGNED) FROM coin_purchases
             WHERE id >= ? AND id < ? AND credited_at IS NOT NULL",
        )
        .bind(purchases.0)
        .bind(purchases.1),
        Figure::Refunds => sqlx::query_scalar(
            "SELECT CAST(COALESCE(SUM(amount_kopecks), 0) AS SIGNED) FROM coin_purchase_refunds
             WHERE state = 'done' AND updated_at >= ? AND updated_at < ?",
        )
        .bind(from)
        .bind(until),
        Figure::CoinsSpent => sqlx::query_scalar(
            "SELECT CAST(COALESCE(SUM(charged_micro - refunded_micro), 0) AS SIGNED) FROM ledger_charges
             WHERE transaction_id >= ? AND transaction_id < ?",
        )
        .bind(TransactionId::first_at(from).to_string())
        .bind(TransactionId::first_at(until).to_string()),
        Figure::PurchasesInReview => {
            sqlx::query_scalar("SELECT COUNT(*) FROM coin_purchases WHERE state = 'review'")
        }
        _ => return Ok(None),
    };
    Ok(Some(query.fetch_one(conn).await?))
}

/// A figure of jobs as of `now`; `None` for all others.
async fn of_jobs(conn: &mut Conn, figure: Figure, now: DateTime<Utc>) -> StoreResult<Option<i64>> {
    let query = match figure {
        Figure::JobsQueued => sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'queued'"),
        Figure::JobsDead => sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'dead'"),
        Figure::JobsOldest => sqlx::query_scalar(
            "SELECT CAST(COALESCE(TIMESTAMPDIFF(SECOND, MIN(run_at), ?), 0) AS SIGNED) FROM jobs
             WHERE state = 'queued' AND run_at <= ?",
        )
        .bind(now)
        .bind(now),
        _ => return Ok(None),
    };
    Ok(Some(query.fetch_one(conn).await?))
}

/// A figure of subscriptions and their payments; `None` for all others.
async fn of_subscriptions(
    conn: &mut Conn,
    figure: Figure,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> StoreResult<Option<i64>> {
    let query = match figure {
        Figure::TrialsStarted => sqlx::query_scalar(
            "SELECT COUNT(*) FROM subscriptions WHERE id >= ? AND id < ? AND trial_from IS NOT NULL",
        )
        .bind(SubscriptionId::first_at(from).to_string())
        .bind(SubscriptionId::first_at(until).to_string()),
        Figure::Trials => sqlx::query_scalar("SELECT COUNT(*) FROM subscriptions WHERE state = 'trialing'"),
        Figure::SubscriptionsActive => {
            sqlx::query_scalar("SELECT COUNT(*) FROM subscriptions WHERE state = 'active'")
        }
        Figure::SubscriptionsInReview => {
            sqlx::query_scalar("SELECT COUNT(*) FROM subscriptions WHERE needs_person = TRUE")
        }
        Figure::Conversions => sqlx::query_scalar(
            "SELECT COUNT(*) FROM subscription_invoices
             WHERE paid_at >= ? AND paid_at < ? AND kind = 'start' AND period_no = 1",
        )
        .bind(from)
        .bind(until),
        Figure::SubscriptionRevenue => sqlx::query_scalar(
            "SELECT CAST(COALESCE(SUM(total_kopecks), 0) AS SIGNED) FROM subscription_invoices
             WHERE paid_at >= ? AND paid_at < ?",
        )
        .bind(from)
        .bind(until),
        Figure::SubscriptionRefunds => sqlx::query_scalar(
            "SELECT CAST(COALESCE(SUM(amount_kopecks), 0) AS SIGNED) FROM invoice_refunds
             WHERE state = 'done' AND updated_at >= ? AND updated_at < ?",
        )
        .bind(from)
        .bind(until),
        Figure::PaymentsInReview => {
            sqlx::query_scalar("SELECT COUNT(*) FROM invoice_payments WHERE state = 'review'")
        }
        _ => return Ok(None),
    };
    Ok(Some(query.fetch_one(conn).await?))
}
