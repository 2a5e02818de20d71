//! Table `account_renames`: former domains and names of accounts.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::AccountId;
use flysk_domain::platform::crm::Crm;

use crate::{Conn, StoreResult};

/// A change of an account's domain or name.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AccountRename {
    /// When it changed.
    pub changed_at: DateTime<Utc>,
    /// The domain until then.
    pub former_host: String,
    /// The name until then; empty once it is erased.
    pub former_name: String,
}

#[derive(sqlx::FromRow)]
struct StoredRow {
    host: String,
    host_at: Option<DateTime<Utc>>,
    name: String,
}

/// Records the stored domain and name of an account if they differ from what amoCRM returned at `at`. To be called before the account
/// is updated. `name` is `None` if it is not known to have changed; data older than the stored data changes nothing.
pub async fn record(
    conn: &mut Conn,
    (crm, account): (Crm, AccountId),
    host: &str,
    name: Option<&str>,
    at: DateTime<Utc>,
) -> StoreResult<()> {
    let stored: Option<StoredRow> =
        sqlx::query_as("SELECT host, host_at, name FROM accounts WHERE platform = ? AND id = ?")
            .bind(crm.as_str())
            .bind(account.0)
            .fetch_optional(&mut *conn)
            .await?;
    let Some(stored) = stored.filter(|stored| stored.host_at.is_none_or(|known| known <= at)) else {
        return Ok(());
    };
    // An account that is known by its domain only, or whose name was erased, has no former name.
    let is_renamed = name.is_some_and(|name| !stored.name.is_empty() && stored.name != name);
    if stored.host == host && !is_renamed {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO account_renames (platform, account_id, changed_at, former_host, former_name)
         VALUES (?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE changed_at = VALUES(changed_at)",
    )
    .bind(crm.as_str())
    .bind(account.0)
    .bind(at)
    .bind(&stored.host)
    .bind(&stored.name)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists the newest `limit` changes of an account before a time, newest first.
pub async fn list_before(
    conn: &mut Conn,
    crm: Crm,
    account: AccountId,
    before: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<AccountRename>> {
    Ok(sqlx::query_as(
        "SELECT changed_at, former_host, former_name FROM account_renames
         WHERE platform = ? AND account_id = ? AND changed_at < ? ORDER BY changed_at DESC LIMIT ?",
    )
    .bind(crm.as_str())
    .bind(account.0)
    .bind(before.naive_utc())
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Numbers of at most `limit` accounts that had this domain.
pub async fn find_by_former_host(conn: &mut Conn, host: &str, limit: u32) -> StoreResult<Vec<AccountId>> {
    // The column is ASCII: the database refuses to compare it with other characters, and they cannot match.
    if !host.is_ascii() {
        return Ok(Vec::new());
    }
    let found: Vec<u64> =
        sqlx::query_scalar("SELECT DISTINCT account_id FROM account_renames WHERE former_host = ? LIMIT ?")
            .bind(host)
            .bind(limit)
            .fetch_all(conn)
            .await?;
    Ok(found.into_iter().map(AccountId).collect())
}

/// Number of former names of an account.
pub async fn count_names(conn: &mut Conn, crm: Crm, account: AccountId) -> StoreResult<i64> {
    Ok(sqlx::query_scalar(
        "SELECT COUNT(*) FROM account_renames WHERE platform = ? AND account_id = ? AND former_name <> ''",
    )
    .bind(crm.as_str())
    .bind(account.0)
    .fetch_one(conn)
    .await?)
}

/// Removes the former names of an account; the domains stay. Returns how many names there were.
pub async fn erase_names(conn: &mut Conn, crm: Crm, account: AccountId) -> StoreResult<u64> {
    let erased = sqlx::query(
        "UPDATE account_renames SET former_name = '' WHERE platform = ? AND account_id = ? AND former_name <> ''",
    )
    .bind(crm.as_str())
    .bind(account.0)
    .execute(conn)
    .await?;
    Ok(erased.rows_affected())
}

/// Deletes at most `limit` changes from before `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM account_renames WHERE changed_at < ? ORDER BY changed_at LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}
