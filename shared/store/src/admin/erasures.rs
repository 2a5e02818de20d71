//! Tables `account_erasures` and `account_erasure_counts`: erasures of accounts' personal data.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::{ErasedKind, ErasureSide, ErasureState};
use flysk_domain::id::{AccountId, ErasureId};
use flysk_domain::platform::crm::Crm;

use crate::error::expect_one;
use crate::sql_text::sql;
use crate::{Conn, StoreResult, TextColumn};

/// Row of `account_erasures`: removal of an account's personal data.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Erasure {
    /// `ers_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: ErasureId,
    /// Service of the account.
    #[sqlx(try_from = "TextColumn", rename = "platform")]
    pub crm: Crm,
    /// amoCRM's number of the account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// Domain of the account at the request.
    pub host: String,
    /// Id of the operator who requested it; `None` for a command on the server.
    pub operator_id: Option<String>,
    /// Login of that operator, or name of the program.
    pub operator_login: String,
    /// Login of the second operator.
    pub approved_login: Option<String>,
    /// Given by the requester.
    pub reason: String,
    /// Address of the operator.
    pub address: String,
    /// Correlation id of the request.
    pub correlation_id: String,
    /// `Running` until its jobs have ended.
    #[sqlx(try_from = "TextColumn")]
    pub state: ErasureState,
    /// When FlySense's side ended.
    pub calls_done_at: Option<DateTime<Utc>>,
    /// When the platform's side ended.
    pub customer_done_at: Option<DateTime<Utc>>,
    /// When it was requested.
    pub requested_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Erasure {
    /// When a side ended.
    pub const fn done_at(&self, side: ErasureSide) -> Option<DateTime<Utc>> {
        match side {
            ErasureSide::Calls => self.calls_done_at,
            ErasureSide::Customer => self.customer_done_at,
        }
    }
}

const SELECT: &str =
    "SELECT id, platform, account_id, host, operator_id, operator_login, approved_login, reason, address,
            correlation_id, state, calls_done_at, customer_done_at, requested_at, finished_at
     FROM account_erasures WHERE ";

/// Inserts a running erasure. [`crate::StoreError::Duplicate`] if one of the account runs.
pub async fn insert(conn: &mut Conn, erasure: &Erasure) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO account_erasures (id, platform, account_id, host, operator_id, operator_login, approved_login,
                                       reason, address, correlation_id, state, open_slot, requested_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'running', 1, ?)",
    )
    .bind(erasure.id.to_string())
    .bind(erasure.crm.as_str())
    .bind(erasure.account_id.0)
    .bind(&erasure.host)
    .bind(&erasure.operator_id)
    .bind(&erasure.operator_login)
    .bind(&erasure.approved_login)
    .bind(&erasure.reason)
    .bind(&erasure.address)
    .bind(&erasure.correlation_id)
    .bind(erasure.requested_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: ErasureId) -> StoreResult<Option<Erasure>> {
    Ok(sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Finds an erasure and locks its row until the transaction ends.
pub async fn lock(conn: &mut Conn, id: ErasureId) -> StoreResult<Option<Erasure>> {
    Ok(sqlx::query_as(sql!(SELECT, "id = ? FOR UPDATE")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Lists at most `limit` erasures of an account, newest first.
pub async fn list_of_account(
    conn: &mut Conn,
    account_id: AccountId,
    limit: u32,
) -> StoreResult<Vec<Erasure>> {
    Ok(sqlx::query_as(sql!(SELECT, "account_id = ? ORDER BY id DESC LIMIT ?"))
        .bind(account_id.0)
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Adds to what was erased of a kind, in the transaction that erases it.
pub async fn add_count(conn: &mut Conn, id: ErasureId, kind: ErasedKind, erased: u64) -> StoreResult<()> {
    if erased == 0 {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO account_erasure_counts (erasure_id, kind, erased) VALUES (?, ?, ?)
         ON DUPLICATE KEY UPDATE erased = erased + VALUES(erased)",
    )
    .bind(id.to_string())
    .bind(kind.code())
    .bind(erased)
    .execute(conn)
    .await?;
    Ok(())
}

/// Number of erased rows of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct ErasedCount {
    /// What was counted.
    #[sqlx(try_from = "TextColumn")]
    pub kind: ErasedKind,
    /// Rows or objects.
    pub erased: u64,
}

/// Reads the numbers of erased rows by kind.
pub async fn counts(conn: &mut Conn, id: ErasureId) -> StoreResult<Vec<ErasedCount>> {
    Ok(sqlx::query_as("SELECT kind, erased FROM account_erasure_counts WHERE erasure_id = ? ORDER BY kind")
        .bind(id.to_string())
        .fetch_all(conn)
        .await?)
}

/// Records the end of a side of a running erasure that the caller has locked. The erasure ends with its second side; whether
/// it has ended now.
pub async fn finish_side(
    conn: &mut Conn,
    id: ErasureId,
    side: ErasureSide,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let query = match side {
        ErasureSide::Calls => {
            sqlx::query("UPDATE account_erasures SET calls_done_at = ? WHERE id = ? AND state = 'running'")
                .bind(now)
                .bind(id.to_string())
        }
        ErasureSide::Customer => {
            sqlx::query("UPDATE account_erasures SET customer_done_at = ? WHERE id = ? AND state = 'running'")
                .bind(now)
                .bind(id.to_string())
        }
    };
    let finished = query.execute(&mut *conn).await?;
    expect_one(&finished, "erasure")?;
    let ended = sqlx::query(
        "UPDATE account_erasures SET state = 'done', open_slot = NULL, finished_at = ?
         WHERE id = ? AND calls_done_at IS NOT NULL AND customer_done_at IS NOT NULL",
    )
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends a running erasure before everything is erased; `false` if it does not run.
pub async fn stop(conn: &mut Conn, id: ErasureId, now: DateTime<Utc>) -> StoreResult<bool> {
    let stopped = sqlx::query(
        "UPDATE account_erasures SET state = 'stopped', open_slot = NULL, finished_at = ?
         WHERE id = ? AND state = 'running'",
    )
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(stopped.rows_affected() == 1)
}
