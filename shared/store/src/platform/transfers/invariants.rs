//! Invariants of money that arrives by transfer. A violation is a defect.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{Conn, StoreResult};

/// Age of the oldest rows that are checked; the check runs every hour.
const CHECKED_PERIOD: TimeDelta = TimeDelta::days(2);

/// Every kopeck of an operation is in one place.
const MONEY_NOT_PLACED: &str = "money_not_placed";
/// Money of an operation waits for a person exactly if the operation does.
const QUEUE_DISAGREES: &str = "queue_disagrees";
/// The paid sum of an invoice is what came in from operations and from the balance, less what went back.
const INVOICE_DISAGREES: &str = "invoice_disagrees";
/// A balance is the sum of its entries.
const BALANCE_DISAGREES: &str = "balance_disagrees";
/// The subject of a paid invoice was granted by no other invoice.
const GRANTED_TWICE: &str = "granted_twice";
/// A paid invoice has granted what it pays.
const PAID_NOT_GRANTED: &str = "paid_not_granted";
/// Each number of the series belongs to an act.
const GAP_IN_ACTS: &str = "gap_in_acts";

/// Names of all rules.
pub const TRANSFER_RULES: [&str; 7] = [
    MONEY_NOT_PLACED,
    QUEUE_DISAGREES,
    INVOICE_DISAGREES,
    BALANCE_DISAGREES,
    GRANTED_TWICE,
    PAID_NOT_GRANTED,
    GAP_IN_ACTS,
];

/// Rules of rows that changed. Each statement takes a time and a limit, and returns the ids of rows changed since that violate the
/// rule. The indexes are named: for the first few ids in order a server may prefer to read all rows by their ids.
const RULES_OF_CHANGED_ROWS: [(&str, &str); 6] = [
    (
        MONEY_NOT_PLACED,
        "SELECT o.id FROM bank_operations o FORCE INDEX (bank_operations_updated)
         WHERE o.updated_at >= ? AND o.state <> 'new' AND o.amount_kopecks <> (
             SELECT COALESCE(SUM(a.kopecks), 0) FROM bank_allocations a WHERE a.operation_id = o.id)
         ORDER BY o.id LIMIT ?",
    ),
    (
        QUEUE_DISAGREES,
        "SELECT o.id FROM bank_operations o FORCE INDEX (bank_operations_updated)
         WHERE o.updated_at >= ? AND o.state <> 'new' AND (o.state = 'queued') <> ((
             SELECT COALESCE(SUM(a.kopecks), 0) FROM bank_allocations a
             WHERE a.operation_id = o.id AND a.target = 'queue') > 0)
         ORDER BY o.id LIMIT ?",
    ),
    (
        INVOICE_DISAGREES,
        // The key of an entry begins with the id of the invoice, which has 30 characters.
        "SELECT t.id FROM transfer_invoices t FORCE INDEX (transfer_invoices_updated)
         WHERE t.updated_at >= ?
           AND t.paid_kopecks + CASE WHEN t.state IN ('sending', 'issued', 'paid') THEN t.balance_kopecks ELSE 0 END
            <> (SELECT COALESCE(SUM(a.kopecks), 0) FROM bank_allocations a WHERE a.transfer_invoice_id = t.id)
             - (SELECT COALESCE(SUM(e.kopecks), 0) FROM firm_balance_entries e
                WHERE e.vendor_id = t.vendor_id AND e.install_id = t.install_id AND e.inn = t.payer_inn
                  AND e.cause IN ('applied', 'released') AND LEFT(e.cause_key, 30) = t.id)
         ORDER BY t.id LIMIT ?",
    ),
    (
        BALANCE_DISAGREES,
        "SELECT CONCAT(b.install_id, ' ', b.inn) FROM firm_balances b FORCE INDEX (firm_balances_updated)
         WHERE b.updated_at >= ? AND b.kopecks <> (
             SELECT COALESCE(SUM(e.kopecks), 0) FROM firm_balance_entries e
             WHERE e.vendor_id = b.vendor_id AND e.install_id = b.install_id AND e.inn = b.inn)
         ORDER BY b.install_id, b.inn LIMIT ?",
    ),
    (
        GRANTED_TWICE,
        "SELECT t.id FROM transfer_invoices t FORCE INDEX (transfer_invoices_updated)
         WHERE t.updated_at >= ? AND t.state = 'paid' AND (
             EXISTS (SELECT 1 FROM transfer_invoices o
                     WHERE o.pays_invoice_id = t.pays_invoice_id AND o.state = 'paid' AND o.id < t.id)
             OR EXISTS (SELECT 1 FROM transfer_invoices o
                        WHERE o.pays_purchase_id = t.pays_purchase_id AND o.state = 'paid' AND o.id < t.id))
         ORDER BY t.id LIMIT ?",
    ),
    (
        PAID_NOT_GRANTED,
        "SELECT t.id FROM transfer_invoices t FORCE INDEX (transfer_invoices_updated)
         LEFT JOIN subscription_invoices i ON i.id = t.pays_invoice_id
         LEFT JOIN coin_purchases p ON p.id = t.pays_purchase_id
         WHERE t.updated_at >= ? AND t.state = 'paid' AND COALESCE(i.state, p.state, '') <> 'paid'
         ORDER BY t.id LIMIT ?",
    ),
];

/// A row that violates a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferViolation {
    /// Name of the violated rule, one of the constants of this module.
    pub rule: &'static str,
    /// Id of the operation, of the invoice or of the vendor; of a balance, install and INN.
    pub id: String,
}

/// Checks every rule on what changed within two days; returns at most `limit` violations of each.
pub async fn verify_transfers(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<TransferViolation>> {
    let since = now - CHECKED_PERIOD;
    let mut found = Vec::new();
    for (rule, statement) in RULES_OF_CHANGED_ROWS {
        let ids = sqlx::query_scalar(statement).bind(since).bind(limit).fetch_all(&mut *conn).await?;
        report(&mut found, rule, ids);
    }
    let ids = sqlx::query_scalar(
        "SELECT n.vendor_id FROM transfer_act_numbers n
         WHERE n.last_number <> (
             SELECT COUNT(*) FROM transfer_acts a WHERE a.vendor_id = n.vendor_id AND a.act_number IS NOT NULL)
         ORDER BY n.vendor_id LIMIT ?",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    report(&mut found, GAP_IN_ACTS, ids);
    Ok(found)
}

fn report(found: &mut Vec<TransferViolation>, rule: &'static str, ids: Vec<String>) {
    found.extend(ids.into_iter().map(|id| TransferViolation { rule, id }));
}
