//! Asking for a refund: coins first, money after.

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::id::{LotId, PurchaseId, TransactionId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::ledger::{Command, Refusal};
use flysk_domain::platform::purchases::{PurchaseState, Refundable, Unrefundable};
use flysk_store::StoreError;
use flysk_store::ledger::{self, Instruction, Outcome};
use flysk_store::purchases::{self, NewRefund, Purchase, Refund};

use super::RefundPayment;
use crate::outbox::Unit;

/// What is to be given back.
#[derive(Debug)]
pub struct RefundRequest<'a> {
    /// Of which purchase.
    pub purchase_id: PurchaseId,
    /// How much; `None`: all that can be.
    pub kopecks: Option<Kopecks>,
    /// Who asks, for the books: at most 64 ASCII characters.
    pub requested_by: &'a str,
}

/// Why nothing is given back.
#[derive(Debug, thiserror::Error)]
pub enum NotRefunded {
    /// It was not paid.
    #[error("the purchase is not paid")]
    NotPaid,
    /// One refund at a time: the bank is asked what became of the first before a second begins.
    #[error("another refund of the purchase is under way")]
    UnderWay,
    /// Its coins.
    #[error(transparent)]
    Unrefundable(#[from] Unrefundable),
    /// The ledger.
    #[error("the coins cannot be taken back: {0}")]
    Ledger(Refusal),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes the coins of a refund out of the purchase's lots, and has their money given back.
///
/// Coins go first, in this transaction: money that went back for coins somebody still spends would be ours.
pub async fn request_refund(
    unit: &mut Unit,
    request: &RefundRequest<'_>,
    clock: &dyn Clock,
) -> Result<Refund, NotRefunded> {
    let purchase = purchases::lock_purchase(unit, request.purchase_id).await?;
    let (PurchaseState::Paid, Some(coins_lot)) = (purchase.state, purchase.coins_lot) else {
        return Err(NotRefunded::NotPaid);
    };
    let earlier = purchases::list_refunds(unit, purchase.id).await?;
    if earlier.iter().any(|refund| !refund.state.has_ended()) {
        return Err(NotRefunded::UnderWay);
    }
    let share = refundable(unit, &purchase, coins_lot, clock.now()).await?.share(request.kopecks)?;
    let transaction = TransactionId::generate(clock);
    let bonus_transaction = share.bonus.is_positive().then(|| TransactionId::generate(clock));
    let mut withdrawals = vec![withdrawal(&purchase, transaction, coins_lot, share.coins)];
    if let (Some(lot), Some(id)) = (purchase.bonus_lot, bonus_transaction) {
        withdrawals.push(withdrawal(&purchase, id, lot, share.bonus));
    }
    for outcome in ledger::apply(unit, purchase.wallet_id, &withdrawals, clock).await? {
        match outcome {
            Outcome::Done(_) => {}
            Outcome::Refused(refusal) => return Err(NotRefunded::Ledger(refusal)),
            Outcome::Replayed(_) | Outcome::KeyReused => {
                return Err(StoreError::Stale { what: "withdrawal" }.into());
            }
        }
    }
    let id = uuid::Uuid::new_v4().to_string();
    let now = clock.now();
    let new = NewRefund {
        id: &id,
        purchase_id: purchase.id,
        share,
        transaction,
        bonus_transaction,
        requested_by: request.requested_by,
        now,
    };
    purchases::insert_refund(unit, &new).await?;
    let total = purchase.refunded.plus(share.kopecks).map_err(Unrefundable::from)?;
    purchases::set_refunded(unit, purchase.id, purchase.refunded, total, now).await?;
    unit.enqueue(&RefundPayment { refund_id: id.clone() }).await?;
    let written = purchases::find_refund(unit, &id).await?;
    Ok(written.ok_or(StoreError::Stale { what: "refund" })?)
}

/// What can be given back of a purchase, its wallet locked.
async fn refundable(
    unit: &mut Unit,
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

fn withdrawal(purchase: &Purchase, id: TransactionId, lot: LotId, amount: MicroCoins) -> Instruction {
    Instruction {
        reference: Some(format!("Возврат денег за покупку «{}»", purchase.title)),
        details: Some(serde_json::json!({ "purchase_id": purchase.id })),
        ..Instruction::new(id, Command::Withdraw { lots: vec![lot], amount })
    }
}
