//! `flysk-worker keys:rotate`.

use std::io::Write as _;

use anyhow::ensure;
use flysk_domain::id::HookId;
use flysk_domain::trace::Trace;
use flysk_jobs::Outbox;
use flysk_jobs::amocrm::CheckHooks;
use flysk_store::flysense::accounts;
use flysk_workers::config::Config;

use super::transaction::transact;
use super::widget::open;

/// Accounts of one transaction.
const PER_UNIT: u32 = 200;

/// Seals everything again under the first key of the ring, and has workers move the addresses of amoCRM's hooks,
/// which a key signs. Everybody else goes on working; the former key has to stay in the ring until this says that
/// nothing is left under it.
pub(super) async fn rotate(config: &Config) -> anyhow::Result<()> {
    let (outbox, vault) = open(config).await?;
    let done = vault.reseal_all(&mut *outbox.pool().acquire().await?).await?;
    let hooks = move_hooks(&outbox, vault.keyring().current_id()).await?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} rows, {} moved to the current key, {} changed meanwhile.",
        done.seen, done.moved, done.missed
    )?;
    writeln!(out, "{hooks} accounts have their call hooks under a former key.")?;
    if hooks > 0 {
        writeln!(
            out,
            "Workers subscribe them anew. Run this again until there are none, then drop former keys."
        )?;
    }
    if let Some(until) = done.former_tokens_until {
        writeln!(
            out,
            "Project tokens that were replaced are good until {until}: former keys find them, and have to stay until then."
        )?;
    }
    ensure!(done.missed == 0, "run it again: rows were changed while they were moved");
    Ok(())
}

/// Enqueues a check for each account whose hooks go to an address under a former key; how many there are.
async fn move_hooks(outbox: &Outbox, key: &str) -> anyhow::Result<usize> {
    let trace = Trace {
        correlation_id: format!("rotate.{}", HookId::generate(outbox.clock().as_ref())),
        traceparent: None,
    };
    let (mut after, mut count) = (None, 0);
    loop {
        let move_page = || async {
            let mut unit = outbox.begin(trace.clone()).await?;
            let accounts = accounts::list_hooks_under_other_keys(&mut unit, key, after, PER_UNIT).await?;
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
