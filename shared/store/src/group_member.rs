//! State of a member of MySQL Group Replication.
//!
//! Secondary members are read-only, and so is one that has left its group after an error. Two kinds of servers take writes and
//! must not be used all the same: a member that has lost the majority, whose commits wait for the others, and a server that has not
//! joined its group (`group_replication_start_on_boot = OFF`), whose writes nobody else would get.

use std::sync::Once;

use sqlx::Row as _;

use crate::error::server_number;
use crate::{Conn, StoreError, StoreResult};

/// Number of the error of a user without the right to read a table.
const TABLE_ACCESS_DENIED: u16 = 1142;

/// Logs once per process that the state of members cannot be read.
static STATE_IS_HIDDEN: Once = Once::new();

/// Fails if the server belongs to a group, but is not online in it, or sees no majority of its members.
///
/// The user needs the right to read `performance_schema.replication_group_members`. Without it the server counts as usable.
pub(crate) async fn must_be_in_majority(conn: &mut Conn) -> StoreResult<()> {
    if !belongs_to_group(conn).await? {
        return Ok(());
    }
    match is_in_majority(conn).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            let told = "the server is not online in its group, or sees no majority of it".to_owned();
            Err(StoreError::Database(sqlx::Error::Protocol(told)))
        }
        Err(error) if server_number(&error) == Some(TABLE_ACCESS_DENIED) => {
            STATE_IS_HIDDEN.call_once(|| {
                tracing::warn!(
                    "a member of the group that has lost the majority is not recognised: the database user lacks SELECT on \
                     performance_schema.replication_group_members"
                );
            });
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the server is configured as a member of a group. `MariaDB` and a server without the plugin lack the variable.
async fn belongs_to_group(conn: &mut Conn) -> StoreResult<bool> {
    let variable =
        sqlx::raw_sql("SHOW VARIABLES LIKE 'group_replication_group_name'").fetch_optional(conn).await?;
    variable.map_or(Ok(false), |row| Ok(!row.try_get::<String, _>(1)?.is_empty()))
}

/// Whether the server is online in its group and reaches more than half of the members. `MariaDB` reads `0`.
async fn is_in_majority(conn: &mut Conn) -> sqlx::Result<bool> {
    let answer: i64 = sqlx::query_scalar(
        "SELECT CAST(/*!80000 (
             SELECT COALESCE(SUM(member_id = @@server_uuid AND member_state = 'ONLINE') > 0
                             AND SUM(member_state <> 'UNREACHABLE') * 2 > COUNT(*), 0)
             FROM performance_schema.replication_group_members) + */ 0 AS SIGNED)",
    )
    .fetch_one(conn)
    .await?;
    Ok(answer == 1)
}
