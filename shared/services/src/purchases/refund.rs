//! Requesting a refund: coins are withdrawn first, money is returned later.

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::id::{LotId, PurchaseId, TransactionId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::ledger::{Command, LedgerRefusal};
use flysk_domain::platform::purchases::{PurchaseState, Refundable, Unrefundable};
use flysk_store::StoreError;
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand};
use flysk_store::platform::purchases::{self, NewRefund, Purchase, Refund};

use flysk_jobs::platform::billing::RefundPayment;
use flysk_queue::UnitOfWork;

use super::transfer_terminal::TRANSFER_TERMINAL;

/// Money to return for coins that are not spent.
#[derive(Debug)]
pub struct RefundRequest<'a> {
    /// Must be paid.
    pub purchase_id: PurchaseId,
    /// Amount, kopecks; `None`: all that can be refunded.
    pub kopecks: Option<Kopecks>,
    /// Requester for the records: at most 64 ASCII characters.
    pub requested_by: &'a str,
}

/// Reason for rejecting a refund.
#[derive(Debug, thiserror::Error)]
pub enum RefundError {
    /// The purchase is not paid.
    #[error("the purchase is not paid")]
    NotPaid,
    /// The purchase was paid by transfer, which the bank's terminals cannot return.
    #[error("the purchase was paid by bank transfer: return the money by a payment order")]
    PaidByTransfer,
    /// Another refund has not ended. T-Bank's answer to it decides how much is left.
    #[error("another refund of the purchase is under way")]
    AlreadyInProgress,
    /// The address for receipts was erased with the account's data, so the bank would not send the receipt.
    #[error("the address for receipts was erased with the data of the account: refund in the bank's portal")]
    AddressErased,
    /// The coins do not allow it.
    #[error(transparent)]
    Unrefundable(#[from] Unrefundable),
    /// The ledger refused the withdrawal.
    #[error("the coins cannot be withdrawn: {0}")]
    Ledger(LedgerRefusal),
    /// Database error.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Withdraws the refund's coins from the purchase's lots, and enqueues the return of the money.
///
/// Coins are withdrawn first, in this transaction. Otherwise they could be spent after their money was returned.
pub async fn request_refund(
    unit: &mut UnitOfWork,
    request: &RefundRequest<'_>,
    clock: &dyn Clock,
) -> Result<Refund, RefundError> {
    let purchase = purchases::lock_purchase(unit, request.purchase_id).await?;
    let (PurchaseState::Paid, Some(coins_lot)) = (purchase.state, purchase.coins_lot) else {
        return Err(RefundError::NotPaid);
    };
    if purchase.terminal_key == TRANSFER_TERMINAL {
        return Err(RefundError::PaidByTransfer);
    }
    if purchase.contact_sealed.is_empty() {
        return Err(RefundError::AddressErased);
    }
    let earlier = purchases::list_refunds(unit, purchase.id).await?;
    if earlier.iter().any(|refund| !refund.state.has_ended()) {
        return Err(RefundError::AlreadyInProgress);
    }
    let allocation = refundable(unit, &purchase, coins_lot, clock.now()).await?.allocate(request.kopecks)?;
    let transaction = TransactionId::generate(clock);
    let bonus_transaction = allocation.bonus.is_positive().then(|| TransactionId::generate(clock));
    let mut withdrawals = vec![withdrawal(&purchase, transaction, coins_lot, allocation.coins)];
    if let (Some(lot), Some(id)) = (purchase.bonus_lot, bonus_transaction) {
        withdrawals.push(withdrawal(&purchase, id, lot, allocation.bonus));
    }
    for outcome in ledger::apply(unit, purchase.wallet_id, &withdrawals, clock).await? {
        match outcome {
            CommandOutcome::Done(_) => {}
            CommandOutcome::Refused(refusal) => return Err(RefundError::Ledger(refusal)),
            CommandOutcome::Replayed(_) | CommandOutcome::KeyReused => {
                return Err(StoreError::WrongState { what: "withdrawal" }.into());
            }
        }
    }
    let id = uuid::Uuid::new_v4().to_string();
    let now = clock.now();
    let new = NewRefund {
        id: &id,
        purchase_id: purchase.id,
        allocation,
        transaction,
        bonus_transaction,
        requested_by: request.requested_by,
        now,
    };
    purchases::insert_refund(unit, &new).await?;
    let total = purchase.refunded.checked_add(allocation.kopecks).map_err(Unrefundable::from)?;
    purchases::set_refunded(unit, purchase.id, purchase.refunded, total, now).await?;
    unit.enqueue(&RefundPayment { refund_id: id.clone() }).await?;
    let written = purchases::find_refund(unit, &id).await?;
    Ok(written.ok_or(StoreError::WrongState { what: "refund" })?)
}

/// The refundable part of a purchase. Locks its wallet's lots.
async fn refundable(
    unit: &mut UnitOfWork,
    purchase: &Purchase,
    coins_lot: LotId,
    now: DateTime<Utc>,
) -> Result<Refundable, StoreError> {
    let named: Vec<LotId> = [Some(coins_lot), purchase.bonus_lot].into_iter().flatten().collect();
    let lots = ledger::lock_lots(unit, purchase.wallet_id, &named).await?;
    let left = |id: Option<LotId>| {
        let lot = id.and_then(|id| lots.get(&id)).filter(|lot| !lot.is_expired(now));
        lot.map_or(MicroCoins::ZERO, |lot| lot.left)
    };
    Ok(Refundable {
        price: purchase.price,
        refunded: purchase.refunded,
        coins: purchase.coins,
        coins_left: left(Some(coins_lot)),
        bonus: purchase.bonus,
        bonus_left: left(purchase.bonus_lot),
    })
}

fn withdrawal(purchase: &Purchase, id: TransactionId, lot: LotId, amount: MicroCoins) -> LedgerCommand {
    LedgerCommand {
        reference: Some(format!("Возврат денег за покупку «{}»", purchase.title)),
        details: Some(serde_json::json!({ "purchase_id": purchase.id })),
        ..LedgerCommand::new(id, Command::Withdraw { lots: vec![lot], amount })
    }
}
