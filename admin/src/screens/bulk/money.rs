//! Money that the jobs of a bulk act move at the bank, for its dry run.

use flysk_domain::admin::BulkAction;
use flysk_domain::money::Kopecks;
use flysk_jobs::platform::billing::RefundPayment;
use flysk_jobs::platform::subscriptions::{ChargeInvoice, RefundInvoicePayment};
use flysk_queue::Job as _;
use flysk_store::admin::job_money::{self, Moved};
use flysk_store::jobs::JobState;
use flysk_store::{Conn, StoreResult};

use crate::view::format;

/// Kinds of jobs that move money by themselves, with the field of their payload that names a row, and the table of this row, which has
/// the sum.
type Kind = ((&'static str, &'static str), Moved);

const CHARGES: &[Kind] = &[((ChargeInvoice::KIND, "invoice_id"), Moved::Invoice)];
const REFUNDS: &[Kind] = &[
    ((RefundPayment::KIND, "refund_id"), Moved::PurchaseRefund),
    ((RefundInvoicePayment::KIND, "refund_id"), Moved::InvoiceRefund),
];

/// States of the jobs that an act changes; it refuses those in others.
const fn changed_by(action: BulkAction) -> &'static [JobState] {
    match action {
        BulkAction::JobReplay => &[JobState::Dead, JobState::Cancelled],
        BulkAction::JobCancel => &[JobState::Queued],
        BulkAction::EventReplay => &[],
    }
}

/// Charges and refunds of these rows in words.
pub(super) async fn told(conn: &mut Conn, action: BulkAction, ids: &[String]) -> StoreResult<String> {
    let (states, mut parts) = (changed_by(action), Vec::new());
    if !states.is_empty() {
        let fields: Vec<_> = CHARGES.iter().chain(REFUNDS).map(|(field, _)| *field).collect();
        let rows = job_money::list_moved(conn, ids, states, &fields).await?;
        for (what, which, kinds) in
            [("списания с карт", "счетов", CHARGES), ("возвраты", "возвратов", REFUNDS)]
        {
            let (mut count, mut sum) = (0_u64, 0_i64);
            for ((kind, _), table) in kinds {
                let Some(rows) = rows.get(*kind) else { continue };
                let moved = job_money::sum_moved(conn, *table, rows).await?;
                count = count.saturating_add(moved.count);
                sum = sum.saturating_add(moved.amount.0);
            }
            if count > 0 {
                parts.push(format!("{what}: {} ({which}: {count})", format::roubles(Kopecks(sum))));
            }
        }
    }
    Ok(if parts.is_empty() { "не двигаются".to_owned() } else { parts.join(", ") })
}
