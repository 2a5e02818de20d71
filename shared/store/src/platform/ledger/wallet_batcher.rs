//! Group commit of ledger commands: all commands that wait for one wallet are executed in one transaction.

use std::sync::Arc;

use flysk_domain::Clock;
use flysk_domain::id::WalletId;

use super::{CommandOutcome, LedgerCommand, apply};
use crate::group_commit::{CommitGroup, GroupCommit};
use crate::{Pool, StoreError, StoreResult, repeat_while};

/// Executes commands of callers in this process. Clones share the queues.
///
/// Dropping a caller does not withdraw its command; the caller repeats it under the same idempotency key.
#[derive(Debug, Clone)]
pub struct WalletBatcher {
    groups: GroupCommit<WalletCommits>,
}

impl WalletBatcher {
    /// A batcher that takes connections from `pool`.
    pub fn new(pool: Pool, clock: Arc<dyn Clock>) -> Self {
        Self { groups: GroupCommit::new(WalletCommits { pool, clock }) }
    }

    /// Executes a command, together with other commands that wait for the wallet.
    pub async fn submit(&self, wallet: WalletId, command: LedgerCommand) -> StoreResult<CommandOutcome> {
        self.groups.submit(wallet, command).await
    }
}

#[derive(Debug)]
struct WalletCommits {
    pool: Pool,
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
    async fn commit_once(
        &self,
        wallet: WalletId,
        commands: &[LedgerCommand],
    ) -> StoreResult<Vec<CommandOutcome>> {
        let mut tx = self.pool.begin().await?;
        let outcomes = apply(&mut tx, wallet, commands, self.clock.as_ref()).await?;
        tx.commit().await?;
        Ok(outcomes)
    }
}
