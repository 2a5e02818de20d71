//! Table `flysense_accounts`: the accounts FlySense works in, as lifecycle events told it.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, InstallId};

use crate::{Conn, StoreResult};

/// An account FlySense knows.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct AccountRow {
    /// The amoCRM account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// FlySense's install there.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// `demo.amocrm.ru`.
    pub host: String,
    /// `active` or `inactive`, by the last event.
    pub status: String,
    /// Who speaks on the left channel of its recordings: `operator` or `client`.
    pub left_channel: String,
    /// Whether calls are transcribed without being asked for.
    pub auto: bool,
    /// `subscribed`, `unsubscribed`, `refused`: whether amoCRM tells us of new calls.
    pub hooks_state: String,
    /// Id of the key that signed the address amoCRM calls; `None` if that is not known.
    pub hooks_key: Option<String>,
    /// Since when calls are transcribed without being asked for, if they are.
    pub auto_since: DateTime<Utc>,
    /// Up to when the account's log of calls was read.
    pub reconciled_until: Option<DateTime<Utc>>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT account_id, install_id, host, status, left_channel, auto, hooks_state, hooks_key, auto_since,
                    reconciled_until
             FROM flysense_accounts WHERE ",
            $rest
        )
    };
}

/// One account.
pub async fn find(conn: &mut Conn, account_id: AccountId) -> StoreResult<Option<AccountRow>> {
    Ok(sqlx::query_as(select!("account_id = ?")).bind(account_id.0).fetch_optional(conn).await?)
}

/// The account of an install.
pub async fn find_by_install(conn: &mut Conn, install_id: InstallId) -> StoreResult<Option<AccountRow>> {
    Ok(sqlx::query_as(select!("install_id = ?")).bind(install_id.to_string()).fetch_optional(conn).await?)
}

/// At most `limit` active accounts after `after`, in the order of their ids.
pub async fn list_active(
    conn: &mut Conn,
    after: Option<AccountId>,
    limit: u32,
) -> StoreResult<Vec<AccountRow>> {
    Ok(sqlx::query_as(select!("status = 'active' AND account_id > ? ORDER BY account_id LIMIT ?"))
        .bind(after.map_or(0, |id| id.0))
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// At most `limit` active accounts after `after` whose hooks go to an address that another key than `key`
/// signed, in the order of their ids.
pub async fn list_hooks_under_other_keys(
    conn: &mut Conn,
    key: &str,
    after: Option<AccountId>,
    limit: u32,
) -> StoreResult<Vec<AccountId>> {
    let ids: Vec<u64> = sqlx::query_scalar(
        "SELECT account_id FROM flysense_accounts
         WHERE status = 'active' AND hooks_state = 'subscribed' AND COALESCE(hooks_key, '') <> ? AND account_id > ?
         ORDER BY account_id LIMIT ?",
    )
    .bind(key)
    .bind(after.map_or(0, |id| id.0))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(AccountId).collect())
}

/// Notes what lifecycle event number `sequence` says; `false` if a later one was noted before.
///
/// An account that becomes active gets its calls from then on: what was said before is not transcribed.
pub async fn note_event(
    conn: &mut Conn,
    account_id: AccountId,
    install_id: InstallId,
    host: &str,
    active: bool,
    sequence: u64,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let status = if active { "active" } else { "inactive" };
    let known: Option<u64> =
        sqlx::query_scalar("SELECT last_event FROM flysense_accounts WHERE account_id = ? FOR UPDATE")
            .bind(account_id.0)
            .fetch_optional(&mut *conn)
            .await?;
    match known {
        Some(last) if last >= sequence => return Ok(false),
        Some(_) => {
            sqlx::query(
                "UPDATE flysense_accounts SET auto_since = IF(? AND status <> 'active', ?, auto_since), install_id = ?,
                        host = ?, status = ?, last_event = ?, updated_at = ?
                 WHERE account_id = ?",
            )
            .bind(active)
            .bind(now)
            .bind(install_id.to_string())
            .bind(host)
            .bind(status)
            .bind(sequence)
            .bind(now)
            .bind(account_id.0)
            .execute(conn)
            .await?;
        }
        None => {
            sqlx::query(
                "INSERT INTO flysense_accounts (account_id, install_id, host, status, last_event, left_channel, auto,
                                                hooks_state, auto_since, created_at, updated_at)
                 VALUES (?, ?, ?, ?, ?, 'operator', TRUE, 'unsubscribed', ?, ?, ?)",
            )
            .bind(account_id.0)
            .bind(install_id.to_string())
            .bind(host)
            .bind(status)
            .bind(sequence)
            .bind(now)
            .bind(now)
            .bind(now)
            .execute(conn)
            .await?;
        }
    }
    Ok(true)
}

/// Notes whether amoCRM tells us of new calls, and which key signed the address it calls.
pub async fn set_hooks_state(
    conn: &mut Conn,
    account_id: AccountId,
    state: &str,
    key: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE flysense_accounts SET hooks_state = ?, hooks_key = ?, hooks_checked_at = ?, updated_at = ?
         WHERE account_id = ?",
    )
    .bind(state)
    .bind(key)
    .bind(now)
    .bind(now)
    .bind(account_id.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that the account's log of calls was read up to `until`; an earlier moment changes nothing.
pub async fn set_reconciled(conn: &mut Conn, account_id: AccountId, until: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE flysense_accounts SET reconciled_until = GREATEST(COALESCE(reconciled_until, ?), ?)
         WHERE account_id = ?",
    )
    .bind(until)
    .bind(until)
    .bind(account_id.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets what an administrator decides: automatic transcription and who is on the left channel. Switched on, it
/// counts for calls from then on.
pub async fn set_preferences(
    conn: &mut Conn,
    account_id: AccountId,
    auto: bool,
    left_channel: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    // Assignments are made from left to right: `auto` is still what it was when `auto_since` is decided.
    sqlx::query(
        "UPDATE flysense_accounts SET auto_since = IF(? AND NOT auto, ?, auto_since), auto = ?, left_channel = ?,
                updated_at = ?
         WHERE account_id = ?",
    )
    .bind(auto)
    .bind(now)
    .bind(auto)
    .bind(left_channel)
    .bind(now)
    .bind(account_id.0)
    .execute(conn)
    .await?;
    Ok(())
}
