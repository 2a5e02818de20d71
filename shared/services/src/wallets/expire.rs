//! Expiring holds and lots.

use flysk_domain::id::WalletId;
use flysk_queue::Outbox;
use flysk_store::{StoreResult, platform::ledger, repeat_contended};

/// Releases the expired holds and removes the expired lots of a wallet, in a transaction of its own under the wallet's lock.
/// Harmless when repeated.
///
/// # Errors
///
/// There is no such wallet, or the database fails.
pub async fn expire_due(outbox: &Outbox, wallet: WalletId) -> StoreResult<()> {
    let expire = || async {
        let mut tx = flysk_store::begin(outbox.pool()).await?;
        ledger::apply(&mut tx, wallet, &[], outbox.clock().as_ref()).await?;
        StoreResult::Ok(tx.commit().await?)
    };
    repeat_contended(expire).await
}
