//! Decisions of a person about money that waits in the queue.

use flysk_domain::id::{BankOperationId, InstallId, TransferInvoiceId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::{
    AllocationTarget, BalanceCause, Inn, InvoiceIndex, Landing, OperationState, PaymentOrder, Reception,
    Transfer,
};
use flysk_queue::UnitOfWork;
use flysk_store::StoreError;
use flysk_store::platform::transfers::{self, BalanceOwner, BankOperation};
use flysk_store::platform::{installs, vendors};

use super::receive::{Booking, candidate};
use super::{TransferContext, TransferError};

/// A decision cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The operation does not wait: another operator decided before.
    #[error("the operation does not wait for a decision")]
    NotQueued,
    /// There is no such operation.
    #[error("there is no such operation")]
    UnknownOperation,
    /// The invoice is of another vendor, paid, or withdrawn.
    #[error("the invoice does not wait for this money: put it into the firm's balance")]
    NotWaiting,
    /// There is no such install.
    #[error("there is no such install")]
    UnknownInstall,
    /// The install's widget is sold by another vendor than the one whose account got the money: no invoice would take it.
    #[error("the widget of the install is another seller's, who did not get this money")]
    OtherSeller,
    /// Carrying it out failed.
    #[error(transparent)]
    Transfer(#[from] TransferError),
}

impl From<StoreError> for DecideError {
    fn from(error: StoreError) -> Self {
        Self::Transfer(error.into())
    }
}

/// Operator and reason of a decision.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// Row of `bank_operations` whose money waits in the queue.
    pub operation: BankOperationId,
    /// `operator:<name>`; at most 80 characters.
    pub by: &'a str,
    /// Why; at most 500 characters.
    pub reason: &'a str,
}

/// Locks an operation that waits, and takes its money out of the queue. The rows that follow put it elsewhere.
async fn take_from_queue<'a>(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    operation: &'a BankOperation,
    decision: &Decision<'a>,
) -> Result<(Booking<'a>, Kopecks), DecideError> {
    let rows = transfers::list_allocations(unit, operation.id).await?;
    let queued = rows.iter().filter(|row| row.target == AllocationTarget::Queue).map(|row| row.kopecks);
    let queued = Kopecks::total(queued).unwrap_or(Kopecks::ZERO);
    if !queued.is_positive() {
        return Err(DecideError::NotQueued);
    }
    let step = rows.iter().map(|row| row.step + 1).max().unwrap_or_default();
    let mut booking = Booking { operation, by: decision.by, reason: Some(decision.reason), step };
    let out = Kopecks(-queued.0);
    booking.write(unit, AllocationTarget::Queue, out, (None, None), context.clock.now()).await?;
    Ok((booking, queued))
}

async fn lock_queued(unit: &mut UnitOfWork, id: BankOperationId) -> Result<BankOperation, DecideError> {
    transfers::find_operation(unit, id).await?.ok_or(DecideError::UnknownOperation)?;
    let operation = transfers::lock_operation(unit, id).await?;
    if operation.state == OperationState::Queued { Ok(operation) } else { Err(DecideError::NotQueued) }
}

/// Gives queued money to an invoice, up to what it lacks; the rest becomes balance of the invoice's firm.
///
/// # Errors
///
/// See [`DecideError`].
pub async fn match_operation_to_invoice(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    decision: &Decision<'_>,
    invoice: TransferInvoiceId,
) -> Result<(), DecideError> {
    let operation = lock_queued(unit, decision.operation).await?;
    let found = transfers::find_transfer_invoice(unit, invoice).await?;
    let found = found.filter(|found| found.vendor_id == operation.vendor_id);
    let found = found.ok_or(DecideError::NotWaiting)?;
    // The same rule as for a payment of the firm itself that names the number, about the invoice under its lock.
    let named = candidate(&transfers::lock_transfer_invoice(unit, found.id).await?);
    if named.reception == Reception::Closed {
        return Err(DecideError::NotWaiting);
    }
    let (mut booking, queued) = take_from_queue(unit, context, &operation, decision).await?;
    let mut index = InvoiceIndex::default();
    index.insert(named);
    let number = named.number.to_string();
    let own = Transfer { amount: queued, payer_inn: named.inn.as_str(), purpose: &number };
    for portion in index.land(&own) {
        match portion.landing {
            Landing::Balance(install) => {
                into_balance(unit, context, &mut booking, (install, named.inn), portion.kopecks).await?;
            }
            Landing::Invoice(_) | Landing::Queue(_) | Landing::Foreign => {
                booking.book(unit, context, portion).await?;
            }
        }
    }
    let now = context.clock.now();
    Ok(transfers::set_operation_state(unit, &operation, OperationState::Landed, None, now).await?)
}

/// Puts queued money into the balance of a firm, which the next invoice of the install to this INN takes.
///
/// # Errors
///
/// See [`DecideError`].
pub async fn move_operation_to_balance(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    decision: &Decision<'_>,
    (install, inn): (InstallId, Inn),
) -> Result<(), DecideError> {
    let operation = lock_queued(unit, decision.operation).await?;
    let found = installs::find(unit, install).await?.ok_or(DecideError::UnknownInstall)?;
    let seller = vendors::find_vendor_of_widget(unit, found.widget_id).await?;
    if seller.is_none_or(|seller| seller.id != operation.vendor_id) {
        return Err(DecideError::OtherSeller);
    }
    let (mut booking, queued) = take_from_queue(unit, context, &operation, decision).await?;
    into_balance(unit, context, &mut booking, (install, inn), queued).await?;
    let now = context.clock.now();
    Ok(transfers::set_operation_state(unit, &operation, OperationState::Landed, None, now).await?)
}

/// Records that queued money is no payment of a customer.
///
/// # Errors
///
/// See [`DecideError`].
pub async fn dismiss_operation(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    decision: &Decision<'_>,
) -> Result<(), DecideError> {
    put_away(unit, context, decision, (AllocationTarget::Foreign, OperationState::Foreign)).await
}

/// Records that queued money went back to its payer by a payment order in the bank, which a person has made.
///
/// # Errors
///
/// See [`DecideError`].
pub async fn record_returned_operation(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    decision: &Decision<'_>,
    order: &PaymentOrder,
) -> Result<(), DecideError> {
    let reason = order.with_reason(decision.reason);
    let noted = Decision { reason: &reason, ..*decision };
    put_away(unit, context, &noted, (AllocationTarget::Returned, OperationState::Returned)).await
}

/// Takes all of an operation's queued money to a place from which it buys nothing.
async fn put_away(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    decision: &Decision<'_>,
    (target, state): (AllocationTarget, OperationState),
) -> Result<(), DecideError> {
    let operation = lock_queued(unit, decision.operation).await?;
    let (mut booking, queued) = take_from_queue(unit, context, &operation, decision).await?;
    let now = context.clock.now();
    booking.write(unit, target, queued, (None, None), now).await?;
    Ok(transfers::set_operation_state(unit, &operation, state, None, now).await?)
}

/// Puts money into a balance that a person chose.
async fn into_balance(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    booking: &mut Booking<'_>,
    (install, inn): (InstallId, Inn),
    kopecks: Kopecks,
) -> Result<(), DecideError> {
    let now = context.clock.now();
    let key = format!("{}:{}", booking.operation.id, booking.step);
    booking.write(unit, AllocationTarget::Balance, kopecks, (None, Some(install)), now).await?;
    let owner = BalanceOwner { vendor: booking.operation.vendor_id, install, inn };
    Ok(transfers::change_balance(unit, owner, kopecks, (BalanceCause::Received, key.as_str()), now).await?)
}
