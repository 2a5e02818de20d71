//! `flysk-admin operator:list`.

use std::io::Write as _;

use flysk_domain::TextEnum as _;
use flysk_store::admin::operators;

use super::open;
use crate::config::Config;

/// Prints one line per operator.
///
/// # Errors
///
/// The database is unreachable.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let deps = open(config).await?;
    let all = operators::list(&mut *deps.reads.acquire().await?).await?;
    let mut out = std::io::stdout().lock();
    if all.is_empty() {
        writeln!(out, "No operators: create one with operator:create.")?;
    }
    for operator in all {
        let state = if operator.disabled_at.is_some() { "disabled" } else { "enabled" };
        writeln!(
            out,
            "{}  {:<24} {:<9} {state:<9} {}",
            operator.id,
            operator.login,
            operator.role.as_str(),
            operator.name
        )?;
    }
    Ok(())
}
