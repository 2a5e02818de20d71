//! The database's own time. It is asked for to find out how far a process' clock is from it, and for nothing else: no lease and
//! no due time is judged by it.

use chrono::{DateTime, Utc};

use crate::{Conn, StoreResult};

/// What time it is at the database.
pub async fn read_server_time(conn: &mut Conn) -> StoreResult<DateTime<Utc>> {
    Ok(sqlx::query_scalar("SELECT UTC_TIMESTAMP(6)").fetch_one(conn).await?)
}
