//! Invariants between subscriptions, invoices, attempts, consents and refunds. A violation is a defect.

use chrono::{DateTime, TimeDelta, Utc};

use super::refunds::BY_SYSTEM;
use crate::platform::subscriptions::SubscriptionViolation;
use crate::{Conn, StoreResult};

/// How far back attempts and invoices are checked; the check runs every hour.
const CHECKED_PERIOD: TimeDelta = TimeDelta::days(2);

/// Names of all rules.
pub const PAYMENT_RULES: [&str; 5] = [
    "charged_without_consent",
    "charged_after_unlinking",
    "paid_without_payment",
    "payment_kept",
    "refunds_not_counted",
];

/// Checks every rule on what changed within two days; returns at most `limit` violations of each.
///
/// The indexes are named: for the first few ids in order a server may prefer to read all rows by their ids.
pub async fn verify_payments(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<SubscriptionViolation>> {
    let [without_consent, after_unlinking, without_payment, kept, not_counted] = PAYMENT_RULES;
    let since = now - CHECKED_PERIOD;
    let mut found = Vec::new();
    // A charge needs a consent that was valid when it was sent.
    let ids = sqlx::query_scalar(
        "SELECT p.subscription_id FROM invoice_payments p FORCE INDEX (invoice_payments_updated)
         WHERE p.updated_at >= ? AND p.kind = 'charge' AND p.charge_sent_at IS NOT NULL AND NOT EXISTS (
             SELECT 1 FROM subscription_consents c
             WHERE c.card_id = p.card_id AND c.subscription_id = p.subscription_id
               AND c.agreed_at <= p.charge_sent_at
               AND (c.revoked_at IS NULL OR c.revoked_at >= p.charge_sent_at))
         ORDER BY p.id LIMIT ?",
    )
    .bind(since)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    report(&mut found, without_consent, ids);
    let ids = sqlx::query_scalar(
        "SELECT p.subscription_id FROM invoice_payments p FORCE INDEX (invoice_payments_updated)
             JOIN payment_cards k ON k.id = p.card_id
         WHERE p.updated_at >= ? AND p.charge_sent_at > k.unlinked_at ORDER BY p.id LIMIT ?",
    )
    .bind(since)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    report(&mut found, after_unlinking, ids);
    // The bank paid it by our records, and no attempt says so.
    let ids = sqlx::query_scalar(
        "SELECT i.subscription_id FROM subscription_invoices i FORCE INDEX (subscription_invoices_updated)
         WHERE i.updated_at >= ? AND i.state = 'paid' AND i.paid_by IN ('form', 'card') AND NOT EXISTS (
             SELECT 1 FROM invoice_payments p WHERE p.invoice_id = i.id AND p.state = 'paid')
         ORDER BY i.id LIMIT ?",
    )
    .bind(since)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    report(&mut found, without_payment, ids);
    // Money that pays nothing, and is not being returned. Of two payments that were both kept, the later one is reported;
    // a payment that was returned does not make the other one superfluous.
    let ids = sqlx::query_scalar(
        "SELECT p.subscription_id FROM invoice_payments p FORCE INDEX (invoice_payments_updated)
             JOIN subscription_invoices i ON i.id = p.invoice_id
         WHERE p.updated_at >= ? AND p.state = 'paid'
           AND (i.state <> 'paid' OR i.paid_by NOT IN ('form', 'card') OR EXISTS (
               SELECT 1 FROM invoice_payments o
               WHERE o.invoice_id = p.invoice_id AND o.state = 'paid' AND o.id < p.id AND NOT EXISTS (
                   SELECT 1 FROM invoice_refunds s
                   WHERE s.payment_row_id = o.id AND s.requested_by = ? AND s.state <> 'refused')))
           AND NOT EXISTS (
               SELECT 1 FROM invoice_refunds r WHERE r.payment_row_id = p.id AND r.state <> 'refused')
         ORDER BY p.id LIMIT ?",
    )
    .bind(since)
    .bind(BY_SYSTEM)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    report(&mut found, kept, ids);
    // The invoice's amount, which limits further refunds, and the refunds themselves.
    let ids = sqlx::query_scalar(
        "SELECT i.subscription_id FROM subscription_invoices i FORCE INDEX (subscription_invoices_updated)
         WHERE i.updated_at >= ? AND i.refunded_kopecks <> (
             SELECT COALESCE(SUM(r.amount_kopecks), 0) FROM invoice_refunds r
             WHERE r.invoice_id = i.id AND r.requested_by <> ? AND r.state <> 'refused')
         ORDER BY i.id LIMIT ?",
    )
    .bind(since)
    .bind(BY_SYSTEM)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    report(&mut found, not_counted, ids);
    Ok(found)
}

fn report(found: &mut Vec<SubscriptionViolation>, rule: &'static str, ids: Vec<String>) {
    found.extend(ids.into_iter().map(|subscription_id| SubscriptionViolation { rule, subscription_id }));
}
