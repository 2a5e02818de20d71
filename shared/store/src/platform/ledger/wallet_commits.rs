//! Group commit of the commands of one wallet, which waits for the wallet's lock.

use std::sync::Arc;

use flysk_domain::Clock;
use flysk_domain::id::WalletId;

use super::apply::{CommandOutcome, LedgerCommand, apply};
use crate::group_commit::CommitGroup;
use crate::{Pool, StoreError, StoreResult, repeat_while};

/// Executes the commands that wait for one wallet in one transaction.
#[derive(Debug)]
pub(super) struct WalletCommits {
    /// Gives the connections.
    pub(super) pool: Pool,
    /// Gives the times of transactions.
    pub(super) clock: Arc<dyn Clock>,
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
