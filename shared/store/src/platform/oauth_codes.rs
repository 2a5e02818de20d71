//! Table `oauth_codes`: authorization codes that arrived. amoCRM never sends one twice, so each is kept
//! before it is answered.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, InstallId, OauthCodeId, WidgetId};

use crate::error::expect_one;
use crate::{Conn, StoreError, StoreResult};

/// How a code arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Through the browser of an administrator who granted access.
    Browser,
    /// In amoCRM's own request when the widget was installed.
    Install,
}

impl Way {
    /// The column's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Install => "install",
        }
    }
}

/// What became of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeState {
    /// It waits to be exchanged.
    Waiting,
    /// The pair is stored.
    Exchanged,
    /// No pair will come of it: the administrator has to grant access again.
    Dead,
}

impl CodeState {
    const ALL: [Self; 3] = [Self::Waiting, Self::Exchanged, Self::Dead];

    /// The column's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Exchanged => "exchanged",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for CodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CodeState {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| StoreError::Corrupt { what: "code state", reason: format!("`{text}` is unknown") })
    }
}

impl TryFrom<String> for CodeState {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        text.parse()
    }
}

/// A code that arrived.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Code {
    /// Its id.
    #[sqlx(try_from = "String")]
    pub id: OauthCodeId,
    /// For which widget.
    #[sqlx(try_from = "String")]
    pub widget_id: WidgetId,
    /// From which account's host.
    pub host: String,
    /// The code, sealed for `oauth_codes.code:<id>`.
    pub code_sealed: String,
    /// What became of it.
    #[sqlx(try_from = "String")]
    pub state: CodeState,
    /// When amoCRM was first asked to exchange it.
    pub intent_at: Option<DateTime<Utc>>,
    /// The pair it was exchanged for, sealed for `oauth_codes.pair:<id>`, while its account is not known.
    pub pair_sealed: Option<String>,
    /// When amoCRM gave that pair.
    pub pair_at: Option<DateTime<Utc>>,
    /// The account it has to be of, if the browser that brought it began in one.
    pub expected_account_id: Option<u64>,
    /// The address it came from, if no state vouches for it.
    pub source: Option<String>,
    /// How often a turn of it was begun (`unvouched_codes`).
    pub looks: i32,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
}

/// A code to be kept.
#[derive(Debug)]
pub struct NewCode<'a> {
    /// Its id.
    pub id: OauthCodeId,
    /// For which widget.
    pub widget_id: WidgetId,
    /// From which account's host.
    pub host: &'a str,
    /// The code, sealed.
    pub code_sealed: &'a str,
    /// What it is known again by.
    pub code_hash: &'a str,
    /// How it arrived.
    pub way: Way,
    /// The address it came from.
    pub source: &'a str,
    /// How many codes from there were good before.
    pub credit: i64,
}

/// Keeps a code that nothing vouches for yet ([`vouch`]); `false` if it arrived before.
pub async fn insert(conn: &mut Conn, code: &NewCode<'_>, now: DateTime<Utc>) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO oauth_codes (id, widget_id, host, code_sealed, code_hash, way, source, credit, next_at, state, received_at,
                                  updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?)",
    )
    .bind(code.id.to_string())
    .bind(code.widget_id.to_string())
    .bind(code.host)
    .bind(code.code_sealed)
    .bind(code.code_hash)
    .bind(code.way.as_str())
    .bind(code.source)
    .bind(code.credit)
    .bind(now)
    .bind(now)
    .bind(now)
    .execute(conn)
    .await
    .map_err(StoreError::from);
    match inserted {
        Ok(_) => Ok(true),
        Err(StoreError::Taken { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, widget_id, host, code_sealed, state, intent_at, pair_sealed, pair_at, expected_account_id, source,
                    looks, received_at
             FROM oauth_codes ",
            $rest
        )
    };
}

/// One code.
pub async fn find(conn: &mut Conn, id: OauthCodeId) -> StoreResult<Option<Code>> {
    Ok(sqlx::query_as(select!("WHERE id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Notes which account a code has to be of.
pub async fn expect_account(conn: &mut Conn, id: OauthCodeId, account: AccountId) -> StoreResult<()> {
    sqlx::query("UPDATE oauth_codes SET expected_account_id = ? WHERE id = ?")
        .bind(account.0)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// A state vouches for a code: it stands in no line, and its exchange is a job of its own.
pub async fn vouch(conn: &mut Conn, id: OauthCodeId) -> StoreResult<()> {
    sqlx::query("UPDATE oauth_codes SET source = NULL, next_at = NULL WHERE id = ?")
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// How many codes that a state of this account vouches for wait.
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

/// Notes that amoCRM is about to be asked; the first time is kept.
pub async fn note_intent(conn: &mut Conn, id: OauthCodeId, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query("UPDATE oauth_codes SET intent_at = COALESCE(intent_at, ?) WHERE id = ?")
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps the pair a code was exchanged for. The code itself is worth nothing from now on and is forgotten.
/// Even a code that was given up in the meantime comes back to life: a pair in hand is a pair.
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

/// The pair of a waiting code is an install's now.
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

/// No pair will come of a waiting code.
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

/// Whether a code of this widget from this host still waits, so that access is about to come.
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

/// Forgets at most `limit` codes that were dealt with before `before`.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let mut forgotten = 0;
    for state in [CodeState::Exchanged, CodeState::Dead] {
        forgotten += sqlx::query("DELETE FROM oauth_codes WHERE state = ? AND updated_at < ? LIMIT ?")
            .bind(state.as_str())
            .bind(before)
            .bind(limit)
            .execute(&mut *conn)
            .await?
            .rows_affected();
    }
    Ok(forgotten)
}

/// At most `limit` waiting codes after `after` in the order of ids.
pub async fn list_waiting(conn: &mut Conn, after: Option<OauthCodeId>, limit: u32) -> StoreResult<Vec<Code>> {
    Ok(sqlx::query_as(select!("WHERE state = 'waiting' AND id > ? ORDER BY id LIMIT ?"))
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Replaces sealed texts by the same under another key, if the row is as it was read.
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
