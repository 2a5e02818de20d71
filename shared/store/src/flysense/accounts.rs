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
}

/// One account.
pub async fn find(conn: &mut Conn, account_id: AccountId) -> StoreResult<Option<AccountRow>> {
    Ok(sqlx::query_as(
        "SELECT account_id, install_id, host, status, left_channel, auto, hooks_state
         FROM flysense_accounts WHERE account_id = ?",
    )
    .bind(account_id.0)
    .fetch_optional(conn)
    .await?)
}

/// The account of an install.
pub async fn find_by_install(conn: &mut Conn, install_id: InstallId) -> StoreResult<Option<AccountRow>> {
    Ok(sqlx::query_as(
        "SELECT account_id, install_id, host, status, left_channel, auto, hooks_state
         FROM flysense_accounts WHERE install_id = ?",
    )
    .bind(install_id.to_string())
    .fetch_optional(conn)
    .await?)
}

/// Notes what lifecycle event number `sequence` says; `false` if a later one was noted before.
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
                "UPDATE flysense_accounts SET install_id = ?, host = ?, status = ?, last_event = ?, updated_at = ?
                 WHERE account_id = ?",
            )
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
                                                hooks_state, created_at, updated_at)
                 VALUES (?, ?, ?, ?, ?, 'operator', TRUE, 'unsubscribed', ?, ?)",
            )
            .bind(account_id.0)
            .bind(install_id.to_string())
            .bind(host)
            .bind(status)
            .bind(sequence)
            .bind(now)
            .bind(now)
            .execute(conn)
            .await?;
        }
    }
    Ok(true)
}

/// Notes whether amoCRM tells us of new calls.
pub async fn set_hooks_state(
    conn: &mut Conn,
    account_id: AccountId,
    state: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query("UPDATE flysense_accounts SET hooks_state = ?, updated_at = ? WHERE account_id = ?")
        .bind(state)
        .bind(now)
        .bind(account_id.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Sets what an administrator decides: automatic transcription and who is on the left channel.
pub async fn set_preferences(
    conn: &mut Conn,
    account_id: AccountId,
    auto: bool,
    left_channel: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE flysense_accounts SET auto = ?, left_channel = ?, updated_at = ? WHERE account_id = ?",
    )
    .bind(auto)
    .bind(left_channel)
    .bind(now)
    .bind(account_id.0)
    .execute(conn)
    .await?;
    Ok(())
}
