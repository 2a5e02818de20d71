//! `flysk-worker migrate`.

use flysk_workers::config::Config;
use flysk_workers::process::connect;
use flysk_workers::schema;

/// Connections that migrating needs: one that migrates, and one that shows that it lives.
const MIN_CONNECTIONS: u32 = 2;

/// Applies pending migrations. A second run changes nothing.
pub(super) async fn migrate(config: &Config) -> anyhow::Result<()> {
    let pool = connect(config, config.database.max_connections.max(MIN_CONNECTIONS)).await?;
    schema::migrate(&pool).await?;
    tracing::info!("database schema is up to date");
    Ok(())
}
