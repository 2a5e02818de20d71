//! Connections to a test's database as the product opens them.

use flysk_store::Pool;
use sqlx::mysql::MySqlPoolOptions;

/// The same database through a pool like the product's, of at most `connections`: `sqlx::test` hands out one at the
/// server's own isolation level, at which no process of ours runs.
pub async fn as_in_production(pool: &Pool, connections: u32) -> Result<Pool, sqlx::Error> {
    let options = MySqlPoolOptions::new().max_connections(connections);
    flysk_store::careful(options).connect_with((*pool.connect_options()).clone()).await
}
