//! A database for a sandbox.

use chrono::{DateTime, Utc};

use super::isolation::Namespace;
use super::options::Options;

/// Connections of a sandbox: API and jobs take one at a time each, tests a few more.
const CONNECTIONS: u32 = 12;

/// A migrated database of its own, deleted on drop.
#[derive(Debug)]
pub struct SandboxDatabase {
    /// With the pool of this database.
    pub options: flysk_sandbox::Options,
    // Last field, so that the data is deleted after its users have ended.
    _namespace: Namespace,
}

impl SandboxDatabase {
    /// Creates and migrates the database on the servers of `options`.
    pub async fn create(options: &Options, starts_at: DateTime<Utc>) -> anyhow::Result<Self> {
        let namespace = Namespace::create(&options.database_url, &options.redis_url, None).await?;
        let pool = flysk_store::connect(&namespace.database_url(), CONNECTIONS).await?;
        flysk_migrations::MIGRATOR.run(&pool).await?;
        let options = flysk_sandbox::Options {
            pool,
            redis_url: options.redis_url.clone(),
            starts_at,
            variables: std::collections::BTreeMap::new(),
        };
        Ok(Self { options, _namespace: namespace })
    }
}
