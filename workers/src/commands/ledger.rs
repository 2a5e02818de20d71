//! `flysk-worker ledger:verify`.

use std::io::Write as _;

use anyhow::ensure;
use clap::Args;
use flysk_store::ledger;
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;

/// How much to tell.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The largest number of discrepancies to show for each rule.
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl Verify {
    /// Proves every balance from the entries; fails if one does not agree.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let proof = ledger::prove(outbox.pool(), self.limit.max(1)).await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{} entries in {} wallets, at one moment:", proof.entries, proof.wallets)?;
        for rule in ledger::rules() {
            let found = proof.discrepancies.iter().filter(|one| one.rule == rule).count();
            let verdict = if found == 0 { "proven".to_owned() } else { format!("{found} DO NOT AGREE") };
            writeln!(out, "  {rule:<28} {verdict}")?;
        }
        for one in &proof.discrepancies {
            writeln!(
                out,
                "{}: {} has {} millionths, its entries say {}",
                one.rule, one.place, one.stored, one.proven
            )?;
        }
        ensure!(proof.discrepancies.is_empty(), "the books do not agree");
        Ok(())
    }
}
