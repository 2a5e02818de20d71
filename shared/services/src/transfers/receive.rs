//! Matching an operation, and giving its money to invoices and balances.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use flysk_domain::id::{BankOperationId, InstallId, TransferInvoiceId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::{
    AllocationTarget, BalanceCause, Candidate, Inn, InvoiceIndex, Landing, OperationState, Portion,
    QueueReason, Reception, Transfer, TransferInvoiceState, numbers_in_purpose,
};
use flysk_queue::UnitOfWork;
use flysk_store::platform::transfers::{self, Allocation, BalanceOwner, BankOperation, TransferInvoice};
use flysk_store::{StoreError, StoreResult};

use super::settle::settle_transfer;
use super::{TransferContext, TransferError};

/// Decider of matches by the rules.
const BY_RULE: &str = "bank";

/// Outcome of matching an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchOutcome {
    /// Matched before.
    Known,
    /// All of it is with invoices or in balances.
    Landed,
    /// Waits for a person.
    Queued(QueueReason),
    /// Not a payment of a customer.
    Foreign,
}

/// Decides where a new operation lands, and books it: allocations, invoices and balances, and what is paid, in the caller's
/// transaction.
///
/// # Errors
///
/// See [`TransferError`].
pub async fn match_operation(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    id: BankOperationId,
) -> Result<MatchOutcome, TransferError> {
    let operation = transfers::lock_operation(unit, id).await?;
    if operation.state != OperationState::New {
        return Ok(MatchOutcome::Known);
    }
    let mut index = candidates(unit, &operation).await?;
    let portions = index.land(&Transfer {
        amount: operation.amount,
        payer_inn: &operation.payer_inn,
        purpose: &operation.purpose,
    });
    let mut booking = Booking { operation: &operation, by: BY_RULE, reason: None, step: 0 };
    let outcome = outcome(&portions);
    for portion in portions {
        booking.book(unit, context, portion).await?;
    }
    let (state, reason) = match outcome {
        MatchOutcome::Queued(reason) => (OperationState::Queued, Some(reason)),
        MatchOutcome::Foreign => (OperationState::Foreign, None),
        MatchOutcome::Known | MatchOutcome::Landed => (OperationState::Landed, None),
    };
    transfers::set_operation_state(unit, &operation, state, reason, context.clock.now()).await?;
    count(outcome, operation.amount);
    Ok(outcome)
}

fn outcome(portions: &[Portion]) -> MatchOutcome {
    let first = portions.iter().find_map(|portion| match portion.landing {
        Landing::Queue(reason) => Some(MatchOutcome::Queued(reason)),
        Landing::Foreign => Some(MatchOutcome::Foreign),
        Landing::Invoice(_) | Landing::Balance(_) => None,
    });
    first.unwrap_or(MatchOutcome::Landed)
}

fn count(outcome: MatchOutcome, amount: Kopecks) {
    let label = match outcome {
        MatchOutcome::Known => "known",
        MatchOutcome::Landed => "landed",
        MatchOutcome::Queued(_) => "queued",
        MatchOutcome::Foreign => "foreign",
    };
    metrics::counter!("flysk_bank_operations_total", "outcome" => label).increment(1);
    let kopecks = u64::try_from(amount.0).unwrap_or_default();
    metrics::counter!("flysk_bank_operations_kopecks_total", "outcome" => label).increment(kopecks);
}

/// The invoices that an operation may pay: those that its purpose names, and those of its payer with its sum.
///
/// The invoices are read again under their locks, always in the order of their ids, so that the decision and the write see the
/// same state although another transaction may end an invoice meanwhile.
async fn candidates(unit: &mut UnitOfWork, operation: &BankOperation) -> StoreResult<InvoiceIndex> {
    let mut found = BTreeSet::new();
    for number in numbers_in_purpose(&operation.purpose) {
        let named = transfers::find_transfer_invoice_by_number(unit, operation.vendor_id, number).await?;
        found.extend(named.map(|invoice| invoice.id));
    }
    if let Ok(inn) = operation.payer_inn.parse::<Inn>() {
        let waiting =
            transfers::find_waiting_of_firm(unit, operation.vendor_id, inn, operation.amount).await?;
        found.extend(waiting.iter().map(|invoice| invoice.id));
    }
    let mut index = InvoiceIndex::default();
    for id in found {
        index.insert(candidate(&transfers::lock_transfer_invoice(unit, id).await?));
    }
    Ok(index)
}

/// Facts about an invoice that matching needs.
pub(super) fn candidate(invoice: &TransferInvoice) -> Candidate {
    let reception = match invoice.state {
        TransferInvoiceState::Sending | TransferInvoiceState::Issued => Reception::Open,
        // What it had taken from the balance was given back: its sum alone would not be the price.
        TransferInvoiceState::Expired if invoice.from_balance.is_zero() => Reception::Late,
        TransferInvoiceState::Expired | TransferInvoiceState::Paid | TransferInvoiceState::Void => {
            Reception::Closed
        }
    };
    Candidate {
        id: invoice.id,
        number: invoice.number,
        inn: invoice.payer.inn,
        install: invoice.install_id,
        missing: invoice.missing(),
        reception,
    }
}

/// The rows of one decision about an operation.
#[derive(Debug)]
pub(super) struct Booking<'a> {
    pub(super) operation: &'a BankOperation,
    pub(super) by: &'a str,
    pub(super) reason: Option<&'a str>,
    /// Number of the next row.
    pub(super) step: u32,
}

impl Booking<'_> {
    /// Books a portion: its row, and what it does.
    pub(super) async fn book(
        &mut self,
        unit: &mut UnitOfWork,
        context: TransferContext<'_>,
        portion: Portion,
    ) -> Result<(), TransferError> {
        let now = context.clock.now();
        match portion.landing {
            Landing::Invoice(id) => {
                self.write(unit, AllocationTarget::Invoice, portion.kopecks, (Some(id), None), now).await?;
                receive(unit, context, id, portion.kopecks, self.operation.booked_at).await
            }
            Landing::Balance(install) => {
                let key = format!("{}:{}", self.operation.id, self.step);
                self.write(unit, AllocationTarget::Balance, portion.kopecks, (None, Some(install)), now)
                    .await?;
                let inn: Inn = self.operation.payer_inn.parse().map_err(|_| not_a_firm())?;
                let owner = BalanceOwner { vendor: self.operation.vendor_id, install, inn };
                let cause = (BalanceCause::Received, key.as_str());
                Ok(transfers::change_balance(unit, owner, portion.kopecks, cause, now).await?)
            }
            Landing::Queue(_) => {
                Ok(self.write(unit, AllocationTarget::Queue, portion.kopecks, (None, None), now).await?)
            }
            Landing::Foreign => {
                Ok(self.write(unit, AllocationTarget::Foreign, portion.kopecks, (None, None), now).await?)
            }
        }
    }

    pub(super) async fn write(
        &mut self,
        unit: &mut UnitOfWork,
        target: AllocationTarget,
        kopecks: Kopecks,
        (transfer_invoice, install): (Option<TransferInvoiceId>, Option<InstallId>),
        now: DateTime<Utc>,
    ) -> StoreResult<()> {
        let allocation = Allocation {
            step: self.step,
            target,
            kopecks,
            transfer_invoice,
            install,
            decided_by: self.by.to_owned(),
            reason: self.reason.map(ToOwned::to_owned),
            created_at: now,
        };
        self.step += 1;
        transfers::insert_allocation(unit, self.operation.id, &allocation).await
    }
}

fn not_a_firm() -> StoreError {
    StoreError::InvalidRow { what: "payer's INN", reason: "it is no INN".to_owned() }
}

/// Adds money to an invoice, and grants what it pays once its sum has arrived.
async fn receive(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    id: TransferInvoiceId,
    kopecks: Kopecks,
    paid_at: DateTime<Utc>,
) -> Result<(), TransferError> {
    let invoice = transfers::lock_transfer_invoice(unit, id).await?;
    let takes = match candidate(&invoice).reception {
        Reception::Open => kopecks <= invoice.missing(),
        // A part of an expired invoice would lie with it for ever.
        Reception::Late => kopecks == invoice.missing(),
        Reception::Closed => false,
    };
    if !takes {
        return Err(StoreError::WrongState { what: "transfer invoice" }.into());
    }
    let paid = Kopecks(invoice.paid.0 + kopecks.0);
    transfers::set_paid_kopecks(unit, id, invoice.paid, paid, context.clock.now()).await?;
    if paid == invoice.amount {
        settle_transfer(unit, context, &TransferInvoice { paid, ..invoice }, paid_at).await?;
    }
    Ok(())
}
