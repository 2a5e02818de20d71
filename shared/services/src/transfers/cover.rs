//! Paying an invoice that waits from the balance of its firm.
//!
//! A firm that pays under the number of an ended invoice has its money in the balance, while the new invoice waits. It does not
//! need to pay twice: whoever asks for the invoice once more pays it from there. Nothing is bought without being asked for.

use flysk_domain::id::TransferInvoiceId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::BalanceCause;
use flysk_queue::UnitOfWork;
use flysk_store::platform::transfers::{self, BalanceOwner, TransferInvoice};

use super::settle::settle_transfer;
use super::{TransferContext, TransferError};

/// Pays what a waiting invoice lacks from the firm's balance, and grants what it pays; `None` if the balance has less. The caller
/// has locked the invoice.
pub(super) async fn cover_from_balance(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    waiting: &TransferInvoice,
) -> Result<Option<TransferInvoice>, TransferError> {
    let (now, missing) = (context.clock.now(), waiting.missing());
    let owner =
        BalanceOwner { vendor: waiting.vendor_id, install: waiting.install_id, inn: waiting.payer.inn };
    if !missing.is_positive() || transfers::find_balance(unit, owner).await? < missing {
        return Ok(None);
    }
    // Once for an invoice: afterwards it lacks nothing.
    let key = format!("{}:covered", waiting.id);
    let taken = Kopecks(-missing.0);
    transfers::change_balance(unit, owner, taken, (BalanceCause::Applied, key.as_str()), now).await?;
    transfers::cover_invoice(unit, waiting, now).await?;
    let covered = transfers::lock_transfer_invoice(unit, waiting.id).await?;
    settle_transfer(unit, context, &covered, now).await?;
    Ok(Some(transfers::lock_transfer_invoice(unit, waiting.id).await?))
}

/// Pays an invoice that waits for money from its firm's balance, for a customer who asks for it. `false` if it does not wait, or
/// the balance has less than it lacks.
///
/// # Errors
///
/// See [`TransferError`].
pub async fn pay_from_balance(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    id: TransferInvoiceId,
) -> Result<bool, TransferError> {
    let waiting = transfers::lock_transfer_invoice(unit, id).await?;
    Ok(waiting.state.is_open() && cover_from_balance(unit, context, &waiting).await?.is_some())
}
