//! Commands' transactions: one that loses a race is run again, as everywhere.

use std::future::Future;

use flysk_store::{StoreError, repeat_while};

/// Runs `transaction`, from its `BEGIN` to its `COMMIT`, and again while it is rolled back by a race.
pub(super) async fn transact<T, F>(transaction: impl Fn() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    repeat_while(is_contended, transaction).await
}

/// Whatever wraps it, the database's own word is at the bottom.
fn is_contended(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<sqlx::Error>()).any(StoreError::may_run_again)
}
