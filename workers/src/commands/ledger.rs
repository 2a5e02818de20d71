//! `flysk-worker ledger:verify`.

use std::io::Write as _;

use anyhow::ensure;
use clap::Args;
use flysk_store::platform::ledger;
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;

/// Options of the report.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Maximum number of discrepancies to show for each rule.
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl Verify {
    /// Checks every balance against its entries; fails on a mismatch.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let proof = ledger::verify_snapshot(outbox.pool(), self.limit.max(1)).await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{} entries in {} wallets, one snapshot:", proof.entries, proof.wallets)?;
        for rule in ledger::rules() {
            let found = proof.discrepancies.iter().filter(|one| one.rule == rule).count();
            let verdict = if found == 0 { "correct".to_owned() } else { format!("{found} MISMATCHES") };
            writeln!(out, "  {rule:<28} {verdict}")?;
        }
        for one in &proof.discrepancies {
            writeln!(
                out,
                "{}: {} has {} micro-Flycoins, its entries sum to {}",
                one.rule, one.place, one.stored, one.proven
            )?;
        }
        ensure!(proof.discrepancies.is_empty(), "balances do not match the ledger entries");
        Ok(())
    }
}
