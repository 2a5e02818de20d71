//! `flysk-worker account:*`: the personal data of an account.

use std::io::Write as _;

use anyhow::ensure;
use clap::Args;
use flysk_domain::admin::KEPT;
use flysk_domain::id::{AccountId, AuditId};
use flysk_domain::trace::Trace;
use flysk_queue::Outbox;
use flysk_services::erasure::{self, ERASE, ErasureRequest, Survey, survey};
use flysk_store::admin::audit::{self, NewAuditRow};
use flysk_store::admin::erasures::Erasure;
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;

use super::transaction::transact;

/// Actor of these commands in the audit log.
const PROGRAM: &str = "flysk-worker";

/// The account to erase.
#[derive(Debug, Args)]
pub(super) struct Erase {
    /// The account's id in amoCRM.
    #[arg(long)]
    account: AccountId,
    /// Current domain of the account, such as `demo.amocrm.ru`; confirms the erasure.
    #[arg(long)]
    domain: String,
    /// Reason for the record, without personal data.
    #[arg(long)]
    reason: String,
    /// Erase. Without it the command only prints what would be erased and what stays.
    #[arg(long)]
    yes: bool,
}

impl Erase {
    /// Prints the dry run, or records the erasure and enqueues its jobs.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let reason = self.reason.trim();
        ensure!((1..=500).contains(&reason.chars().count()), "the reason has 1 to 500 characters");
        let outbox = open_outbox(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        erasure::check(&mut conn, self.account, &self.domain).await?;
        if !self.yes {
            return print(&survey(&mut conn, self.account, outbox.clock().now()).await?);
        }
        drop(conn);
        let begun = transact(|| self.begin(&outbox, reason)).await?;
        writeln!(
            std::io::stdout().lock(),
            "{} begins; its record is on the account's page in the admin panel.",
            begun.id
        )?;
        Ok(())
    }

    async fn begin(&self, outbox: &Outbox, reason: &str) -> anyhow::Result<Erasure> {
        let clock = outbox.clock().as_ref();
        let correlation_id = format!("erase.{}", self.account);
        let mut unit = outbox.begin(Trace { correlation_id, traceparent: None }).await?;
        let wanted = ErasureRequest {
            account_id: self.account,
            domain: &self.domain,
            operator_id: None,
            login: PROGRAM,
            approved_login: None,
            reason,
            address: "",
        };
        let begun = erasure::request(&mut unit, clock, &wanted).await?;
        let row = NewAuditRow {
            id: AuditId::generate(clock),
            operator_id: None,
            operator_login: PROGRAM,
            action: ERASE,
            subject: ("account", &self.account.to_string()),
            reason,
            states: (None, Some(serde_json::json!({ "erasure": begun.id }).to_string())),
            address: "",
            correlation_id: &begun.correlation_id,
        };
        let now = unit.now();
        audit::insert(&mut unit, &row, now).await?;
        unit.commit().await?;
        Ok(begun)
    }
}

fn print(found: &Survey) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Would be erased:")?;
    for (kind, count) in &found.counts {
        let count = count.map_or_else(|| "found when erased".to_owned(), |count| count.to_string());
        writeln!(out, "  {:<14} {:<9} {count}", kind.code(), kind.side().code())?;
    }
    writeln!(out, "Stays:")?;
    for (what, why) in KEPT {
        writeln!(out, "  {what}: {why}")?;
    }
    writeln!(out, "Nothing has changed. Add --yes to erase; it cannot be taken back.")?;
    Ok(())
}
