//! Figures of a period: what was created, sold, spent or refunded.

use chrono::{DateTime, Utc};
use flysk_domain::admin::Figure;
use flysk_domain::id::{EventId, InstallId, SubscriptionId, TransactionId, TranscriptionId};

use crate::{Conn, StoreResult};

/// Figures by the ids of their rows, with the prefix of the ids. Ids begin with the time of their creation, so the rows of a
/// period are a range of the primary key.
const BY_ID: [(Figure, &str, &str); 6] = [
    (Figure::InstallsNew, InstallId::PREFIX, "SELECT COUNT(*) FROM installs WHERE id >= ? AND id < ?"),
    (
        Figure::TrialsStarted,
        SubscriptionId::PREFIX,
        "SELECT COUNT(*) FROM subscriptions WHERE id >= ? AND id < ? AND trial_from IS NOT NULL",
    ),
    (
        Figure::CoinsSpent,
        TransactionId::PREFIX,
        "SELECT CAST(COALESCE(SUM(charged_micro - refunded_micro), 0) AS SIGNED) FROM ledger_charges
         WHERE transaction_id >= ? AND transaction_id < ?",
    ),
    (Figure::Calls, TranscriptionId::PREFIX, "SELECT COUNT(*) FROM transcriptions WHERE id >= ? AND id < ?"),
    (
        Figure::CallsFailed,
        TranscriptionId::PREFIX,
        "SELECT COUNT(*) FROM transcriptions WHERE id >= ? AND id < ? AND state = 'failed'",
    ),
    (
        Figure::EventsFailed,
        EventId::PREFIX,
        "SELECT COUNT(*) FROM lifecycle_events WHERE id >= ? AND id < ? AND state = 'failed'",
    ),
];

/// Figures by the time of a change. Purchases and calls may wait for days after their creation: for a transfer, or for coins.
const BY_TIME: [(Figure, &str); 7] = [
    (
        Figure::Revenue,
        "SELECT CAST(COALESCE(SUM(price_kopecks), 0) AS SIGNED) FROM coin_purchases
         WHERE credited_at >= ? AND credited_at < ?",
    ),
    (
        Figure::CoinsSold,
        "SELECT CAST(COALESCE(SUM(coins_micro + bonus_micro), 0) AS SIGNED) FROM coin_purchases
         WHERE credited_at >= ? AND credited_at < ?",
    ),
    (
        Figure::SecondsBilled,
        "SELECT CAST(COALESCE(SUM(billed_seconds), 0) AS SIGNED) FROM transcriptions
         WHERE finished_at >= ? AND finished_at < ?",
    ),
    (
        Figure::Refunds,
        "SELECT CAST(COALESCE(SUM(amount_kopecks), 0) AS SIGNED) FROM coin_purchase_refunds
         WHERE updated_at >= ? AND updated_at < ? AND state = 'done'",
    ),
    (
        Figure::Conversions,
        "SELECT COUNT(*) FROM subscription_invoices
         WHERE paid_at >= ? AND paid_at < ? AND kind = 'start' AND period_no = 1",
    ),
    (
        Figure::SubscriptionRevenue,
        "SELECT CAST(COALESCE(SUM(total_kopecks), 0) AS SIGNED) FROM subscription_invoices
         WHERE paid_at >= ? AND paid_at < ?",
    ),
    (
        Figure::SubscriptionRefunds,
        "SELECT CAST(COALESCE(SUM(amount_kopecks), 0) AS SIGNED) FROM invoice_refunds
         WHERE updated_at >= ? AND updated_at < ? AND state = 'done'",
    ),
];

/// Computes a figure of a period; 0 for a figure of the present state.
pub(super) async fn compute(
    conn: &mut Conn,
    figure: Figure,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> StoreResult<i64> {
    for (known, prefix, statement) in BY_ID {
        if known == figure {
            let rows =
                sqlx::query_scalar(statement).bind(first_id(prefix, from)).bind(first_id(prefix, until));
            return Ok(rows.fetch_one(conn).await?);
        }
    }
    for (known, statement) in BY_TIME {
        if known == figure {
            return Ok(sqlx::query_scalar(statement).bind(from).bind(until).fetch_one(conn).await?);
        }
    }
    Ok(0)
}

/// The smallest id with this prefix and time.
fn first_id(prefix: &str, time: DateTime<Utc>) -> String {
    let id = InstallId::first_at(time).to_string();
    format!("{prefix}{}", id.trim_start_matches(InstallId::PREFIX))
}

#[cfg(test)]
pub(super) fn is_known(figure: Figure) -> bool {
    BY_ID.iter().any(|(known, ..)| *known == figure) || BY_TIME.iter().any(|(known, _)| *known == figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_all_kinds_begin_with_the_same_time() {
        let time = DateTime::from_timestamp(1_796_000_000, 0).unwrap();
        for (prefix, first) in [
            (TranscriptionId::PREFIX, TranscriptionId::first_at(time).to_string()),
            (TransactionId::PREFIX, TransactionId::first_at(time).to_string()),
            (InstallId::PREFIX, InstallId::first_at(time).to_string()),
        ] {
            assert_eq!(first_id(prefix, time), first);
        }
    }
}
