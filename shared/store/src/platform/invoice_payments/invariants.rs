//! Invariants between subscriptions, invoices, attempts, consents and refunds. A violation is a defect.

use chrono::{DateTime, TimeDelta, Utc};

use super::refunds::BY_SYSTEM;
use crate::platform::subscriptions::SubscriptionViolation;
use crate::{Conn, StoreResult};

/// Age of the oldest attempts and invoices that are checked; the check runs every hour.
const CHECKED_PERIOD: TimeDelta = TimeDelta::days(2);
/// Maximum age of an attempt that may still take money: a form is paid within three hours, and the bank decides about a charge within
/// one. Until it ends, the invoice cannot be paid by another attempt.
const ATTEMPT_LEEWAY: TimeDelta = TimeDelta::hours(4);

/// Names of all rules.
pub const PAYMENT_RULES: [&str; 7] = [
    "charged_without_consent",
    "charged_after_unlinking",
    "paid_without_payment",
    "payment_kept",
    "refunds_not_counted",
    "attempt_undecided",
    "receipt_missing",
];

/// Checks every rule on what changed within two days; returns at most `limit` violations of each.
///
/// The indexes are named: for the first few ids in order a server may prefer to read all rows by their ids.
pub async fn verify_payments(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<SubscriptionViolation>> {
    let [without_consent, after_unlinking, without_payment, kept, not_counted, undecided, receipt_missing] =
        PAYMENT_RULES;
    let since = now - CHECKED_PERIOD;
    let mut found = Vec::new();
    report(&mut found, without_consent, charges_without_consent(conn, since, limit).await?);
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
    report(&mut found, kept, kept_payments(conn, since, limit).await?);
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
    report(&mut found, undecided, list_undecided(conn, now, limit).await?);
    report(&mut found, receipt_missing, list_without_receipt(conn, since, limit).await?);
    Ok(found)
}

/// Subscriptions with a prepayment that was not refunded completely and has no closing receipt, neither planned nor registered,
/// although the seller gives them and has changed nothing since.
async fn list_without_receipt(conn: &mut Conn, since: DateTime<Utc>, limit: u32) -> StoreResult<Vec<String>> {
    let ids = sqlx::query_scalar(
        "SELECT p.subscription_id FROM invoice_payments p FORCE INDEX (invoice_payments_updated)
             JOIN subscription_invoices i ON i.id = p.invoice_id JOIN vendors v ON v.id = i.vendor_id
         WHERE p.updated_at >= ? AND p.state = 'paid' AND p.receipt_kind = 'prepayment'
           AND v.closing_receipts = TRUE AND v.updated_at <= p.paid_at
           AND p.amount_kopecks > (
               SELECT COALESCE(SUM(r.amount_kopecks), 0) FROM invoice_refunds r
               WHERE r.payment_row_id = p.id AND r.state <> 'refused')
           AND NOT EXISTS (
               SELECT 1 FROM invoice_receipts c WHERE c.payment_row_id = p.id AND c.state <> 'cancelled')
         ORDER BY p.id LIMIT ?",
    )
    .bind(since)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

/// Subscriptions with an attempt that keeps its invoice from being paid for too long.
async fn list_undecided(conn: &mut Conn, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<String>> {
    let ids = sqlx::query_scalar(
        "SELECT p.subscription_id FROM invoice_payments p FORCE INDEX (invoice_payments_state)
         WHERE p.state IN ('opening', 'open', 'charging', 'cancelling', 'review') AND p.created_at < ?
         ORDER BY p.id LIMIT ?",
    )
    .bind(now - ATTEMPT_LEEWAY)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

/// Subscriptions with a charge that had no valid consent when it was sent.
async fn charges_without_consent(
    conn: &mut Conn,
    since: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<String>> {
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
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

/// Subscriptions with money that pays nothing and is not being returned. Of two payments that were both kept, the later one is
/// reported; a payment that was returned does not make the other one superfluous.
async fn kept_payments(conn: &mut Conn, since: DateTime<Utc>, limit: u32) -> StoreResult<Vec<String>> {
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
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

fn report(found: &mut Vec<SubscriptionViolation>, rule: &'static str, ids: Vec<String>) {
    found.extend(ids.into_iter().map(|subscription_id| SubscriptionViolation { rule, subscription_id }));
}
