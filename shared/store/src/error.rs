//! What can go wrong between us and MySQL.

/// A statement failed, or found the database other than it must be.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique key refused the row: somebody wrote it first.
    #[error("`{key}` is taken")]
    Taken {
        /// Name of the unique key.
        key: String,
    },
    /// Two transactions waited for each other, one waited too long or read what another changed, or a node of a cluster is away:
    /// the transaction was rolled back and must not go on; as a whole it may be run again ([`crate::repeat_contended`]).
    #[error("the transaction was rolled back and may be run again: {0}")]
    Contended(#[source] sqlx::Error),
    /// A conditional write found no row in the state it needed.
    #[error("{what} is not in the state this write needs")]
    Stale {
        /// Which row.
        what: &'static str,
    },
    /// A row holds what the program cannot read.
    #[error("a stored {what} cannot be read: {reason}")]
    Corrupt {
        /// Which column.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The server refused the statement, or its answer is not what the program reads: no repetition mends it, an operator
    /// has to hear of it.
    #[error("a statement is wrong: {0}")]
    Defect(#[source] sqlx::Error),
    /// The database is unreachable.
    #[error("database: {0}")]
    Database(#[source] sqlx::Error),
}

/// What a store function gives.
pub type StoreResult<T> = Result<T, StoreError>;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let Some(db) = error.as_database_error() {
            if db.is_unique_violation() {
                return Self::Taken { key: duplicated_key(db.message()) };
            }
            if Self::may_run_again(&error) {
                return Self::Contended(error);
            }
        }
        if is_defect(&error) { Self::Defect(error) } else { Self::Database(error) }
    }
}

/// Whether the fault lies in the statement or in how its answer is read, and not in the state of the server.
///
/// Classes of SQLSTATE (ISO/IEC 9075): 21 cardinality, 22 data, 23 constraint, 42 syntax or access rule. The server gives
/// the general HY000 to the four numbers: 1364 a field has no default, 1366 wrong value for a column, 3140 invalid JSON
/// (`MySQL`), 4025 a check failed (`MariaDB`). And it gives 42000 to what passes: 1203 and 1226, too many connections or
/// statements of one user; 1044 and 1142, a grant that is being changed.
fn is_defect(error: &sqlx::Error) -> bool {
    use sqlx::Error;
    if let Some(db) = error.as_database_error() {
        let class = db.code().map(|code| code.chars().take(2).collect::<String>());
        let number = db
            .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
            .map(sqlx::mysql::MySqlDatabaseError::number);
        let is_passing = matches!(number, Some(1044 | 1142 | 1203 | 1226));
        let is_of_class = matches!(class.as_deref(), Some("21" | "22" | "23" | "42"));
        return is_of_class && !is_passing || matches!(number, Some(1364 | 1366 | 3140 | 4025));
    }
    matches!(
        error,
        Error::ColumnDecode { .. }
            | Error::ColumnIndexOutOfBounds { .. }
            | Error::ColumnNotFound(_)
            | Error::Decode(_)
            | Error::Encode(_)
            | Error::InvalidArgument(_)
            | Error::RowNotFound
            | Error::TypeNotFound { .. }
    )
}

impl StoreError {
    /// Whether a lock was waited for as long as a session may (1205). Another wait is as long, so this one is worth an
    /// attempt where attempts are counted.
    pub fn is_lock_wait_timeout(error: &sqlx::Error) -> bool {
        let Some(db) = error.as_database_error() else { return false };
        db.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().is_some_and(|db| db.number() == 1205)
    }

    /// Whether the database says that it rolled the transaction back and that it may be run again.
    pub fn may_run_again(error: &sqlx::Error) -> bool {
        let Some(db) = error.as_database_error() else { return false };
        let number = db
            .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
            .map(sqlx::mysql::MySqlDatabaseError::number);
        // 1213 deadlock (on a cluster also at COMMIT), 1205 lock wait timeout, 1020 record changed since last read
        // (MariaDB snapshot isolation), 1047 a Galera node that left its cluster for a moment.
        matches!(number, Some(1213 | 1205 | 1020 | 1047))
    }
}

/// MySQL names the key as `'jobs.jobs_waiting_key'`, MariaDB as `'jobs_waiting_key'`.
fn duplicated_key(message: &str) -> String {
    message.rsplit('\'').nth(1).and_then(|name| name.rsplit('.').next()).unwrap_or("unique key").to_owned()
}

/// Fails with [`StoreError::Stale`] unless exactly one row was written.
pub(crate) fn expect_one(result: &sqlx::mysql::MySqlQueryResult, what: &'static str) -> StoreResult<()> {
    if result.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Stale { what }) }
}

#[cfg(test)]
mod tests {
    use super::duplicated_key;

    #[test]
    fn both_servers_name_the_same_key() {
        assert_eq!(
            duplicated_key("Duplicate entry 'a-b' for key 'jobs.jobs_waiting_key'"),
            "jobs_waiting_key"
        );
        assert_eq!(duplicated_key("Duplicate entry 'a-b' for key 'jobs_waiting_key'"), "jobs_waiting_key");
    }
}
