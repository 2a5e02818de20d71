//! Table `activation_bindings`: people who confirmed their phone number in a bot.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::activation::binding::BindingState;
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::flysense::activation::notices::NoticeKind;
use flysk_domain::id::{AccountId, BindingId, InstallId, UserId};

use sqlx::types::Json;

use crate::contact_hashes::NOTHING_TO_FIND;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult, TextColumn};

/// A person and an account.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct BindingRow {
    /// `bnd_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: BindingId,
    /// amoCRM's number of the account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// FlySense's install in the account.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// User of amoCRM whose link was used.
    #[sqlx(try_from = "u64")]
    pub user_id: UserId,
    /// Telegram or MAX, whose ids are apart.
    #[sqlx(try_from = "TextColumn")]
    pub messenger: Messenger,
    /// The person's id in the messenger.
    pub messenger_user_id: i64,
    /// The messenger's number of the dialogue.
    pub chat_id: i64,
    /// The person's name in the messenger.
    pub person: String,
    /// The phone number, sealed for `activation_bindings.phone:<id>`.
    pub phone_sealed: String,
    /// The phone number with its middle hidden.
    pub phone_masked: String,
    /// `Blocked` while the person blocks the bot.
    #[sqlx(try_from = "TextColumn")]
    pub state: BindingState,
    /// Kinds of notices that the person switched off.
    #[sqlx(json)]
    pub muted: Vec<NoticeKind>,
    /// When the person sent the number, after the text about its processing.
    pub consented_at: DateTime<Utc>,
}

const SELECT: &str =
    "SELECT id, account_id, install_id, user_id, messenger, messenger_user_id, chat_id, person, phone_sealed,
            phone_masked, state, muted, consented_at
     FROM activation_bindings WHERE ";

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, account_id: AccountId, id: BindingId) -> StoreResult<Option<BindingRow>> {
    Ok(sqlx::query_as(sql!(SELECT, "account_id = ? AND id = ?"))
        .bind(account_id.0)
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Finds the binding of a person and an account.
pub async fn find_of_person(
    conn: &mut Conn,
    account_id: AccountId,
    messenger: Messenger,
    messenger_user_id: i64,
) -> StoreResult<Option<BindingRow>> {
    Ok(sqlx::query_as(sql!(SELECT, "account_id = ? AND messenger = ? AND messenger_user_id = ?"))
        .bind(account_id.0)
        .bind(messenger.as_str())
        .bind(messenger_user_id)
        .fetch_optional(conn)
        .await?)
}

/// Lists the bindings of an account, oldest first.
pub async fn list_of_account(conn: &mut Conn, account_id: AccountId) -> StoreResult<Vec<BindingRow>> {
    Ok(sqlx::query_as(sql!(SELECT, "account_id = ? ORDER BY id")).bind(account_id.0).fetch_all(conn).await?)
}

/// Lists the bindings of a dialogue: one for each account.
pub async fn list_of_chat(
    conn: &mut Conn,
    messenger: Messenger,
    chat_id: i64,
) -> StoreResult<Vec<BindingRow>> {
    Ok(sqlx::query_as(sql!(SELECT, "messenger = ? AND chat_id = ? ORDER BY id"))
        .bind(messenger.as_str())
        .bind(chat_id)
        .fetch_all(conn)
        .await?)
}

/// Lists the bindings with these ids, oldest first.
pub async fn list_by_ids(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<BindingRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(sql!(SELECT, "id"));
    push_in(&mut query, ids.iter().cloned());
    query.push(" ORDER BY id");
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// Inserts a binding, or replaces the data of the person's binding to the account; its id and the notices that were switched
/// off stay, so the caller must have read the id under a lock. `phone_hash` is the keyed hash of the number
/// ([`crate::contact_hashes`]); an inserted binding has no e-mail address.
pub async fn put(
    conn: &mut Conn,
    binding: &BindingRow,
    phone_hash: &[u8],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO activation_bindings (id, account_id, install_id, user_id, messenger, messenger_user_id, chat_id,
                                          person, phone_sealed, phone_hash, phone_masked, email_hash, state, muted,
                                          consented_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE install_id = VALUES(install_id), user_id = VALUES(user_id), chat_id = VALUES(chat_id),
                                 person = VALUES(person), phone_sealed = VALUES(phone_sealed), phone_hash = VALUES(phone_hash),
                                 phone_masked = VALUES(phone_masked), state = VALUES(state), consented_at = VALUES(consented_at),
                                 updated_at = VALUES(updated_at)",
    )
    .bind(binding.id.to_string())
    .bind(binding.account_id.0)
    .bind(binding.install_id.to_string())
    .bind(binding.user_id.0)
    .bind(binding.messenger.as_str())
    .bind(binding.messenger_user_id)
    .bind(binding.chat_id)
    .bind(&binding.person)
    .bind(&binding.phone_sealed)
    .bind(phone_hash)
    .bind(&binding.phone_masked)
    .bind(binding.state.as_str())
    .bind(Json(&binding.muted))
    .bind(binding.consented_at)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets the state of all bindings of a dialogue.
pub async fn set_state_of_chat(
    conn: &mut Conn,
    messenger: Messenger,
    chat_id: i64,
    state: BindingState,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE activation_bindings SET state = ?, updated_at = ? WHERE messenger = ? AND chat_id = ? AND state <> ?",
    )
    .bind(state.as_str())
    .bind(now)
    .bind(messenger.as_str())
    .bind(chat_id)
    .bind(state.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets the kinds of notices that are switched off, for all bindings of a dialogue.
pub async fn set_muted_of_chat(
    conn: &mut Conn,
    messenger: Messenger,
    chat_id: i64,
    muted: &[NoticeKind],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE activation_bindings SET muted = ?, updated_at = ? WHERE messenger = ? AND chat_id = ?",
    )
    .bind(Json(muted))
    .bind(now)
    .bind(messenger.as_str())
    .bind(chat_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores the e-mail address of a binding, sealed for `activation_bindings.email:<id>`, and its keyed hash
/// ([`crate::contact_hashes`]); `None` forgets both.
pub async fn set_email(
    conn: &mut Conn,
    id: BindingId,
    email: Option<(&str, &[u8])>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let (sealed, hash) = email.map_or((None, NOTHING_TO_FIND), |(sealed, hash)| (Some(sealed), hash));
    sqlx::query(
        "UPDATE activation_bindings SET email_sealed = ?, email_hash = ?, updated_at = ? WHERE id = ?",
    )
    .bind(sealed)
    .bind(hash)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds the sealed e-mail address of a binding.
pub async fn find_email(conn: &mut Conn, id: BindingId) -> StoreResult<Option<String>> {
    let found: Option<Option<String>> =
        sqlx::query_scalar("SELECT email_sealed FROM activation_bindings WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(conn)
            .await?;
    Ok(found.flatten())
}

/// Deletes a binding of an account with its phone number; `false` if there is none.
pub async fn delete(conn: &mut Conn, account_id: AccountId, id: BindingId) -> StoreResult<bool> {
    let result = sqlx::query("DELETE FROM activation_bindings WHERE account_id = ? AND id = ?")
        .bind(account_id.0)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(result.rows_affected() == 1)
}

/// Deletes all bindings of a dialogue; returns how many.
pub async fn delete_of_chat(conn: &mut Conn, messenger: Messenger, chat_id: i64) -> StoreResult<u64> {
    let result = sqlx::query("DELETE FROM activation_bindings WHERE messenger = ? AND chat_id = ?")
        .bind(messenger.as_str())
        .bind(chat_id)
        .execute(conn)
        .await?;
    Ok(result.rows_affected())
}

/// Deletes all bindings of an account; returns how many.
pub async fn delete_of_account(conn: &mut Conn, account_id: AccountId) -> StoreResult<u64> {
    let result = sqlx::query("DELETE FROM activation_bindings WHERE account_id = ?")
        .bind(account_id.0)
        .execute(conn)
        .await?;
    Ok(result.rows_affected())
}

/// The sealed columns of a binding.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SealedBinding {
    /// `bnd_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: BindingId,
    /// The phone number, sealed for `activation_bindings.phone:<id>`.
    pub phone_sealed: String,
    /// The e-mail address, sealed for `activation_bindings.email:<id>`.
    pub email_sealed: Option<String>,
}

/// Lists the sealed columns of at most `limit` bindings after `after`, by id.
pub async fn list_sealed(
    conn: &mut Conn,
    after: Option<BindingId>,
    limit: u32,
) -> StoreResult<Vec<SealedBinding>> {
    Ok(sqlx::query_as(
        "SELECT id, phone_sealed, email_sealed FROM activation_bindings WHERE id > ? ORDER BY id LIMIT ?",
    )
    .bind(after.map_or_else(String::new, |id| id.to_string()))
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Replaces the sealed columns of a binding and their hashes, those of phone number and e-mail address; `false` if one has
/// changed since `old` was read.
pub async fn replace_sealed(
    conn: &mut Conn,
    old: &SealedBinding,
    new: &SealedBinding,
    (phone_hash, email_hash): (&[u8], &[u8]),
) -> StoreResult<bool> {
    let result = sqlx::query(
        "UPDATE activation_bindings SET phone_sealed = ?, phone_hash = ?, email_sealed = ?, email_hash = ?
         WHERE id = ? AND phone_sealed = ? AND email_sealed <=> ?",
    )
    .bind(&new.phone_sealed)
    .bind(phone_hash)
    .bind(&new.email_sealed)
    .bind(email_hash)
    .bind(old.id.to_string())
    .bind(&old.phone_sealed)
    .bind(&old.email_sealed)
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}
