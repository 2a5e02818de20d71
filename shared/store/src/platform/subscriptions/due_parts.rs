//! Parts of subscriptions of which something is due, by one statement.

use chrono::{DateTime, Utc};

use crate::{Conn, StoreResult};

/// Of what at least one row is due. Each is the first entry of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "each is the answer to a question of its own")]
pub struct DueParts {
    /// Steps of subscriptions.
    pub steps: bool,
    /// Charges of invoices.
    pub charges: bool,
    /// Questions to the bank about payments of invoices.
    pub questions: bool,
    /// Closing receipts.
    pub receipts: bool,
    /// Open invoices that can no longer be paid.
    pub overdue: bool,
}

impl DueParts {
    /// Whether charges are due, and nothing else.
    pub fn is_only_charges(self) -> bool {
        let Self { steps, charges, questions, receipts, overdue } = self;
        charges && !(steps || questions || receipts || overdue)
    }
}

/// Reads what is due at `now`.
pub async fn find_due_parts(conn: &mut Conn, now: DateTime<Utc>) -> StoreResult<DueParts> {
    Ok(sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM subscriptions WHERE next_due_at <= ?) AS steps,
             EXISTS (SELECT 1 FROM subscription_invoices WHERE charge_at <= ?) AS charges,
             EXISTS (SELECT 1 FROM invoice_payments WHERE query_at <= ?) AS questions,
             EXISTS (SELECT 1 FROM invoice_receipts WHERE state IN ('waiting', 'sending') AND due_at <= ?) AS receipts,
             EXISTS (SELECT 1 FROM subscription_invoices WHERE state = 'open' AND due_at <= ?) AS overdue",
    )
    .bind(now)
    .bind(now)
    .bind(now)
    .bind(now)
    .bind(now)
    .fetch_one(conn)
    .await?)
}
