//! Table `accounts`: accounts of amoCRM, known by their number.

use chrono::{DateTime, Utc};
use flysk_domain::id::AccountId;
use flysk_domain::platform::crm::Crm;

use super::changes::{self, Subject};
use crate::{Conn, StoreResult};

/// An account.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Account {
    /// Its number.
    #[sqlx(try_from = "u64")]
    pub id: AccountId,
    /// Where it lives at present, `demo.amocrm.ru`.
    pub host: String,
    /// The host that tells its present one, as its access tokens name it.
    pub api_domain: Option<String>,
    /// For people.
    pub name: String,
}

/// What was learnt about an account.
#[derive(Debug)]
pub struct Learnt<'a> {
    /// Which service it belongs to.
    pub crm: Crm,
    /// Its number.
    pub id: AccountId,
    /// Where it lived at `at`.
    pub host: &'a str,
    /// The host that tells its present one, if its token names one.
    pub api_domain: Option<&'a str>,
    /// What people called it.
    pub name: &'a str,
    /// When amoCRM said so.
    pub at: DateTime<Utc>,
}

/// Notes what amoCRM said about an account; what is older than what is known changes nothing.
pub async fn upsert(conn: &mut Conn, learnt: &Learnt<'_>) -> StoreResult<()> {
    // Assignments are made from left to right: `host_at` is compared before it moves.
    sqlx::query(
        "INSERT INTO accounts (platform, id, host, api_domain, name, host_at, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE
            host = IF(host_at IS NULL OR host_at <= VALUES(host_at), VALUES(host), host),
            name = IF(host_at IS NULL OR host_at <= VALUES(host_at), VALUES(name), name),
            api_domain = COALESCE(VALUES(api_domain), api_domain),
            host_at = GREATEST(COALESCE(host_at, VALUES(host_at)), VALUES(host_at)),
            updated_at = VALUES(updated_at)",
    )
    .bind(learnt.crm.as_str())
    .bind(learnt.id.0)
    .bind(learnt.host)
    .bind(learnt.api_domain)
    .bind(learnt.name)
    .bind(learnt.at)
    .bind(learnt.at)
    .bind(learnt.at)
    .execute(&mut *conn)
    .await?;
    changes::note(conn, Subject::Account(learnt.id)).await
}

/// Notes that the account moved to `host`, as amoCRM said at `at`.
pub async fn rename(
    conn: &mut Conn,
    crm: Crm,
    id: AccountId,
    host: &str,
    at: DateTime<Utc>,
) -> StoreResult<()> {
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
    changes::note(conn, Subject::Account(id)).await
}

/// Notes the host that tells the account's present one, as its newest access token names it.
pub async fn write_api_domain(conn: &mut Conn, crm: Crm, id: AccountId, api_domain: &str) -> StoreResult<()> {
    sqlx::query("UPDATE accounts SET api_domain = ? WHERE platform = ? AND id = ?")
        .bind(api_domain)
        .bind(crm.as_str())
        .bind(id.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes that amoCRM is about to be asked where the account lives; `false` if somebody asked after `before`.
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

/// One account.
pub async fn find(conn: &mut Conn, crm: Crm, id: AccountId) -> StoreResult<Option<Account>> {
    Ok(sqlx::query_as("SELECT id, host, api_domain, name FROM accounts WHERE platform = ? AND id = ?")
        .bind(crm.as_str())
        .bind(id.0)
        .fetch_optional(conn)
        .await?)
}

/// Whether an account is known to live at `host`.
pub async fn is_host_known(conn: &mut Conn, crm: Crm, host: &str) -> StoreResult<bool> {
    let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM accounts WHERE platform = ? AND host = ?")
        .bind(crm.as_str())
        .bind(host)
        .fetch_one(conn)
        .await?;
    Ok(known > 0)
}
