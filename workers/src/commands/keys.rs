//! `flysk-worker keys:rotate`.

use std::io::Write as _;

use anyhow::ensure;
use clap::Args;
use flysk_domain::id::HookId;
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::hooks::CheckHooks;
use flysk_queue::Outbox;
use flysk_services::activation::reencrypt_bindings;
use flysk_store::flysense::accounts;
use flysk_workers::config::Config;
use serde_json::Value;

use super::by::{Author, OptionalBy};
use super::record::{Act, record};
use super::transaction::transact;
use super::widget::open;

const ACCOUNTS_PER_TRANSACTION: u32 = 200;

/// Who rotates the keys, and why.
#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    by: OptionalBy,
}

impl Rotate {
    /// Re-encrypts all secrets with the first key of the ring, and enqueues jobs that move amoCRM's hooks to URLs signed by that
    /// key.
    ///
    /// Other processes go on working. The previous key must stay in the ring until nothing is left under it.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let by = self.by.author()?;
        let (outbox, vault) = open(config).await?;
        let key = vault.keyring().current_id();
        let trace = Trace {
            correlation_id: format!("rotate.{}", HookId::generate(outbox.clock().as_ref())),
            traceparent: None,
        };
        tell(&outbox, &trace, key, by).await?;
        let mut done = vault.reencrypt_all(&mut *outbox.pool().acquire().await?).await?;
        let bindings = reencrypt_bindings(&mut *outbox.pool().acquire().await?, vault.keyring()).await?;
        done.scanned += bindings.scanned;
        done.reencrypted += bindings.reencrypted;
        done.skipped += bindings.skipped;
        let hooks = move_hooks(&outbox, &trace, key).await?;
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "{} rows, {} moved to the current key, {} changed meanwhile.",
            done.scanned, done.reencrypted, done.skipped
        )?;
        writeln!(out, "{hooks} accounts have call hooks under a previous key.")?;
        if hooks > 0 {
            writeln!(
                out,
                "Workers move them. Run this command again until there are none, then remove the previous keys."
            )?;
        }
        if let Some(until) = done.former_tokens_until {
            writeln!(
                out,
                "Project tokens that 0.1.0 replaced are valid until {until} and need the previous keys: keep these until then."
            )?;
        }
        ensure!(done.skipped == 0, "some rows changed meanwhile: run the command again");
        Ok(())
    }
}

/// Records the rotation before it begins: it has many transactions, and may end after some of them.
async fn tell(outbox: &Outbox, trace: &Trace, key: &str, by: Author<'_>) -> anyhow::Result<()> {
    let write = || async {
        let mut unit = outbox.begin(trace.clone()).await?;
        let act = Act {
            action: "keys.rotate",
            subject: ("key", key.to_owned()),
            reason: by.reason,
            before: Value::Null,
            after: by.named(Value::Null),
        };
        record(&mut unit, outbox.clock().as_ref(), act).await?;
        Ok(unit.commit().await?)
    };
    transact(write).await
}

/// Enqueues a check for each account whose hook URL is signed by a previous key; returns the number of accounts.
async fn move_hooks(outbox: &Outbox, trace: &Trace, key: &str) -> anyhow::Result<usize> {
    let (mut after, mut count) = (None, 0);
    loop {
        let move_page = || async {
            let mut unit = outbox.begin(trace.clone()).await?;
            let accounts =
                accounts::list_hooks_under_other_keys(&mut unit, key, after, ACCOUNTS_PER_TRANSACTION)
                    .await?;
            for account_id in &accounts {
                unit.enqueue(&CheckHooks { account_id: *account_id }).await?;
            }
            unit.commit().await?;
            Ok(accounts)
        };
        let accounts = transact(move_page).await?;
        let Some(last) = accounts.last() else { return Ok(count) };
        after = Some(*last);
        count += accounts.len();
    }
}
