//! Writes of amoCRM's webhooks: those that wait for the database share a transaction, which is flushed before they are answered.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use flysk_domain::id::{AccountId, HookId, InstallId};
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::calls::IngestNote;
use flysk_queue::Outbox;
use flysk_store::flysense::accounts;
use flysk_store::flysense::hooks::{self, NewHook};
use flysk_store::group_commit::{CommitGroup, GroupCommit};
use flysk_store::{StoreResult, answered, repeat_contended};

/// A webhook that is to be stored.
pub(crate) struct Webhook {
    /// The install whose address was called.
    pub(crate) install: InstallId,
    pub(crate) body: Bytes,
    /// Trace of the request, for its job.
    pub(crate) trace: Trace,
}

/// Without the body, which contains phone numbers.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("install", &self.install).finish_non_exhaustive()
    }
}

/// Stores webhooks and enqueues their processing. Clones share the transactions.
#[derive(Debug, Clone)]
pub(crate) struct WebhookWrites {
    groups: GroupCommit<Writes>,
}

impl WebhookWrites {
    /// Writes through `outbox`.
    pub(crate) fn new(outbox: Outbox) -> Self {
        Self { groups: GroupCommit::new(Writes { outbox }) }
    }

    /// Returns when the webhook and its job are durable. A webhook of a removed install is ignored: an error would only cause
    /// retries by amoCRM.
    pub(crate) async fn store(&self, webhook: Webhook) -> StoreResult<()> {
        self.groups.submit((), webhook).await
    }
}

struct Writes {
    outbox: Outbox,
}

impl CommitGroup for Writes {
    type Key = ();
    type Item = Webhook;
    type Outcome = ();

    /// As many as a commit wakes workers for. With bodies of the maximum size they are half of the server's largest packet.
    const MAX_GROUP_LEN: usize = 64;

    async fn commit(&self, (): (), webhooks: &[Webhook]) -> StoreResult<Vec<()>> {
        repeat_contended(|| answered(self.commit_once(webhooks))).await?;
        Ok(vec![(); webhooks.len()])
    }
}

impl Writes {
    async fn commit_once(&self, webhooks: &[Webhook]) -> StoreResult<()> {
        let Some(first) = webhooks.first() else { return Ok(()) };
        let mut unit = self.outbox.begin(first.trace.clone()).await?;
        let installs: Vec<InstallId> = webhooks.iter().map(|webhook| webhook.install).collect();
        let accounts = accounts::list_accounts_of(&mut unit, &installs).await?;
        let accounts: HashMap<InstallId, AccountId> = accounts.into_iter().collect();
        let clock = self.outbox.clock().as_ref();
        let stored = webhooks.iter().filter_map(|webhook| {
            let account_id = *accounts.get(&webhook.install)?;
            let (body, correlation_id) = (&webhook.body, webhook.trace.correlation_id.as_str());
            Some((webhook, NewHook { id: HookId::generate(clock), account_id, body, correlation_id }))
        });
        let (webhooks, rows): (Vec<&Webhook>, Vec<NewHook<'_>>) = stored.unzip();
        hooks::insert_all(&mut unit, &rows, clock.now()).await?;
        let jobs: Vec<IngestNote> =
            rows.iter().map(|hook| IngestNote { hook_id: hook.id, account_id: hook.account_id }).collect();
        let jobs: Vec<_> = jobs.iter().zip(webhooks.iter().map(|webhook| &webhook.trace)).collect();
        unit.enqueue_traced(&jobs).await?;
        unit.commit().await
    }
}
