//! The audit log of access tokens: every token that is given to a caller, and to whom.
//!
//! An entry is durable before the token is given. Entries that wait for the database share one INSERT.

use flysk_store::group_commit::{CommitGroup, GroupCommit};
use flysk_store::platform::token_audit::{self, TokenAuditEntry};
use flysk_store::{Pool, StoreResult, answered, repeat_contended};

use crate::VaultError;

/// Audit entries on their way to the database. Clones share the queue.
#[derive(Debug, Clone)]
pub(crate) struct TokenAuditLog {
    groups: GroupCommit<AuditInserts>,
}

impl TokenAuditLog {
    /// Writes through connections of `pool`.
    pub(crate) fn new(pool: Pool) -> Self {
        Self { groups: GroupCommit::new(AuditInserts { pool }) }
    }

    /// Returns when the entry is durable.
    pub(crate) async fn record(&self, entry: TokenAuditEntry) -> Result<(), VaultError> {
        Ok(self.groups.submit((), entry).await?)
    }
}

struct AuditInserts {
    pool: Pool,
}

impl CommitGroup for AuditInserts {
    type Key = ();
    type Item = TokenAuditEntry;
    type Outcome = ();

    /// Rows of one INSERT.
    const MAX_GROUP_LEN: usize = 200;

    async fn commit(&self, (): (), entries: &[TokenAuditEntry]) -> StoreResult<Vec<()>> {
        let insert = || async { token_audit::insert(&mut *self.pool.acquire().await?, entries).await };
        repeat_contended(|| answered(insert())).await?;
        Ok(vec![(); entries.len()])
    }
}
