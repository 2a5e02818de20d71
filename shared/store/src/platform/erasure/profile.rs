//! Erasure of an account's name, and of settings, tokens, letters, comments and data of events of its installs.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, InstallId, SubscriptionId, WalletId};
use flysk_domain::platform::crm::Crm;
use sqlx::QueryBuilder;

use crate::listed::push_in;
use crate::platform::account_renames;
use crate::platform::cache_invalidations::{self, Subject};
use crate::{Conn, StoreResult};

/// Removes the name of an account and its former names; its number and hosts stay. Returns how many names there were.
pub async fn erase_account_name(
    conn: &mut Conn,
    crm: Crm,
    account: AccountId,
    now: DateTime<Utc>,
) -> StoreResult<u64> {
    let erased = sqlx::query(
        "UPDATE accounts SET name = '', updated_at = ? WHERE platform = ? AND id = ? AND name <> ''",
    )
    .bind(now)
    .bind(crm.as_str())
    .bind(account.0)
    .execute(&mut *conn)
    .await?;
    if erased.rows_affected() > 0 {
        cache_invalidations::record(conn, Subject::Account(account)).await?;
    }
    Ok(erased.rows_affected() + account_renames::erase_names(conn, crm, account).await?)
}

/// Empties the settings of an install, as a version without author; returns 1 if there were any.
pub async fn erase_settings(conn: &mut Conn, install: InstallId, now: DateTime<Utc>) -> StoreResult<u64> {
    let erased = sqlx::query(
        "UPDATE installs SET settings = '{}', settings_version = settings_version + 1, updated_at = ?
         WHERE id = ? AND settings <> '{}'",
    )
    .bind(now)
    .bind(install.to_string())
    .execute(&mut *conn)
    .await?;
    if erased.rows_affected() > 0 {
        cache_invalidations::record(conn, Subject::Install(install)).await?;
    }
    Ok(erased.rows_affected())
}

/// Deletes at most `limit` versions of an install's settings; returns how many.
pub async fn delete_settings_history(conn: &mut Conn, install: InstallId, limit: u32) -> StoreResult<u64> {
    let deleted = sqlx::query("DELETE FROM settings_history WHERE install_id = ? LIMIT ?")
        .bind(install.to_string())
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(deleted.rows_affected())
}

/// Deletes the OAuth tokens of an install; returns how many pairs.
pub async fn delete_tokens(conn: &mut Conn, install: InstallId) -> StoreResult<u64> {
    let deleted = sqlx::query("DELETE FROM install_tokens WHERE install_id = ?")
        .bind(install.to_string())
        .execute(&mut *conn)
        .await?;
    if deleted.rows_affected() > 0 {
        cache_invalidations::record(conn, Subject::Install(install)).await?;
    }
    Ok(deleted.rows_affected())
}

/// Deletes letters about a subscription, and an install's settings of letters; returns how many rows.
pub async fn delete_letters(
    conn: &mut Conn,
    install: InstallId,
    subscription: Option<SubscriptionId>,
) -> StoreResult<u64> {
    let notices = sqlx::query("DELETE FROM mail_notices WHERE subscription_id = ?")
        .bind(subscription.map(|id| id.to_string()).unwrap_or_default())
        .execute(&mut *conn)
        .await?;
    let preferences = sqlx::query("DELETE FROM mail_preferences WHERE install_id = ?")
        .bind(install.to_string())
        .execute(conn)
        .await?;
    Ok(notices.rows_affected() + preferences.rows_affected())
}

/// Deletes the seats of users of a subscription; returns how many.
pub async fn delete_seats(conn: &mut Conn, subscription: Option<SubscriptionId>) -> StoreResult<u64> {
    let Some(subscription) = subscription else { return Ok(0) };
    let deleted = sqlx::query("DELETE FROM subscription_seats WHERE subscription_id = ?")
        .bind(subscription.to_string())
        .execute(&mut *conn)
        .await?;
    if deleted.rows_affected() > 0 {
        cache_invalidations::record_subscription(conn, subscription).await?;
    }
    Ok(deleted.rows_affected())
}

/// Removes the comments of at most `limit` transactions of a wallet; returns how many. Entries and receipts stay.
pub async fn erase_comments(conn: &mut Conn, wallet: WalletId, limit: u32) -> StoreResult<u64> {
    let erased = sqlx::query(
        "UPDATE ledger_transactions SET reference = NULL WHERE wallet_id = ? AND reference IS NOT NULL LIMIT ?",
    )
    .bind(wallet.to_string())
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(erased.rows_affected())
}

/// Removes the data of at most `limit` events of an install that do not wait for delivery; returns how many.
pub async fn erase_event_data(conn: &mut Conn, install: InstallId, limit: u32) -> StoreResult<u64> {
    let erased = sqlx::query(
        "UPDATE lifecycle_events SET data = '{}'
         WHERE install_id = ? AND state <> 'waiting' AND data IS NOT NULL AND data <> '{}' LIMIT ?",
    )
    .bind(install.to_string())
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(erased.rows_affected())
}

/// Whether events of an install with data still wait for delivery.
pub async fn has_waiting_events(conn: &mut Conn, install: InstallId) -> StoreResult<bool> {
    let waiting: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM lifecycle_events
         WHERE install_id = ? AND state = 'waiting' AND data IS NOT NULL AND data <> '{}'",
    )
    .bind(install.to_string())
    .fetch_one(conn)
    .await?;
    Ok(waiting > 0)
}

/// Removes what backends answered to at most `limit` deliveries of an install's events; returns how many.
pub async fn erase_answers(conn: &mut Conn, install: InstallId, limit: u32) -> StoreResult<u64> {
    let ids: Vec<u64> = sqlx::query_scalar(
        "SELECT a.id FROM lifecycle_attempts a JOIN lifecycle_events e ON e.id = a.event_id
         WHERE e.install_id = ? AND (a.answer_head IS NOT NULL OR a.error IS NOT NULL) LIMIT ?",
    )
    .bind(install.to_string())
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let mut query =
        QueryBuilder::new("UPDATE lifecycle_attempts SET answer_head = NULL, error = NULL WHERE id");
    push_in(&mut query, ids);
    Ok(query.build().execute(conn).await?.rows_affected())
}
