//! `flysk-worker ledger:verify`.

use std::io::Write as _;

use anyhow::ensure;
use clap::Args;
use flysk_services::ledger_proof::{forget_proofs, verify_new_entries, verify_whole_ledger};
use flysk_store::platform::ledger;
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;

/// Scope of the verification, and options of the report.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Verify the whole ledger, and that what was verified before is unchanged.
    #[arg(long, conflicts_with = "renew")]
    all: bool,
    /// Forget what was verified before, and verify and store it anew.
    #[arg(long)]
    renew: bool,
    /// Maximum number of discrepancies to show for each rule.
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl Verify {
    /// Checks entries and balances; fails on a mismatch.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let (pool, limit) = (outbox.pool(), self.limit.max(1));
        if self.renew {
            forget_proofs(pool).await?;
        }
        let verified = if self.all {
            verify_whole_ledger(pool, limit).await?
        } else {
            verify_new_entries(pool, outbox.clock().as_ref(), limit).await?
        };
        let mut out = std::io::stdout().lock();
        let scope = if self.all { "the whole ledger" } else { "new since the last verification" };
        writeln!(out, "{} entries in {} wallets, {scope}:", verified.entries, verified.wallets)?;
        for rule in ledger::rules() {
            let found = verified.discrepancies.iter().filter(|one| one.rule == rule).count();
            let verdict = if found == 0 { "correct".to_owned() } else { format!("{found} MISMATCHES") };
            writeln!(out, "  {rule:<28} {verdict}")?;
        }
        for one in &verified.discrepancies {
            let (row_id, stored, proven) = (&one.row_id, one.stored, one.proven);
            if one.rule == ledger::PROVEN_RANGE {
                writeln!(
                    out,
                    "{}: {row_id} had {stored} entries, has {proven}, or they were changed",
                    one.rule
                )?;
            } else {
                writeln!(
                    out,
                    "{}: {row_id} has {stored} micro-Flycoins, its entries sum to {proven}",
                    one.rule
                )?;
            }
        }
        ensure!(verified.discrepancies.is_empty(), "balances do not match the ledger entries");
        Ok(())
    }
}
