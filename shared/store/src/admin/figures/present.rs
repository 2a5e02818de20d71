//! Figures of the present state: how many there are now.

use chrono::{DateTime, Utc};
use flysk_domain::admin::{FIGURE_COUNT_LIMIT, Figure};

use crate::{Conn, StoreResult};

/// Figures of customers, all of whom are counted.
const OF_CUSTOMERS: [(Figure, &str); 3] = [
    (Figure::InstallsActive, "SELECT COUNT(*) FROM installs WHERE status = 'active'"),
    (Figure::Trials, "SELECT COUNT(*) FROM subscriptions WHERE state = 'trialing'"),
    (Figure::SubscriptionsActive, "SELECT COUNT(*) FROM subscriptions WHERE state = 'active'"),
];

/// Figures of what waits, counted up to a limit.
const OF_WAITING: [(Figure, &str); 7] = [
    (
        Figure::InstallsReconnect,
        "SELECT COUNT(*) FROM (SELECT id FROM installs WHERE status = 'reconnect' LIMIT ?) AS waiting",
    ),
    (
        Figure::SubscriptionsInReview,
        "SELECT COUNT(*) FROM (SELECT id FROM subscriptions WHERE needs_person = TRUE LIMIT ?) AS waiting",
    ),
    (
        Figure::PaymentsInReview,
        "SELECT COUNT(*) FROM (SELECT id FROM invoice_payments WHERE state = 'review' LIMIT ?) AS waiting",
    ),
    (
        Figure::CallsNoBalance,
        "SELECT COUNT(*) FROM (SELECT id FROM transcriptions WHERE state = 'no_balance' LIMIT ?) AS waiting",
    ),
    (
        Figure::PurchasesInReview,
        "SELECT COUNT(*) FROM (SELECT id FROM coin_purchases WHERE state = 'review' LIMIT ?) AS waiting",
    ),
    (
        Figure::JobsQueued,
        "SELECT COUNT(*) FROM (SELECT id FROM jobs WHERE state = 'queued' LIMIT ?) AS waiting",
    ),
    (Figure::JobsDead, "SELECT COUNT(*) FROM (SELECT id FROM jobs WHERE state = 'dead' LIMIT ?) AS waiting"),
];

/// Computes a figure as of `now`; 0 for a figure of a period.
pub(super) async fn compute(conn: &mut Conn, figure: Figure, now: DateTime<Utc>) -> StoreResult<i64> {
    for (known, statement) in OF_CUSTOMERS {
        if known == figure {
            return Ok(sqlx::query_scalar(statement).fetch_one(conn).await?);
        }
    }
    for (known, statement) in OF_WAITING {
        if known == figure {
            let counted = sqlx::query_scalar(statement).bind(FIGURE_COUNT_LIMIT + 1);
            return Ok(counted.fetch_one(conn).await?);
        }
    }
    if figure == Figure::JobsOldest {
        return oldest_due_job(conn, now).await;
    }
    Ok(0)
}

/// Since when the oldest due job has waited, in seconds. A relay pushes jobs in the order of `push_at`, so that the oldest is
/// among the first, or its push has been put off for less than a minute.
async fn oldest_due_job(conn: &mut Conn, now: DateTime<Utc>) -> StoreResult<i64> {
    Ok(sqlx::query_scalar(
        "SELECT CAST(COALESCE(TIMESTAMPDIFF(SECOND, MIN(run_at), ?), 0) AS SIGNED)
         FROM (SELECT run_at FROM jobs FORCE INDEX (jobs_due) WHERE state = 'queued' ORDER BY push_at LIMIT ?) AS waiting
         WHERE run_at <= ?",
    )
    .bind(now)
    .bind(FIGURE_COUNT_LIMIT)
    .bind(now)
    .fetch_one(conn)
    .await?)
}

#[cfg(test)]
pub(super) fn is_known(figure: Figure) -> bool {
    OF_CUSTOMERS.iter().chain(&OF_WAITING).any(|(known, _)| *known == figure) || figure == Figure::JobsOldest
}
