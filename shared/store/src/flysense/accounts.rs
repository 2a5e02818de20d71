//! Table `flysense_accounts`: accounts that use FlySense, as reported by lifecycle events.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::account::{AccountStatus, HooksState};
use flysk_domain::flysense::roles::Role;
use flysk_domain::id::{AccountId, InstallId};
use sqlx::QueryBuilder;

use crate::listed::push_in;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreResult, TextColumn};

/// An account that uses FlySense.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct AccountRow {
    /// The amoCRM account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// FlySense's install in the account.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// Host of the account, such as `demo.amocrm.ru`.
    pub host: String,
    /// Whether FlySense is active in the account.
    #[sqlx(try_from = "TextColumn")]
    pub status: AccountStatus,
    /// Number of the last lifecycle event that was applied.
    pub last_event: u64,
    /// Role of the speaker on the left channel of recordings.
    #[sqlx(try_from = "TextColumn")]
    pub left_channel: Role,
    /// Whether calls are transcribed automatically.
    pub auto: bool,
    /// State of the subscription to amoCRM's note hooks.
    #[sqlx(try_from = "TextColumn")]
    pub hooks_state: HooksState,
    /// Id of the key that signed the hook URL; `None` if unknown.
    pub hooks_key: Option<String>,
    /// When the subscription was last checked.
    pub hooks_checked_at: Option<DateTime<Utc>>,
    /// Calls from this time on are transcribed automatically, if `auto` is set.
    pub auto_since: DateTime<Utc>,
    /// End of the last period of the call log that was reconciled.
    pub reconciled_until: Option<DateTime<Utc>>,
    /// Offset of the account's time from UTC, minutes; `None` if unknown.
    pub utc_offset_minutes: Option<i16>,
}

const SELECT: &str =
    "SELECT account_id, install_id, host, status, last_event, left_channel, auto, hooks_state, hooks_key,
            hooks_checked_at, auto_since, reconciled_until, utc_offset_minutes
     FROM flysense_accounts WHERE ";

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, account_id: AccountId) -> StoreResult<Option<AccountRow>> {
    Ok(sqlx::query_as(sql!(SELECT, "account_id = ?")).bind(account_id.0).fetch_optional(conn).await?)
}

/// Without a lock; `None` if FlySense has no row for it.
pub async fn find_by_install(conn: &mut Conn, install_id: InstallId) -> StoreResult<Option<AccountRow>> {
    Ok(sqlx::query_as(sql!(SELECT, "install_id = ?"))
        .bind(install_id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Lists the accounts of these installs.
pub async fn list_accounts_of(
    conn: &mut Conn,
    installs: &[InstallId],
) -> StoreResult<Vec<(InstallId, AccountId)>> {
    if installs.is_empty() {
        return Ok(Vec::new());
    }
    let mut query =
        QueryBuilder::new("SELECT install_id, account_id FROM flysense_accounts WHERE install_id");
    push_in(&mut query, installs.iter().map(ToString::to_string));
    let rows: Vec<(String, u64)> = query.build_query_as().fetch_all(conn).await?;
    rows.iter()
        .map(|(install, account)| Ok((decode_text("install id", install)?, AccountId(*account))))
        .collect()
}

/// Lists at most `limit` active accounts after `after`, by id.
pub async fn list_active(
    conn: &mut Conn,
    after: Option<AccountId>,
    limit: u32,
) -> StoreResult<Vec<AccountRow>> {
    Ok(sqlx::query_as(sql!(SELECT, "status = 'active' AND account_id > ? ORDER BY account_id LIMIT ?"))
        .bind(after.map_or(0, |id| id.0))
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Lists at most `limit` active accounts after `after` whose hook URL was signed with another key than `key`, by id.
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

/// Applies lifecycle event number `sequence`; `false` if a later event was applied before.
///
/// If the account becomes active, only calls from now on are transcribed automatically.
pub async fn note_event(
    conn: &mut Conn,
    account_id: AccountId,
    install_id: InstallId,
    host: &str,
    status: AccountStatus,
    sequence: u64,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
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
            .bind(status == AccountStatus::Active)
            .bind(now)
            .bind(install_id.to_string())
            .bind(host)
            .bind(status.as_str())
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
            .bind(status.as_str())
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

/// Marks an active account as inactive without an event; `false`, and nothing changes, if it is not active, or an event was applied
/// after number `last_event`.
pub async fn deactivate(
    conn: &mut Conn,
    account_id: AccountId,
    last_event: u64,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let deactivated = sqlx::query(
        "UPDATE flysense_accounts SET status = 'inactive', updated_at = ?
         WHERE account_id = ? AND status = 'active' AND last_event = ?",
    )
    .bind(now)
    .bind(account_id.0)
    .bind(last_event)
    .execute(conn)
    .await?;
    Ok(deactivated.rows_affected() > 0)
}

/// Sets the state of the hook subscription and the key that signed its URL.
pub async fn set_hooks_state(
    conn: &mut Conn,
    account_id: AccountId,
    state: HooksState,
    key: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE flysense_accounts SET hooks_state = ?, hooks_key = ?, hooks_checked_at = ?, updated_at = ?
         WHERE account_id = ?",
    )
    .bind(state.as_str())
    .bind(key)
    .bind(now)
    .bind(now)
    .bind(account_id.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that the call log was reconciled up to `until`; an earlier time changes nothing.
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

/// Sets the administrator's preferences: automatic transcription and the role of the left channel. When automatic
/// transcription is switched on, it applies to calls from now on.
pub async fn set_preferences(
    conn: &mut Conn,
    account_id: AccountId,
    auto: bool,
    left_channel: Role,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    // Assignments run from left to right: `auto_since` is computed from the old `auto`.
    sqlx::query(
        "UPDATE flysense_accounts SET auto_since = IF(? AND NOT auto, ?, auto_since), auto = ?, left_channel = ?,
                updated_at = ?
         WHERE account_id = ?",
    )
    .bind(auto)
    .bind(now)
    .bind(auto)
    .bind(left_channel.code())
    .bind(now)
    .bind(account_id.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Switches automatic transcription on, for calls from now on. Without the account's row nothing changes: a new row has it
/// on.
pub async fn switch_auto_on(conn: &mut Conn, account_id: AccountId, now: DateTime<Utc>) -> StoreResult<()> {
    // Assignments run from left to right: `auto_since` is computed from the old `auto`.
    sqlx::query(
        "UPDATE flysense_accounts SET auto_since = IF(NOT auto, ?, auto_since), auto = TRUE, updated_at = ?
         WHERE account_id = ?",
    )
    .bind(now)
    .bind(now)
    .bind(account_id.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores the offset of an account's time from UTC, in minutes.
pub async fn set_utc_offset(conn: &mut Conn, account_id: AccountId, minutes: i16) -> StoreResult<()> {
    sqlx::query("UPDATE flysense_accounts SET utc_offset_minutes = ? WHERE account_id = ?")
        .bind(minutes)
        .bind(account_id.0)
        .execute(conn)
        .await?;
    Ok(())
}
