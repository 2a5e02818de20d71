//! `flysk-worker keys:rotate`.

use std::io::Write as _;

use anyhow::ensure;
use flysk_workers::config::Config;

use super::widget::open;

/// Seals everything again under the first key of the ring. Everybody else goes on working; the former
/// key has to stay in the ring until this says that nothing is left under it.
pub(super) async fn rotate(config: &Config) -> anyhow::Result<()> {
    let (outbox, vault) = open(config).await?;
    let mut conn = outbox.pool().acquire().await?;
    let done = vault.reseal_all(&mut conn).await?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} rows, {} moved to the current key, {} changed meanwhile.",
        done.seen, done.moved, done.missed
    )?;
    ensure!(done.missed == 0, "run it again: rows were changed while they were moved");
    Ok(())
}
