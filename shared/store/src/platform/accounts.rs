//! Table `accounts`: amoCRM accounts, by id.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::AccountId;
use flysk_domain::platform::crm::Crm;

use super::account_renames;
use super::cache_invalidations::{self, Subject};
use crate::{Conn, StoreResult};

/// Length of the columns of names.
const MAX_NAME_CHARS: usize = 255;

/// An amoCRM account.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Account {
    /// amoCRM's id of the account.
    #[sqlx(try_from = "u64")]
    pub id: AccountId,
    /// Current host, such as `demo.amocrm.ru`.
    pub host: String,
    /// Host of the API that returns the account's current host, taken from its access tokens.
    pub api_domain: Option<String>,
    /// Display name.
    pub name: String,
    /// Offset of the account's time from UTC, minutes; `None` if unknown.
    pub utc_offset_minutes: Option<i16>,
}

/// Data about an account, as received from amoCRM.
#[derive(Debug)]
pub struct AccountUpdate<'a> {
    /// Service that the account belongs to.
    pub crm: Crm,
    /// amoCRM's id of the account.
    pub id: AccountId,
    /// Domain that the account had at `at`.
    pub host: &'a str,
    /// Host of the API that returns the account's current host, if the token names one.
    pub api_domain: Option<&'a str>,
    /// Display name.
    pub name: &'a str,
    /// Offset of the account's time from UTC, minutes, if amoCRM returned it.
    pub utc_offset_minutes: Option<i16>,
    /// When amoCRM returned the data.
    pub at: DateTime<Utc>,
}

/// Inserts or updates an account; data older than the stored data is ignored. A former domain or name is kept. A name that is too
/// long is cut: whoever chose it must not prevent an install.
pub async fn upsert(conn: &mut Conn, update: &AccountUpdate<'_>) -> StoreResult<()> {
    let account = (update.crm, update.id);
    let name: String = update.name.chars().take(MAX_NAME_CHARS).collect();
    account_renames::record(conn, account, update.host, Some(&name), update.at).await?;
    // Assignments run from left to right: `host_at` is compared before it changes.
    sqlx::query(
        "INSERT INTO accounts (platform, id, host, api_domain, name, utc_offset_minutes, host_at, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE
            host = IF(host_at IS NULL OR host_at <= VALUES(host_at), VALUES(host), host),
            name = IF(host_at IS NULL OR host_at <= VALUES(host_at), VALUES(name), name),
            api_domain = COALESCE(VALUES(api_domain), api_domain),
            utc_offset_minutes = COALESCE(VALUES(utc_offset_minutes), utc_offset_minutes),
            host_at = GREATEST(COALESCE(host_at, VALUES(host_at)), VALUES(host_at)),
            updated_at = VALUES(updated_at)",
    )
    .bind(update.crm.as_str())
    .bind(update.id.0)
    .bind(update.host)
    .bind(update.api_domain)
    .bind(&name)
    .bind(update.utc_offset_minutes)
    .bind(update.at)
    .bind(update.at)
    .bind(update.at)
    .execute(&mut *conn)
    .await?;
    cache_invalidations::record(conn, Subject::Account(update.id)).await
}

/// Updates the host to `host`, as returned by amoCRM at `at`. The former one is kept.
pub async fn rename(
    conn: &mut Conn,
    crm: Crm,
    id: AccountId,
    host: &str,
    at: DateTime<Utc>,
) -> StoreResult<()> {
    account_renames::record(conn, (crm, id), host, None, at).await?;
    sqlx::query(
        "UPDATE accounts SET host = ?, host_at = ?, updated_at = ?
         WHERE platform = ? AND id = ? AND (host_at IS NULL OR host_at <= ?)",
    )
    .bind(host)
    .bind(at)
    .bind(at)
    .bind(crm.as_str())
    .bind(id.0)
    .bind(at)
    .execute(&mut *conn)
    .await?;
    cache_invalidations::record(conn, Subject::Account(id)).await
}

/// Stores the API host named in the account's newest access token.
pub async fn write_api_domain(conn: &mut Conn, crm: Crm, id: AccountId, api_domain: &str) -> StoreResult<()> {
    sqlx::query("UPDATE accounts SET api_domain = ? WHERE platform = ? AND id = ?")
        .bind(api_domain)
        .bind(crm.as_str())
        .bind(id.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Claims the lookup of the account's host; `false` if it was claimed after `before`.
pub async fn claim_look_up(
    conn: &mut Conn,
    crm: Crm,
    id: AccountId,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let claimed = sqlx::query(
        "UPDATE accounts SET host_asked_at = ?
         WHERE platform = ? AND id = ? AND (host_asked_at IS NULL OR host_asked_at <= ?)",
    )
    .bind(now)
    .bind(crm.as_str())
    .bind(id.0)
    .bind(before)
    .execute(conn)
    .await?;
    Ok(claimed.rows_affected() == 1)
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, crm: Crm, id: AccountId) -> StoreResult<Option<Account>> {
    Ok(sqlx::query_as(
        "SELECT id, host, api_domain, name, utc_offset_minutes FROM accounts WHERE platform = ? AND id = ?",
    )
    .bind(crm.as_str())
    .bind(id.0)
    .fetch_optional(conn)
    .await?)
}

/// Whether `host` is the stored host of an account.
pub async fn is_host_known(conn: &mut Conn, crm: Crm, host: &str) -> StoreResult<bool> {
    let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM accounts WHERE platform = ? AND host = ?")
        .bind(crm.as_str())
        .bind(host)
        .fetch_one(conn)
        .await?;
    Ok(known > 0)
}
