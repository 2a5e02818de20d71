//! `flysk-worker migrate`.

use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;

/// Applies what is missing; running it twice changes nothing.
pub(super) async fn migrate(config: &Config) -> anyhow::Result<()> {
    let outbox = open_outbox(config).await?;
    flysk_migrations::migrate(outbox.pool()).await?;
    tracing::info!("the database has this release's schema");
    Ok(())
}
