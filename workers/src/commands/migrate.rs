//! `flysk-worker migrate`.

use flysk_workers::config::Config;
use flysk_workers::process::connect;

/// Applies pending migrations. A second run changes nothing.
pub(super) async fn migrate(config: &Config) -> anyhow::Result<()> {
    let pool = connect(config, config.database.max_connections).await?;
    flysk_migrations::migrate(&pool).await?;
    tracing::info!("database schema is up to date");
    Ok(())
}
