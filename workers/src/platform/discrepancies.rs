//! Comparison of a day with the bank's records: its bounds, and the report of what differs.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use flysk_store::platform::purchases::DiscrepancyRow;

/// Beginning and end of a day in UTC.
pub(super) fn day_bounds(day: NaiveDate) -> (DateTime<Utc>, DateTime<Utc>) {
    let from = day.and_time(chrono::NaiveTime::MIN).and_utc();
    (from, from + TimeDelta::days(1))
}

/// Counts and logs a discrepancy.
pub(super) fn report_discrepancy(discrepancy: &DiscrepancyRow) {
    metrics::counter!("flysk_tbank_discrepancies_total", "kind" => discrepancy.kind.clone()).increment(1);
    tracing::error!(
        day = %discrepancy.day, discrepancy = discrepancy.kind, order.id = discrepancy.order_id,
        payment.id = discrepancy.payment_id, ours = discrepancy.ours, banks = discrepancy.banks,
        "discrepancy between the bank's records and ours"
    );
}
