//! Ending bindings.

use flysk_domain::Clock;
use flysk_domain::id::{AccountId, BindingId};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::flysense::activation::{bindings, links};

/// Deletes a binding of an account with its phone number; `false` if there is none. FlySense stays as it is.
pub async fn unbind(unit: &mut UnitOfWork, account_id: AccountId, id: BindingId) -> StoreResult<bool> {
    bindings::delete(unit, account_id, id).await
}

/// Deletes all bindings of an account with their phone numbers, and ends its links, because FlySense was removed.
pub async fn forget_account(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    account_id: AccountId,
) -> StoreResult<u64> {
    links::replace_of_account(unit, account_id, clock.now()).await?;
    bindings::delete_of_account(unit, account_id).await
}
