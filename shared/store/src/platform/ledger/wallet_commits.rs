//! Group commit of the commands of one wallet, which waits for the wallet's lock.

use std::sync::Arc;

use flysk_domain::Clock;
use flysk_domain::id::WalletId;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::apply::apply;
use super::command::{CommandOutcome, LedgerCommand};
use crate::group_commit::CommitGroup;
use crate::{Pool, StoreError, StoreResult, repeat_while};

/// Executes the commands that wait for one wallet in one transaction.
#[derive(Debug)]
pub(super) struct WalletCommits {
    pool: Pool,
    /// Connections of the pool that may be taken at once.
    permits: Semaphore,
    /// Gives the times of transactions.
    clock: Arc<dyn Clock>,
}

impl CommitGroup for WalletCommits {
    type Key = WalletId;
    type Item = LedgerCommand;
    type Outcome = CommandOutcome;

    /// Keeps the wallet's lock below some tens of milliseconds.
    const MAX_GROUP_LEN: usize = 256;

    async fn commit(&self, wallet: WalletId, commands: &[LedgerCommand]) -> StoreResult<Vec<CommandOutcome>> {
        // A key that another wallet stored concurrently is found on the next try.
        let may_run_again =
            |error: &StoreError| matches!(error, StoreError::Conflict(_) | StoreError::Duplicate { .. });
        repeat_while(may_run_again, || self.commit_once(wallet, commands)).await
    }
}

impl WalletCommits {
    /// Takes at most half of the pool's connections: transactions wait for the locks of their wallets, and a group of a lane may
    /// set apart more wallets than the pool has connections.
    pub(super) fn new(pool: Pool, clock: Arc<dyn Clock>) -> Self {
        let half = usize::try_from(pool.options().get_max_connections() / 2).unwrap_or(1);
        Self { pool, permits: Semaphore::new(half.max(1)), clock }
    }

    /// Waits for a permit as long as the pool lets a caller wait for a connection.
    async fn reserve(&self) -> StoreResult<SemaphorePermit<'_>> {
        let time_limit = self.pool.options().get_acquire_timeout();
        match tokio::time::timeout(time_limit, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(sqlx::Error::PoolClosed.into()),
            Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
        }
    }

    async fn commit_once(
        &self,
        wallet: WalletId,
        commands: &[LedgerCommand],
    ) -> StoreResult<Vec<CommandOutcome>> {
        let _permit = self.reserve().await?;
        let mut tx = crate::begin(&self.pool).await?;
        let outcomes = apply(&mut tx, wallet, commands, self.clock.as_ref()).await?;
        tx.commit().await?;
        Ok(outcomes)
    }
}
