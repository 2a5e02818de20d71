//! Errors of the store.

/// A statement failed, or found the database other than it must be.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row with the same unique key exists.
    #[error("`{key}` is taken")]
    Duplicate {
        /// Name of the unique key.
        key: String,
    },
    /// Deadlock, lock wait timeout, a row or table changed since it was read, or a node of a cluster that is unavailable or
    /// read-only: the transaction was rolled back, or is with its connection, and must not continue; as a whole it may be
    /// repeated ([`crate::repeat_contended`]).
    #[error("the transaction was rolled back and may be repeated: {0}")]
    Conflict(#[source] sqlx::Error),
    /// A conditional write found no row in the required state.
    #[error("{what} is not in the state that this write requires")]
    WrongState {
        /// Kind of the row.
        what: &'static str,
    },
    /// A column's value cannot be decoded.
    #[error("a stored {what} cannot be read: {reason}")]
    InvalidRow {
        /// The column.
        what: &'static str,
        /// Why decoding failed.
        reason: String,
    },
    /// The server refused the statement, or its result does not have the expected shape: repeating is useless, an operator
    /// must be alerted.
    #[error("invalid statement: {0}")]
    Defect(#[source] sqlx::Error),
    /// The database is unavailable.
    #[error("database: {0}")]
    Database(#[source] sqlx::Error),
}

/// Result of a store function.
pub type StoreResult<T> = Result<T, StoreError>;

/// Message of sqlx 0.9 about every failed `#[sqlx(try_from = …)]`, whatever the conversion's error was
/// (`findings/sqlx-from-row-try-from.sh`). [`crate::TextColumn`] logs the error itself.
const FAILED_CONVERSION: &str = "unprintable error: (unprintable type)";

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let Some(db) = error.as_database_error() {
            if db.is_unique_violation() {
                return Self::Duplicate { key: duplicated_key(db.message()) };
            }
            if Self::may_run_again(&error) {
                return Self::Conflict(error);
            }
        }
        if let sqlx::Error::ColumnDecode { index, source } = &error
            && source.to_string() == FAILED_CONVERSION
        {
            return Self::InvalidRow { what: "column", reason: format!("the text in {index} is unknown") };
        }
        if is_defect(&error) { Self::Defect(error) } else { Self::Database(error) }
    }
}

/// Whether the error is caused by the statement or the decoding of its result, and not by the state of the server.
///
/// Classes of SQLSTATE (ISO/IEC 9075): 21 cardinality, 22 data, 23 constraint, 42 syntax or access rule. The server
/// reports five numbers as the general HY000: 1364 a field has no default, 1366 wrong value for a column, 3098 a table
/// that Group Replication cannot replicate, as without a primary key (`MySQL`), 3140 invalid JSON (`MySQL`), 4025 a check
/// failed (`MariaDB`). It reports temporary errors as 42000: 1203 and 1226, too many connections or statements of one user;
/// 1044 and 1142, a grant that is being changed.
fn is_defect(error: &sqlx::Error) -> bool {
    use sqlx::Error;
    if let Some(db) = error.as_database_error() {
        let class = db.code().map(|code| code.chars().take(2).collect::<String>());
        let number = db
            .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
            .map(sqlx::mysql::MySqlDatabaseError::number);
        let is_passing = matches!(number, Some(1044 | 1142 | 1203 | 1226));
        let is_of_class = matches!(class.as_deref(), Some("21" | "22" | "23" | "42"));
        return is_of_class && !is_passing || matches!(number, Some(1364 | 1366 | 3098 | 3140 | 4025));
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
    /// Whether the wait for a lock reached the session's limit (1205). A repetition may wait as long again, so it is worth a
    /// counted attempt.
    pub fn is_lock_wait_timeout(error: &sqlx::Error) -> bool {
        let Some(db) = error.as_database_error() else { return false };
        db.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().is_some_and(|db| db.number() == 1205)
    }

    /// Whether a read was ended by the time limit of its session: 1969 on `MariaDB`, 3024 on `MySQL`. The connection remains
    /// usable.
    pub fn is_statement_timeout(&self) -> bool {
        let Self::Database(error) = self else { return false };
        let Some(db) = error.as_database_error() else { return false };
        db.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
            .is_some_and(|db| matches!(db.number(), 1969 | 3024))
    }

    /// Whether a transaction lost a race and may be repeated at once. After a wait for a lock that reached the session's limit it
    /// is not: another wait may be as long, and others may wait behind it.
    pub fn is_lost_race(&self) -> bool {
        matches!(self, Self::Conflict(cause) if !Self::is_lock_wait_timeout(cause))
    }

    /// Whether the database rolled the transaction back, or the caller has to, and it may be repeated.
    pub fn may_run_again(error: &sqlx::Error) -> bool {
        let Some(db) = error.as_database_error() else { return false };
        server_number(error).is_some_and(|number| {
            REPEATABLE_NUMBERS.contains(&number) || number == FAILED_COMMIT && is_deadlock(db.message())
        })
    }
}

/// Number of an error of the server.
pub(crate) fn server_number(error: &sqlx::Error) -> Option<u16> {
    let db = error.as_database_error()?;
    db.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(sqlx::mysql::MySqlDatabaseError::number)
}

/// Numbers of errors after which a transaction may be repeated.
///
/// - 1213 deadlock, on Galera also at `COMMIT`; 1205 lock wait timeout; 1020 record changed since last read (MariaDB,
///   snapshot isolation).
/// - 1412, 1615: the definition of a table changed during the transaction, because a migration runs.
/// - 1047: a Galera node without quorum, or not synchronised yet.
/// - 1290, 1836: the server became read-only, because the primary moved.
/// - 3101: Group Replication refused the transaction at `COMMIT`, on all members, because of one of another member.
/// - 3781 to 3783: Group Replication gave up a statement that waited for a new primary to catch up; 3796 to 3798: one that waited
///   for what other members had committed. Both before the transaction began.
///
/// Not 3100, although MySQL calls the transaction rolled back: a member that loses the majority while a commit waits for the others
/// reports it, and they may have committed the transaction.
const REPEATABLE_NUMBERS: [u16; 15] =
    [1213, 1205, 1020, 1412, 1615, 1047, 1290, 1836, 3101, 3781, 3782, 3783, 3796, 3797, 3798];

/// "Got error … during COMMIT". The transaction may be committed, unless the storage engine refused it before.
const FAILED_COMMIT: u16 = 1180;

/// Whether the message of [`FAILED_COMMIT`] names a deadlock, the storage engine's error 149: Group Replication has rolled the
/// transaction back for one of another member, before the group knew of it. `MySQL` translates the other words.
fn is_deadlock(message: &str) -> bool {
    message.contains(" 149 - ")
}

/// MySQL names the key as `'jobs.jobs_waiting_key'`, MariaDB as `'jobs_waiting_key'`.
fn duplicated_key(message: &str) -> String {
    message.rsplit('\'').nth(1).and_then(|name| name.rsplit('.').next()).unwrap_or("unique key").to_owned()
}

/// Whether a row was inserted; `false` if a unique key has it already. An `ON DUPLICATE KEY UPDATE` that changes nothing does
/// not tell the two apart: sqlx counts the rows that were found.
pub(crate) fn unless_duplicate(
    inserted: Result<sqlx::mysql::MySqlQueryResult, sqlx::Error>,
) -> StoreResult<bool> {
    match inserted.map_err(StoreError::from) {
        Ok(_) => Ok(true),
        Err(StoreError::Duplicate { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// [`unless_duplicate`] for one unique key; a duplicate of another one is an error.
pub(crate) fn unless_duplicate_of(
    inserted: Result<sqlx::mysql::MySqlQueryResult, sqlx::Error>,
    unique_key: &str,
) -> StoreResult<bool> {
    match inserted.map_err(StoreError::from) {
        Ok(_) => Ok(true),
        Err(StoreError::Duplicate { key }) if key == unique_key => Ok(false),
        Err(error) => Err(error),
    }
}

/// Fails with [`StoreError::WrongState`] unless exactly `rows` rows were written.
pub(crate) fn expect_rows(
    result: &sqlx::mysql::MySqlQueryResult,
    rows: usize,
    what: &'static str,
) -> StoreResult<()> {
    if usize::try_from(result.rows_affected()) == Ok(rows) {
        Ok(())
    } else {
        Err(StoreError::WrongState { what })
    }
}

/// Fails with [`StoreError::WrongState`] unless exactly one row was written.
pub(crate) fn expect_one(result: &sqlx::mysql::MySqlQueryResult, what: &'static str) -> StoreResult<()> {
    if result.rows_affected() == 1 { Ok(()) } else { Err(StoreError::WrongState { what }) }
}

#[cfg(test)]
mod tests {
    use super::{duplicated_key, is_deadlock};

    #[test]
    fn a_failed_commit_is_told_from_a_deadlock_by_the_number_in_its_message() {
        assert!(is_deadlock("Got error 149 - 'Lock deadlock; Retry transaction' during COMMIT"));
        assert!(is_deadlock("Fehler 149 - 'Lock deadlock; Retry transaction' beim COMMIT"));
        assert!(!is_deadlock("Got error 1 - 'Operation not permitted' during COMMIT"));
        assert!(!is_deadlock("Got error 1149 - 'Unknown error' during COMMIT"));
    }

    #[test]
    fn both_servers_name_the_same_key() {
        assert_eq!(
            duplicated_key("Duplicate entry 'a-b' for key 'jobs.jobs_waiting_key'"),
            "jobs_waiting_key"
        );
        assert_eq!(duplicated_key("Duplicate entry 'a-b' for key 'jobs_waiting_key'"), "jobs_waiting_key");
    }
}
