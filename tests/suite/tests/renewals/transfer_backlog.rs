//! More transfer invoices that are due than one tick enqueues.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::id::TransferInvoiceId;
use flysk_jobs::platform::transfers::TransfersDue;
use flysk_suite::row_copy::RowCopier;
use sqlx::MySqlPool;

use super::transfer_faults::Stored;
use super::transfers::Firm;

/// While the bank is slow, the jobs of a tick still wait at the next one, which enqueues others.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn invoices_whose_jobs_wait_keep_back_no_others(pool: MySqlPool) {
    let Stored { firm, storage: _storage, _scratch } = Firm::open_with_storage(pool).await;
    let asked = firm.ask().await;
    firm.subscriber.run_due().await;
    let sandbox = &firm.subscriber.sandbox;
    let hour_ago = sandbox.clock.now() - TimeDelta::hours(1);
    let due = "UPDATE transfer_invoices
               SET state = 'sending', sent_at = NULL, pdf_state = 'wanted', updated_at = ?, query_at = ?";
    sqlx::query(due).bind(hour_ago).bind(hour_ago).execute(&sandbox.pool).await.unwrap();
    let mut rows = RowCopier::default();
    let mut tx = sandbox.pool.begin().await.unwrap();
    for number in 1_000_u32..1_250 {
        let id = TransferInvoiceId::generate(&sandbox.clock).to_string();
        let own = [("id", id.clone()), ("number", number.to_string()), ("pays_invoice_id", id)];
        rows.copy(&mut tx, "transfer_invoices", &asked.id.to_string(), &own).await.unwrap();
    }
    tx.commit().await.unwrap();
    for enqueued in [200, 251] {
        let tick = firm.enqueue(&TransfersDue {}).await;
        sandbox.executor.execute(tick).await.unwrap();
        for kind in ["transfers.send_invoice", "transfers.fetch_document", "transfers.query_invoice"] {
            let waiting = "SELECT COUNT(*) FROM jobs WHERE kind = ? AND state = 'queued'";
            let waiting: i64 = sqlx::query_scalar(waiting).bind(kind).fetch_one(&sandbox.pool).await.unwrap();
            assert_eq!(waiting, enqueued, "{kind}");
        }
    }
}
