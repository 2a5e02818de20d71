//! Table `activation_links`: links with which administrators activate FlySense.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::activation::link::{EnableFailure, LinkState, Presenter};
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::id::{AccountId, BindingId, InstallId, LinkId, UserId};
use sqlx::QueryBuilder;

use crate::error::{expect_one, unless_duplicate_of};
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult, TextColumn};

/// Row of `activation_links`: a secret that an administrator opens in a messenger.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LinkRow {
    /// `lnk_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: LinkId,
    /// amoCRM's number of the account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// FlySense's install in the account.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// User of amoCRM who created the link.
    #[sqlx(try_from = "u64")]
    pub user_id: UserId,
    /// Name of that user, once it was read from amoCRM.
    pub user_name: Option<String>,
    /// `Waiting` until a person opens the link.
    #[sqlx(try_from = "TextColumn")]
    pub state: LinkState,
    /// Why activation failed.
    #[sqlx(try_from = "TextColumn")]
    pub failure: Option<EnableFailure>,
    /// Expiry of the link.
    pub expires_at: DateTime<Utc>,
    /// Expiry of the short code.
    pub code_expires_at: DateTime<Utc>,
    #[sqlx(try_from = "TextColumn")]
    messenger: Option<Messenger>,
    messenger_user_id: Option<i64>,
    /// Dialogue of the first person who opened the link.
    pub chat_id: Option<i64>,
    /// Binding that the link led to.
    #[sqlx(rename = "binding_id", try_from = "OptionalId")]
    pub binding_id: Option<BindingId>,
}

impl LinkRow {
    /// First person who opened the link.
    pub fn opened_by(&self) -> Option<Presenter> {
        Some(Presenter { messenger: self.messenger?, user_id: self.messenger_user_id? })
    }
}

/// An id that may be NULL.
#[derive(Debug, sqlx::Type)]
#[sqlx(transparent)]
struct OptionalId(Option<String>);

impl TryFrom<OptionalId> for Option<BindingId> {
    type Error = flysk_domain::id::InvalidId;

    fn try_from(column: OptionalId) -> Result<Self, Self::Error> {
        column.0.map(|text| text.parse()).transpose()
    }
}

/// Values of a link that nobody has opened.
#[derive(Debug)]
pub struct NewLink<'a> {
    /// `lnk_…`, chosen by the caller.
    pub id: LinkId,
    /// amoCRM's number of the account.
    pub account_id: AccountId,
    /// FlySense's install in the account.
    pub install_id: InstallId,
    /// User of amoCRM who creates it.
    pub user_id: UserId,
    /// Keyed hash of the token.
    pub token_hash: &'a str,
    /// Keyed hash of the short code.
    pub code_hash: &'a str,
    /// Expiry of the link.
    pub expires_at: DateTime<Utc>,
    /// Expiry of the short code.
    pub code_expires_at: DateTime<Utc>,
    /// When it is created.
    pub created_at: DateTime<Utc>,
}

const SELECT: &str = "SELECT id, account_id, install_id, user_id, user_name, state, failure, expires_at,
            code_expires_at, messenger, messenger_user_id, chat_id, binding_id
     FROM activation_links WHERE ";

/// Inserts a link; `false` if another link has the same short code.
pub async fn insert(conn: &mut Conn, new: &NewLink<'_>) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO activation_links (id, account_id, install_id, user_id, token_hash, code_hash, state, expires_at,
                                       code_expires_at, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.account_id.0)
    .bind(new.install_id.to_string())
    .bind(new.user_id.0)
    .bind(new.token_hash)
    .bind(new.code_hash)
    .bind(new.expires_at)
    .bind(new.code_expires_at)
    .bind(new.created_at)
    .bind(new.created_at)
    .execute(conn)
    .await;
    unless_duplicate_of(inserted, "activation_links_code")
}

/// Ends the unused links of a user in an account, because a newer one replaces them.
pub async fn replace_of_user(
    conn: &mut Conn,
    account_id: AccountId,
    user_id: UserId,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE activation_links SET state = 'replaced', updated_at = ?
         WHERE account_id = ? AND user_id = ? AND state IN ('waiting', 'opened')",
    )
    .bind(now)
    .bind(account_id.0)
    .bind(user_id.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the unused links of an account, because FlySense was removed from it.
pub async fn replace_of_account(
    conn: &mut Conn,
    account_id: AccountId,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE activation_links SET state = 'replaced', updated_at = ?
         WHERE account_id = ? AND state IN ('waiting', 'opened')",
    )
    .bind(now)
    .bind(account_id.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: LinkId) -> StoreResult<Option<LinkRow>> {
    Ok(sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Finds the newest link of a user in an account.
pub async fn find_newest(
    conn: &mut Conn,
    account_id: AccountId,
    user_id: UserId,
) -> StoreResult<Option<LinkRow>> {
    Ok(sqlx::query_as(sql!(
        SELECT,
        "account_id = ? AND user_id = ? ORDER BY created_at DESC, id DESC LIMIT 1"
    ))
    .bind(account_id.0)
    .bind(user_id.0)
    .fetch_optional(conn)
    .await?)
}

/// Finds the link with one of these hashes of its token, and locks it until the transaction ends.
pub async fn lock_by_token(conn: &mut Conn, hashes: &[String]) -> StoreResult<Option<LinkRow>> {
    let mut query = QueryBuilder::new(sql!(SELECT, "token_hash"));
    push_in(&mut query, hashes.iter().cloned());
    query.push(" FOR UPDATE");
    Ok(query.build_query_as().fetch_optional(conn).await?)
}

/// Finds the link with one of these hashes of its short code, and locks it until the transaction ends.
pub async fn lock_by_code(conn: &mut Conn, hashes: &[String]) -> StoreResult<Option<LinkRow>> {
    let mut query = QueryBuilder::new(sql!(SELECT, "code_hash"));
    push_in(&mut query, hashes.iter().cloned());
    query.push(" FOR UPDATE");
    Ok(query.build_query_as().fetch_optional(conn).await?)
}

/// Finds the link that a dialogue opened last and has not finished, and locks it until the transaction ends.
pub async fn lock_opened_in(
    conn: &mut Conn,
    messenger: Messenger,
    chat_id: i64,
) -> StoreResult<Option<LinkRow>> {
    Ok(sqlx::query_as(sql!(
        SELECT,
        "messenger = ? AND chat_id = ? AND state = 'opened' ORDER BY updated_at DESC, id DESC LIMIT 1 FOR UPDATE"
    ))
    .bind(messenger.as_str())
    .bind(chat_id)
    .fetch_optional(conn)
    .await?)
}

/// Gives a waiting link to its first presenter; the caller has locked it.
pub async fn mark_opened(
    conn: &mut Conn,
    id: LinkId,
    who: Presenter,
    chat_id: i64,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(
        "UPDATE activation_links SET state = 'opened', messenger = ?, messenger_user_id = ?, chat_id = ?, updated_at = ?
         WHERE id = ? AND state = 'waiting'",
    )
    .bind(who.messenger.as_str())
    .bind(who.user_id)
    .bind(chat_id)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&result, "activation link")
}

/// Records the binding of an opened link, which is used up by that; the caller has locked it.
pub async fn mark_bound(
    conn: &mut Conn,
    id: LinkId,
    binding: BindingId,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(
        "UPDATE activation_links SET state = 'bound', binding_id = ?, updated_at = ? WHERE id = ? AND state = 'opened'",
    )
    .bind(binding.to_string())
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&result, "activation link")
}

/// Records that FlySense could not be switched on for a bound link.
pub async fn mark_failed(
    conn: &mut Conn,
    id: LinkId,
    failure: EnableFailure,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE activation_links SET state = 'failed', failure = ?, updated_at = ? WHERE id = ? AND state = 'bound'",
    )
    .bind(failure.as_str())
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores the name of the user who created a link.
pub async fn set_user(
    conn: &mut Conn,
    id: LinkId,
    name: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query("UPDATE activation_links SET user_name = ?, updated_at = ? WHERE id = ?")
        .bind(name)
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Deletes at most `limit` links created before `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM activation_links WHERE created_at < ? ORDER BY created_at LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}
