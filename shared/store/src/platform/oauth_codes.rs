//! Table `oauth_codes`: received authorization codes. amoCRM sends a code only once, so it is stored before the request
//! is answered.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::UnknownText;
use flysk_domain::id::{AccountId, InstallId, OauthCodeId, WidgetId};

use crate::error::{expect_one, unless_duplicate};
use crate::sql_text::sql;
use crate::{Conn, StoreResult, TextColumn};

/// Source of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum GrantSource {
    /// Through the browser of an administrator who granted access.
    Browser,
    /// In amoCRM's own request when the widget was installed.
    Install,
}

/// Progress of the exchange of a code; stored as text.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeState {
    /// To be exchanged.
    Waiting,
    /// Exchanged; the pair is stored with its install.
    Exchanged,
    /// Given up: the administrator must grant access again.
    Dead,
}

/// A received authorization code.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Code {
    /// `cod_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: OauthCodeId,
    /// Row of `widgets`.
    #[sqlx(try_from = "String")]
    pub widget_id: WidgetId,
    /// Host of the account.
    pub host: String,
    /// The code, sealed for `oauth_codes.code:<id>`.
    pub code_sealed: String,
    /// `Waiting` until the code is exchanged or given up.
    #[sqlx(try_from = "TextColumn")]
    pub state: CodeState,
    /// When the exchange was first requested from amoCRM.
    pub intent_at: Option<DateTime<Utc>>,
    /// The token pair from the exchange, sealed for `oauth_codes.pair:<id>`, until the account is known.
    pub pair_sealed: Option<String>,
    /// When amoCRM issued the pair.
    pub pair_at: Option<DateTime<Utc>>,
    /// The account that the pair must belong to, if the grant was started inside one.
    pub expected_account_id: Option<u64>,
    /// IP address that sent the code, if no state vouches for it.
    pub source: Option<String>,
    /// Number of times that the unvouched code was claimed (`unvouched_codes`).
    pub looks: i32,
    /// When it was received.
    pub received_at: DateTime<Utc>,
}

/// A code to be inserted.
#[derive(Debug)]
pub struct NewCode<'a> {
    /// `cod_…`, chosen by the caller.
    pub id: OauthCodeId,
    /// Row of `widgets`.
    pub widget_id: WidgetId,
    /// Host of the account.
    pub host: &'a str,
    /// Sealed for `oauth_codes.code:<id>`.
    pub code_sealed: &'a str,
    /// Hash of the code, to recognise a repetition.
    pub code_hash: &'a str,
    /// Whether a browser or amoCRM itself brought the code.
    pub grant_source: GrantSource,
    /// IP address that sent it.
    pub source: &'a str,
    /// Number of earlier codes of this source that were exchanged.
    pub credit: i64,
}

/// Inserts an unvouched code (see [`vouch`]); `false` if it was received before.
pub async fn insert(conn: &mut Conn, code: &NewCode<'_>, now: DateTime<Utc>) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO oauth_codes (id, widget_id, host, code_sealed, code_hash, grant_source, source, credit, next_at, state, received_at,
                                  updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?)",
    )
    .bind(code.id.to_string())
    .bind(code.widget_id.to_string())
    .bind(code.host)
    .bind(code.code_sealed)
    .bind(code.code_hash)
    .bind(code.grant_source.as_str())
    .bind(code.source)
    .bind(code.credit)
    .bind(now)
    .bind(now)
    .bind(now)
    .execute(conn)
    .await;
    unless_duplicate(inserted)
}

const SELECT: &str = "SELECT id, widget_id, host, code_sealed, state, intent_at, pair_sealed, pair_at, expected_account_id, source,
            looks, received_at
     FROM oauth_codes ";

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: OauthCodeId) -> StoreResult<Option<Code>> {
    Ok(sqlx::query_as(sql!(SELECT, "WHERE id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Sets the account that the code's pair must belong to.
pub async fn expect_account(conn: &mut Conn, id: OauthCodeId, account: AccountId) -> StoreResult<()> {
    sqlx::query("UPDATE oauth_codes SET expected_account_id = ? WHERE id = ?")
        .bind(account.0)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Marks a code as vouched by a state: it leaves the shared queue and is exchanged by a job of its own.
pub async fn vouch(conn: &mut Conn, id: OauthCodeId) -> StoreResult<()> {
    sqlx::query("UPDATE oauth_codes SET source = NULL, next_at = NULL WHERE id = ?")
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Counts the waiting codes that states of this account vouch for.
pub async fn count_vouched(conn: &mut Conn, widget_id: WidgetId, account: AccountId) -> StoreResult<i64> {
    Ok(sqlx::query_scalar(
        "SELECT COUNT(*) FROM oauth_codes
         WHERE widget_id = ? AND state = 'waiting' AND source IS NULL AND expected_account_id = ?",
    )
    .bind(widget_id.to_string())
    .bind(account.0)
    .fetch_one(conn)
    .await?)
}

/// Records that the exchange is about to be requested; the first time is kept.
pub async fn note_intent(conn: &mut Conn, id: OauthCodeId, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query("UPDATE oauth_codes SET intent_at = COALESCE(intent_at, ?) WHERE id = ?")
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores the token pair of a code and deletes the code, which is spent. A code that was given up in the meantime becomes
/// waiting again, because its pair is valid.
pub async fn keep_pair(
    conn: &mut Conn,
    id: OauthCodeId,
    pair_sealed: &str,
    at: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(
        "UPDATE oauth_codes SET state = 'waiting', pair_sealed = ?, pair_at = ?, code_sealed = '', updated_at = ?
         WHERE id = ? AND state <> 'exchanged' AND pair_sealed IS NULL",
    )
    .bind(pair_sealed)
    .bind(at)
    .bind(at)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&result, "authorization code")
}

/// Marks a waiting code as exchanged: its pair belongs to the install now.
pub async fn mark_exchanged(
    conn: &mut Conn,
    id: OauthCodeId,
    install_id: InstallId,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(
        "UPDATE oauth_codes SET state = 'exchanged', install_id = ?, code_sealed = '', pair_sealed = NULL,
                reason = NULL, updated_at = ?
         WHERE id = ? AND state = 'waiting'",
    )
    .bind(install_id.to_string())
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&result, "authorization code")
}

/// Gives a waiting code up.
pub async fn mark_dead(
    conn: &mut Conn,
    id: OauthCodeId,
    reason: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let reason: String = reason.chars().take(500).collect();
    sqlx::query(
        "UPDATE oauth_codes SET state = 'dead', reason = ?, code_sealed = '', pair_sealed = NULL, updated_at = ?
         WHERE id = ? AND state = 'waiting'",
    )
    .bind(reason)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a code of this widget from this host still waits, so that access will probably follow.
pub async fn is_waiting(conn: &mut Conn, widget_id: WidgetId, host: &str) -> StoreResult<bool> {
    let waiting: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM oauth_codes WHERE widget_id = ? AND host = ? AND state = 'waiting'",
    )
    .bind(widget_id.to_string())
    .bind(host)
    .fetch_one(conn)
    .await?;
    Ok(waiting > 0)
}

/// Deletes at most `limit` codes that reached a final state before `before`.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let mut forgotten = 0;
    for state in [CodeState::Exchanged, CodeState::Dead] {
        forgotten += sqlx::query(
            "DELETE FROM oauth_codes WHERE state = ? AND updated_at < ? ORDER BY updated_at LIMIT ?",
        )
        .bind(state.as_str())
        .bind(before)
        .bind(limit)
        .execute(&mut *conn)
        .await?
        .rows_affected();
    }
    Ok(forgotten)
}

/// Lists at most `limit` waiting codes after `after`, by id.
pub async fn list_waiting(conn: &mut Conn, after: Option<OauthCodeId>, limit: u32) -> StoreResult<Vec<Code>> {
    Ok(sqlx::query_as(sql!(SELECT, "WHERE state = 'waiting' AND id > ? ORDER BY id LIMIT ?"))
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Replaces sealed texts with the same secrets under another key, unless the row changed since it was read.
pub async fn reseal(
    conn: &mut Conn,
    read: &Code,
    code_sealed: &str,
    pair_sealed: Option<&str>,
) -> StoreResult<bool> {
    let result = sqlx::query(
        "UPDATE oauth_codes SET code_sealed = ?, pair_sealed = ?
         WHERE id = ? AND code_sealed = ? AND pair_sealed <=> ?",
    )
    .bind(code_sealed)
    .bind(pair_sealed)
    .bind(read.id.to_string())
    .bind(&read.code_sealed)
    .bind(&read.pair_sealed)
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}
