//! Money that jobs move at the bank: the dry run of a bulk act on jobs tells how much it is.

use std::collections::BTreeSet;

use flysk_domain::money::Kopecks;
use serde_json::Value;
use sqlx::types::Json;

use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// Rows of one statement.
const ROWS_AT_ONCE: usize = 1_024;

/// Table that has the sum which a job moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// `subscription_invoices`, whose total is charged.
    Invoice,
    /// `invoice_refunds`.
    InvoiceRefund,
    /// `coin_purchase_refunds`.
    PurchaseRefund,
}

/// The different ids in a field of the payloads of the jobs of a kind, among the jobs with these ids.
pub async fn list_moved(
    conn: &mut Conn,
    job_ids: &[String],
    kind: &str,
    field: &str,
) -> StoreResult<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for part in job_ids.chunks(ROWS_AT_ONCE) {
        let mut query = sqlx::QueryBuilder::new("SELECT payload FROM jobs WHERE kind = ");
        query.push_bind(kind.to_owned()).push(" AND id");
        push_in(&mut query, part.iter().cloned());
        let payloads: Vec<Json<Value>> = query.build_query_scalar().fetch_all(&mut *conn).await?;
        let id = |payload: &Json<Value>| payload.0.get(field).and_then(Value::as_str).map(str::to_owned);
        found.extend(payloads.iter().filter_map(id));
    }
    Ok(found)
}

/// Sum of the amounts of rows of a table.
pub async fn sum_moved(conn: &mut Conn, moved: Moved, ids: &BTreeSet<String>) -> StoreResult<Kopecks> {
    let ids: Vec<&String> = ids.iter().collect();
    let mut sum = 0_i64;
    for part in ids.chunks(ROWS_AT_ONCE) {
        let mut query = sqlx::QueryBuilder::new("SELECT CAST(COALESCE(SUM(");
        match moved {
            Moved::Invoice => query.push("total_kopecks), 0) AS SIGNED) FROM subscription_invoices WHERE id"),
            Moved::InvoiceRefund => {
                query.push("amount_kopecks), 0) AS SIGNED) FROM invoice_refunds WHERE id")
            }
            Moved::PurchaseRefund => {
                query.push("amount_kopecks), 0) AS SIGNED) FROM coin_purchase_refunds WHERE id")
            }
        };
        push_in(&mut query, part.iter().map(|id| (*id).clone()));
        let kopecks: i64 = query.build_query_scalar().fetch_one(&mut *conn).await?;
        sum = sum.saturating_add(kopecks);
    }
    Ok(Kopecks(sum))
}
