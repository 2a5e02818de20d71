//! Money that the jobs of a bulk act move at the bank, for its dry run.

use flysk_domain::admin::BulkAction;
use flysk_domain::money::Kopecks;
use flysk_jobs::platform::billing::RefundPayment;
use flysk_jobs::platform::subscriptions::{ChargeInvoice, RefundInvoicePayment};
use flysk_queue::Job as _;
use flysk_store::admin::job_money::{self, Moved};
use flysk_store::{Conn, StoreResult};

use crate::view::format;

/// Kinds of jobs that move money by themselves: the field of their payload with the id of a row that has the sum, and that table.
type Kind = (&'static str, &'static str, Moved);

const CHARGES: &[Kind] = &[(ChargeInvoice::KIND, "invoice_id", Moved::Invoice)];
const REFUNDS: &[Kind] = &[
    (RefundPayment::KIND, "refund_id", Moved::PurchaseRefund),
    (RefundInvoicePayment::KIND, "refund_id", Moved::InvoiceRefund),
];

/// Charges and refunds of these rows in words.
pub(super) async fn told(conn: &mut Conn, action: BulkAction, ids: &[String]) -> StoreResult<String> {
    let mut parts = Vec::new();
    if matches!(action, BulkAction::JobReplay | BulkAction::JobCancel) {
        for (what, kinds) in [("списания с карт", CHARGES), ("возвраты", REFUNDS)] {
            let (mut count, mut sum) = (0_usize, 0_i64);
            for (kind, field, moved) in kinds {
                let rows = job_money::list_moved(conn, ids, kind, field).await?;
                count = count.saturating_add(rows.len());
                sum = sum.saturating_add(job_money::sum_moved(conn, *moved, &rows).await?.0);
            }
            if count > 0 {
                parts.push(format!("{what}: {} (заданий: {count})", format::roubles(Kopecks(sum))));
            }
        }
    }
    Ok(if parts.is_empty() { "не двигаются".to_owned() } else { parts.join(", ") })
}
