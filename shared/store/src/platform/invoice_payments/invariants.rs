//! Invariants between subscriptions, invoices, attempts, consents and refunds. A violation is a defect.

use chrono::{DateTime, TimeDelta, Utc};

use super::refunds::BY_SYSTEM;
use crate::platform::subscriptions::SubscriptionViolation;
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// Age of the oldest attempts and invoices that are checked; the check runs every hour.
const CHECKED_PERIOD: TimeDelta = TimeDelta::days(2);
/// Maximum age of an attempt that may still take money: a form is paid within three hours, and the bank decides about a charge within
/// one. Until it ends, the invoice cannot be paid by another attempt.
const ATTEMPT_LEEWAY: TimeDelta = TimeDelta::hours(4);

/// A charge had a valid consent when it was sent.
const CHARGED_WITHOUT_CONSENT: &str = "charged_without_consent";
/// No card is charged after it was unlinked.
const CHARGED_AFTER_UNLINKING: &str = "charged_after_unlinking";
/// An invoice that the bank paid by our records has an attempt that says so.
const PAID_WITHOUT_PAYMENT: &str = "paid_without_payment";
/// Money that pays nothing is being returned. Of two payments that were both kept, the later one is reported; a payment that was
/// returned does not make the other one superfluous.
const PAYMENT_KEPT: &str = "payment_kept";
/// The refunded amount of an invoice, which limits further refunds, is the sum of its refunds.
const REFUNDS_NOT_COUNTED: &str = "refunds_not_counted";
/// An attempt keeps its invoice from being paid by another one only for [`ATTEMPT_LEEWAY`].
const ATTEMPT_UNDECIDED: &str = "attempt_undecided";
/// A prepayment that was not refunded completely has a closing receipt, planned or registered, if the seller gives them and has
/// changed nothing since.
const RECEIPT_MISSING: &str = "receipt_missing";

/// Names of all rules.
pub const PAYMENT_RULES: [&str; 7] = [
    CHARGED_WITHOUT_CONSENT,
    CHARGED_AFTER_UNLINKING,
    PAID_WITHOUT_PAYMENT,
    PAYMENT_KEPT,
    REFUNDS_NOT_COUNTED,
    ATTEMPT_UNDECIDED,
    RECEIPT_MISSING,
];

/// Rules of rows that changed. Each statement takes a time and a limit, and returns the subscriptions of rows changed since that
/// violate the rule. The indexes are named: for the first few ids in order a server may prefer to read all rows by their ids.
const RULES_OF_CHANGED_ROWS: [(&str, &str); 6] = [
    (
        CHARGED_WITHOUT_CONSENT,
        "SELECT p.subscription_id FROM invoice_payments p FORCE INDEX (invoice_payments_updated)
         WHERE p.updated_at >= ? AND p.kind = 'charge' AND p.charge_sent_at IS NOT NULL AND NOT EXISTS (
             SELECT 1 FROM subscription_consents c
             WHERE c.card_id = p.card_id AND c.subscription_id = p.subscription_id
               AND c.agreed_at <= p.charge_sent_at
               AND (c.revoked_at IS NULL OR c.revoked_at >= p.charge_sent_at))
         ORDER BY p.id LIMIT ?",
    ),
    (
        CHARGED_AFTER_UNLINKING,
        "SELECT p.subscription_id FROM invoice_payments p FORCE INDEX (invoice_payments_updated)
             JOIN payment_cards k ON k.id = p.card_id
         WHERE p.updated_at >= ? AND p.charge_sent_at > k.unlinked_at ORDER BY p.id LIMIT ?",
    ),
    (
        PAID_WITHOUT_PAYMENT,
        "SELECT i.subscription_id FROM subscription_invoices i FORCE INDEX (subscription_invoices_updated)
         WHERE i.updated_at >= ? AND i.state = 'paid' AND i.paid_by IN ('form', 'card') AND NOT EXISTS (
             SELECT 1 FROM invoice_payments p WHERE p.invoice_id = i.id AND p.state = 'paid')
         ORDER BY i.id LIMIT ?",
    ),
    (
        PAYMENT_KEPT,
        sql!(
            "SELECT p.subscription_id FROM invoice_payments p FORCE INDEX (invoice_payments_updated)
                 JOIN subscription_invoices i ON i.id = p.invoice_id
             WHERE p.updated_at >= ? AND p.state = 'paid'
               AND (i.state <> 'paid' OR i.paid_by NOT IN ('form', 'card') OR EXISTS (
                   SELECT 1 FROM invoice_payments o
                   WHERE o.invoice_id = p.invoice_id AND o.state = 'paid' AND o.id < p.id AND NOT EXISTS (
                       SELECT 1 FROM invoice_refunds s
                       WHERE s.payment_row_id = o.id AND s.requested_by = '",
            BY_SYSTEM,
            "' AND s.state <> 'refused')))
               AND NOT EXISTS (
                   SELECT 1 FROM invoice_refunds r WHERE r.payment_row_id = p.id AND r.state <> 'refused')
             ORDER BY p.id LIMIT ?"
        ),
    ),
    (
        REFUNDS_NOT_COUNTED,
        sql!(
            "SELECT i.subscription_id FROM subscription_invoices i FORCE INDEX (subscription_invoices_updated)
             WHERE i.updated_at >= ? AND i.refunded_kopecks <> (
                 SELECT COALESCE(SUM(r.amount_kopecks), 0) FROM invoice_refunds r
                 WHERE r.invoice_id = i.id AND r.requested_by <> '",
            BY_SYSTEM,
            "' AND r.state <> 'refused')
             ORDER BY i.id LIMIT ?"
        ),
    ),
    (
        RECEIPT_MISSING,
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
    ),
];

/// Checks every rule on what changed within two days, and on the attempts that are open; returns at most `limit` violations of each.
pub async fn verify_payments(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<SubscriptionViolation>> {
    let since = now - CHECKED_PERIOD;
    let mut found = Vec::new();
    for (rule, statement) in RULES_OF_CHANGED_ROWS {
        let ids = sqlx::query_scalar(statement).bind(since).bind(limit).fetch_all(&mut *conn).await?;
        found.extend(SubscriptionViolation::of(rule, ids));
    }
    let ids = sqlx::query_scalar(
        "SELECT p.subscription_id FROM invoice_payments p FORCE INDEX (invoice_payments_state)
         WHERE p.state IN ('opening', 'open', 'charging', 'cancelling', 'review') AND p.created_at < ?
         ORDER BY p.id LIMIT ?",
    )
    .bind(now - ATTEMPT_LEEWAY)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    found.extend(SubscriptionViolation::of(ATTEMPT_UNDECIDED, ids));
    Ok(found)
}
