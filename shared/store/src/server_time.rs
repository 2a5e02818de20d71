//! The database's time. It is used only to measure the offset of a process's clock, never to check leases or due times.

use chrono::{DateTime, Utc};

use crate::{Conn, StoreResult};

/// Reads the database's current time.
pub async fn read_server_time(conn: &mut Conn) -> StoreResult<DateTime<Utc>> {
    Ok(sqlx::query_scalar("SELECT UTC_TIMESTAMP(6)").fetch_one(conn).await?)
}
