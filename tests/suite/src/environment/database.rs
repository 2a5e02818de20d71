//! Database connections of tests, configured as in production.

use flysk_store::Pool;
use sqlx::mysql::MySqlPoolOptions;

/// A pool on the same database, configured as in production, with at most `connections` connections. The pool of
/// `sqlx::test` uses the server's default isolation level, which no Flysk process uses.
pub async fn connect_as_in_production(pool: &Pool, connections: u32) -> Result<Pool, sqlx::Error> {
    let options = MySqlPoolOptions::new().max_connections(connections);
    let server =
        (*pool.connect_options()).clone().statement_cache_capacity(flysk_store::STATEMENT_CACHE_CAPACITY);
    // On the heap: opening a connection is large, and every test's future would contain it.
    Box::pin(flysk_store::configure_pool(options).connect_with(server)).await
}
