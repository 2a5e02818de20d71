//! Transactions of commands, retried on contention.

use std::future::Future;

use flysk_store::{StoreError, repeat_while};

/// Runs `transaction`, from `BEGIN` to `COMMIT`, again while it fails on a deadlock or lock timeout.
pub(super) async fn transact<T, F>(transaction: impl Fn() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    repeat_while(is_contended, transaction).await
}

/// Checks the whole chain, because contexts may wrap the database error.
fn is_contended(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<sqlx::Error>()).any(StoreError::may_run_again)
}
