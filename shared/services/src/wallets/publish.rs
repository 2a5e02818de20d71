//! Publishing what happened in wallets.

use flysk_domain::Clock;
use flysk_domain::platform::events::{BalanceLow, EventKind, HoldExpired};
use flysk_queue::UnitOfWork;
use flysk_store::platform::ledger::{self, PendingWalletEvent, WalletEvent};
use flysk_store::{StoreError, StoreResult};

use crate::events::{NewEvent, emit};

/// Records the event for the vendor's backend and takes it off the list, in one transaction. Does nothing if it was
/// published already.
///
/// # Errors
///
/// The wallet is gone, or the database fails.
pub async fn publish_event(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    pending: &PendingWalletEvent,
) -> StoreResult<()> {
    if !ledger::take_pending_event(unit, pending.id).await? {
        return Ok(());
    }
    let wallet = ledger::find_wallet(unit, pending.wallet_id).await?;
    let wallet = wallet.ok_or(StoreError::WrongState { what: "wallet" })?;
    let event = match pending.event {
        WalletEvent::BalanceLow { available, threshold } => {
            let data = BalanceLow { available_micro: available, threshold_micro: threshold };
            NewEvent::new(EventKind::FlycoinsBalanceLow, &data)?
        }
        WalletEvent::HoldExpired { hold, amount } => NewEvent::new(
            EventKind::FlycoinsHoldExpired,
            &HoldExpired { hold_id: hold, amount_micro: amount },
        )?,
    };
    emit(unit, clock, wallet.install_id, &[event], pending.happened_at).await?;
    Ok(())
}
