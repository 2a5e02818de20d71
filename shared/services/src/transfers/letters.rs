//! Letters to firms about their invoices, queued in the transaction of their cause.

use chrono::NaiveDate;
use flysk_domain::Clock;
use flysk_domain::platform::mail::TransferLetter;
use flysk_domain::sending_hours::next_send_time;
use flysk_domain::trace::Trace;
use flysk_jobs::platform::transfers::SendTransferLetter;
use flysk_queue::{Outbox, UnitOfWork};
use flysk_store::platform::transfers::{self, TransferInvoice};
use flysk_store::platform::{accounts, installs};
use flysk_store::{StoreResult, repeat_contended};

/// Queues a letter: now, or in the morning if it is night in the account. Harmless when repeated: an invoice has one of a kind.
pub(super) async fn queue_letter(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    invoice: &TransferInvoice,
    letter: TransferLetter,
) -> StoreResult<()> {
    let now = clock.now();
    let account = match installs::find(unit, invoice.install_id).await? {
        Some(install) => accounts::find(unit, install.crm, install.account_id).await?,
        None => None,
    };
    if transfers::insert_transfer_letter(unit, invoice.id, letter, now).await? {
        let send_at = next_send_time(now, account.and_then(|account| account.utc_offset_minutes));
        unit.enqueue_at(&SendTransferLetter { transfer_invoice_id: invoice.id, letter }, send_at).await?;
    }
    Ok(())
}

/// Queues the letters about invoices whose last day is the one after `today`, at most `limit`.
///
/// # Errors
///
/// The database fails.
pub async fn queue_letters_of_last_days(
    outbox: &Outbox,
    trace: &Trace,
    today: NaiveDate,
    limit: u32,
) -> StoreResult<()> {
    let letter = TransferLetter::DueTomorrow;
    let tomorrow = today.succ_opt().unwrap_or(today);
    let queue = || async {
        let mut unit = outbox.begin(trace.clone()).await?;
        for invoice in transfers::list_without_letter(&mut unit, tomorrow, letter, limit).await? {
            queue_letter(&mut unit, outbox.clock().as_ref(), &invoice, letter).await?;
        }
        unit.commit().await
    };
    repeat_contended(queue).await
}
