//! Money that jobs move at the bank: the dry run of a bulk act on jobs tells how much it is.

use std::collections::{BTreeMap, BTreeSet};

use flysk_domain::TextEnum as _;
use flysk_domain::money::Kopecks;
use serde_json::Value;
use sqlx::types::Json;

use crate::jobs::JobState;
use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// Rows of one statement: MariaDB makes a table of a list of more than 1,000 values, and may read all jobs of a state instead.
const ROWS_AT_ONCE: usize = 512;

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

/// Money that is still to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    /// Number of charges or refunds.
    pub count: u64,
    /// Their sum.
    pub amount: Kopecks,
}

/// The different ids in the payloads of those jobs with these ids that are in one of the states, by kind. `fields` has the kinds, each
/// with the field of its payload that has the id.
pub async fn list_moved(
    conn: &mut Conn,
    job_ids: &[String],
    states: &[JobState],
    fields: &[(&'static str, &'static str)],
) -> StoreResult<BTreeMap<String, BTreeSet<String>>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for part in job_ids.chunks(ROWS_AT_ONCE) {
        let mut query =
            sqlx::QueryBuilder::new("SELECT kind, payload FROM jobs FORCE INDEX (PRIMARY) WHERE kind");
        push_in(&mut query, fields.iter().map(|(kind, _)| (*kind).to_owned()));
        query.push(" AND state");
        push_in(&mut query, states.iter().map(|state| state.as_str().to_owned()));
        query.push(" AND id");
        push_in(&mut query, part.iter().cloned());
        let jobs: Vec<(String, Json<Value>)> = query.build_query_as().fetch_all(&mut *conn).await?;
        for (kind, payload) in jobs {
            let field = fields.iter().find(|(known, _)| *known == kind).map(|(_, field)| *field);
            let id = field.and_then(|field| payload.0.get(field)).and_then(Value::as_str);
            if let Some(id) = id {
                found.entry(kind).or_default().insert(id.to_owned());
            }
        }
    }
    Ok(found)
}

/// Sum of the amounts of those rows of a table whose money is still to be moved: a job of another one does nothing.
pub async fn sum_moved(conn: &mut Conn, moved: Moved, ids: &BTreeSet<String>) -> StoreResult<Movement> {
    let ids: Vec<&String> = ids.iter().collect();
    let mut sum = Movement { count: 0, amount: Kopecks(0) };
    for part in ids.chunks(ROWS_AT_ONCE) {
        let mut query = sqlx::QueryBuilder::new("SELECT COUNT(*), CAST(COALESCE(SUM(");
        match moved {
            Moved::Invoice => query.push(
                "total_kopecks), 0) AS SIGNED) FROM subscription_invoices WHERE state = 'open' AND id",
            ),
            Moved::InvoiceRefund => query.push(
                "amount_kopecks), 0) AS SIGNED) FROM invoice_refunds WHERE state IN ('pending', 'sent') AND id",
            ),
            Moved::PurchaseRefund => query.push(
                "amount_kopecks), 0) AS SIGNED) FROM coin_purchase_refunds WHERE state IN ('pending', 'sent') AND id",
            ),
        };
        push_in(&mut query, part.iter().map(|id| (*id).clone()));
        let (count, kopecks): (i64, i64) = query.build_query_as().fetch_one(&mut *conn).await?;
        sum.count = sum.count.saturating_add(u64::try_from(count).unwrap_or_default());
        sum.amount = Kopecks(sum.amount.0.saturating_add(kopecks));
    }
    Ok(sum)
}
