//! Reads of wallets for handshakes, many at once: they share a statement and a connection.
//!
//! A wallet is read after the request arrived, and never cached: every process changes wallets.

use std::collections::HashMap;

use flysk_domain::id::InstallId;
use flysk_store::group_commit::{CommitGroup, GroupCommit};
use flysk_store::platform::ledger::{WalletRow, list_wallets_of_installs};
use flysk_store::{Pool, StoreResult, answered};

/// Reads wallets. Clones share the reads.
#[derive(Debug, Clone)]
pub(crate) struct WalletReads {
    groups: GroupCommit<Reads>,
}

impl WalletReads {
    /// Reads through connections of `pool`.
    pub(crate) fn new(pool: Pool) -> Self {
        Self { groups: GroupCommit::new(Reads { pool }) }
    }

    /// Finds the wallet of an install, together with those of other callers.
    pub(crate) async fn find(&self, install: InstallId) -> StoreResult<Option<WalletRow>> {
        self.groups.submit((), install).await
    }
}

struct Reads {
    pool: Pool,
}

impl CommitGroup for Reads {
    type Key = ();
    type Item = InstallId;
    type Outcome = Option<WalletRow>;

    const MAX_GROUP_LEN: usize = 128;

    async fn commit(&self, (): (), installs: &[InstallId]) -> StoreResult<Vec<Option<WalletRow>>> {
        let reading = async { list_wallets_of_installs(&mut *self.pool.acquire().await?, installs).await };
        let wallets = answered(reading).await?;
        let wallets: HashMap<InstallId, WalletRow> =
            wallets.into_iter().map(|wallet| (wallet.install_id, wallet)).collect();
        Ok(installs.iter().map(|install| wallets.get(install).copied()).collect())
    }
}
