//! The due dates that the database stores: the clock stops at each.

use chrono::{DateTime, Utc};
use flysk_store::Pool;

/// The next date of each stored kind after a time. Every statement has one placeholder, the time, and returns one date.
const DUE_DATES: &[&str] = &[
    "SELECT MIN(run_at) FROM jobs WHERE state = 'queued' AND run_at > ?",
    // A lease is over after its end.
    "SELECT MIN(d.due) FROM (SELECT lease_until + INTERVAL 1 SECOND AS due FROM jobs WHERE state = 'running') d
        WHERE d.due > ?",
    "SELECT MIN(poll_at) FROM coin_purchases WHERE poll_at > ?",
    "SELECT MIN(expires_at) FROM ledger_holds WHERE state = 'open' AND expires_at > ?",
    "SELECT MIN(expires_at) FROM ledger_lots WHERE left_micro > 0 AND expires_at > ?",
    "SELECT MIN(next_due_at) FROM subscriptions WHERE next_due_at > ?",
    "SELECT MIN(charge_at) FROM subscription_invoices WHERE charge_at > ?",
    "SELECT MIN(due_at) FROM subscription_invoices WHERE state = 'open' AND due_at > ?",
    "SELECT MIN(query_at) FROM invoice_payments WHERE query_at > ?",
    "SELECT MIN(due_at) FROM invoice_receipts WHERE state IN ('waiting', 'sending') AND due_at > ?",
    // The renewal of a token pair is due two hours before its access token expires, and a week after the last one.
    "SELECT MIN(d.due) FROM (SELECT t.expires_at - INTERVAL 2 HOUR + INTERVAL 1 SECOND AS due FROM install_tokens t
        JOIN installs i ON i.id = t.install_id WHERE t.state <> 'refused' AND i.status = 'active') d WHERE d.due > ?",
    "SELECT MIN(d.due) FROM (SELECT t.refreshed_at + INTERVAL 7 DAY + INTERVAL 1 SECOND AS due FROM install_tokens t
        JOIN installs i ON i.id = t.install_id WHERE t.state <> 'refused' AND i.status <> 'uninstalled') d
        WHERE d.due > ?",
    "SELECT MIN(retry_at) FROM install_tokens WHERE state <> 'refused' AND retry_at > ?",
    // An act is due with the first moment of its day in Moscow.
    "SELECT MIN(d.due) FROM (SELECT TIMESTAMP(due_on) - INTERVAL 3 HOUR AS due FROM transfer_acts
        WHERE state = 'due') d WHERE d.due > ?",
];

/// What a tick of the schedule picks up within half a minute. Every statement has one placeholder, the time, and counts
/// what is overdue.
const OVERDUE: &[&str] = &[
    "SELECT COUNT(*) FROM subscriptions WHERE next_due_at <= ?",
    "SELECT COUNT(*) FROM subscription_invoices WHERE charge_at <= ?",
    "SELECT COUNT(*) FROM invoice_payments WHERE query_at <= ?",
    "SELECT COUNT(*) FROM invoice_receipts WHERE state IN ('waiting', 'sending') AND due_at <= ?",
    "SELECT COUNT(*) FROM coin_purchases WHERE poll_at <= ?",
];

/// Whether something is overdue for the next tick of the schedule.
pub(crate) async fn is_overdue(pool: &Pool, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    let mut conn = pool.acquire().await?;
    for statement in OVERDUE {
        let count: i64 = sqlx::query_scalar(*statement).bind(now).fetch_one(&mut *conn).await?;
        if count > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The earliest stored due date after `now`; `None` if there is none.
pub(crate) async fn next(pool: &Pool, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let mut conn = pool.acquire().await?;
    let mut earliest: Option<DateTime<Utc>> = None;
    for statement in DUE_DATES {
        let due: Option<DateTime<Utc>> =
            sqlx::query_scalar(*statement).bind(now).fetch_one(&mut *conn).await?;
        earliest = earliest.into_iter().chain(due).min();
    }
    Ok(earliest)
}
