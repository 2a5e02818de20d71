//! Table `installs`: one widget in one account.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, InstallId, WidgetId};
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::lifecycle::{InstallFacts, InstallStatus};
use sqlx::Row as _;
use sqlx::mysql::MySqlRow;

use super::changes::{self, Subject};
use crate::error::expect_one;
use crate::{Conn, JsonText, StoreError, StoreResult};

/// One widget in one account.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Install {
    /// Its id.
    #[sqlx(try_from = "String")]
    pub id: InstallId,
    /// Which widget.
    #[sqlx(try_from = "String")]
    pub widget_id: WidgetId,
    /// Of which service.
    #[sqlx(try_from = "String", rename = "platform")]
    pub crm: Crm,
    /// In which account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// What follows from the facts.
    #[sqlx(try_from = "String")]
    pub status: InstallStatus,
    /// What the account's administrator set.
    pub settings: JsonText,
    /// Counts changes of the settings.
    pub settings_version: u32,
    /// Number of the last event told about it.
    pub event_sequence: u64,
    /// Whether the present grant has an administrator's rights, if that is known.
    pub granted_by_admin: Option<bool>,
    granted_at: Option<DateTime<Utc>>,
    lost_at: Option<DateTime<Utc>>,
    disconnected_at: Option<DateTime<Utc>>,
    switched_on_at: Option<DateTime<Utc>>,
    switched_off_at: Option<DateTime<Utc>>,
}

impl Install {
    /// What its status follows from.
    pub fn facts(&self) -> InstallFacts {
        InstallFacts {
            granted_at: self.granted_at,
            lost_at: self.lost_at,
            disconnected_at: self.disconnected_at,
            switched_on_at: self.switched_on_at,
            switched_off_at: self.switched_off_at,
        }
    }
}

pub(super) const COLUMNS: &str = "id, widget_id, platform, account_id, status, settings, settings_version, event_sequence, \
     granted_by_admin, granted_at, lost_at, disconnected_at, switched_on_at, switched_off_at";

/// What its columns are called in a row that has another table's too.
pub(super) const PREFIX: &str = "install_";

/// Reads an install from such a row.
pub(super) fn read_prefixed(row: &MySqlRow) -> Result<Install, sqlx::Error> {
    let text =
        |name: &str| -> Result<String, sqlx::Error> { row.try_get(format!("{PREFIX}{name}").as_str()) };
    let at = |name: &str| row.try_get(format!("{PREFIX}{name}").as_str());
    let wrong = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
    Ok(Install {
        id: text("id")?.parse().map_err(|error| wrong(Box::new(error) as _))?,
        widget_id: text("widget_id")?.parse().map_err(|error| wrong(Box::new(error) as _))?,
        crm: text("platform")?.parse().map_err(|error| wrong(Box::new(error) as _))?,
        account_id: AccountId(row.try_get(format!("{PREFIX}account_id").as_str())?),
        status: text("status")?.parse().map_err(|error| wrong(Box::new(error) as _))?,
        settings: row.try_get(format!("{PREFIX}settings").as_str())?,
        settings_version: row.try_get(format!("{PREFIX}settings_version").as_str())?,
        event_sequence: row.try_get(format!("{PREFIX}event_sequence").as_str())?,
        granted_by_admin: row.try_get(format!("{PREFIX}granted_by_admin").as_str())?,
        granted_at: at("granted_at")?,
        lost_at: at("lost_at")?,
        disconnected_at: at("disconnected_at")?,
        switched_on_at: at("switched_on_at")?,
        switched_off_at: at("switched_off_at")?,
    })
}

/// One install.
pub async fn find(conn: &mut Conn, id: InstallId) -> StoreResult<Option<Install>> {
    let sql = format!("SELECT {COLUMNS} FROM installs WHERE id = ?");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(conn).await?)
}

/// One install, locked until the transaction ends.
pub async fn lock(conn: &mut Conn, id: InstallId) -> StoreResult<Option<Install>> {
    let sql = format!("SELECT {COLUMNS} FROM installs WHERE id = ? FOR UPDATE");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(conn).await?)
}

/// A widget's install in an account.
pub async fn find_in_account(
    conn: &mut Conn,
    widget_id: WidgetId,
    account_id: AccountId,
) -> StoreResult<Option<Install>> {
    let sql = format!("SELECT {COLUMNS} FROM installs WHERE widget_id = ? AND account_id = ?");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(widget_id.to_string())
        .bind(account_id.0)
        .fetch_optional(conn)
        .await?)
}

/// A widget's install in an account, made as `fresh` if there is none, locked until the transaction ends.
pub async fn lock_or_insert(
    conn: &mut Conn,
    fresh: InstallId,
    widget_id: WidgetId,
    crm: Crm,
    account_id: AccountId,
    now: DateTime<Utc>,
) -> StoreResult<Install> {
    sqlx::query(
        "INSERT INTO installs (id, widget_id, platform, account_id, status, settings, created_at, updated_at)
         VALUES (?, ?, ?, ?, 'installing', '{}', ?, ?)
         ON DUPLICATE KEY UPDATE updated_at = updated_at",
    )
    .bind(fresh.to_string())
    .bind(widget_id.to_string())
    .bind(crm.as_str())
    .bind(account_id.0)
    .bind(now)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    let sql = format!("SELECT {COLUMNS} FROM installs WHERE widget_id = ? AND account_id = ? FOR UPDATE");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(widget_id.to_string())
        .bind(account_id.0)
        .fetch_one(conn)
        .await?)
}

/// Writes facts and the status that follows from them; the caller holds the row's lock.
pub async fn write_facts(
    conn: &mut Conn,
    id: InstallId,
    facts: &InstallFacts,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(
        "UPDATE installs SET status = ?, granted_at = ?, lost_at = ?, disconnected_at = ?, switched_on_at = ?,
                switched_off_at = ?, updated_at = ? WHERE id = ?",
    )
    .bind(facts.status().as_str())
    .bind(facts.granted_at)
    .bind(facts.lost_at)
    .bind(facts.disconnected_at)
    .bind(facts.switched_on_at)
    .bind(facts.switched_off_at)
    .bind(now)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    expect_one(&result, "install")?;
    changes::note(conn, Subject::Install(id)).await
}

/// Writes whose rights the grant has; the caller holds the row's lock.
pub async fn write_granted_by_admin(
    conn: &mut Conn,
    id: InstallId,
    by_admin: Option<bool>,
) -> StoreResult<()> {
    sqlx::query("UPDATE installs SET granted_by_admin = ? WHERE id = ?")
        .bind(by_admin)
        .bind(id.to_string())
        .execute(&mut *conn)
        .await?;
    changes::note(conn, Subject::Install(id)).await
}

/// Writes the number of the last event told about it; the caller holds the row's lock.
pub async fn write_event_sequence(conn: &mut Conn, id: InstallId, sequence: u64) -> StoreResult<()> {
    sqlx::query("UPDATE installs SET event_sequence = ? WHERE id = ?")
        .bind(sequence)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Replaces the settings of version `from`; `false` if somebody else changed them first.
pub async fn write_settings(
    conn: &mut Conn,
    id: InstallId,
    from: u32,
    settings: &JsonText,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let to = from.checked_add(1).ok_or(StoreError::Stale { what: "settings version" })?;
    let result = sqlx::query(
        "UPDATE installs SET settings = ?, settings_version = ?, updated_at = ? WHERE id = ? AND settings_version = ?",
    )
    .bind(settings)
    .bind(to)
    .bind(now)
    .bind(id.to_string())
    .bind(from)
    .execute(&mut *conn)
    .await?;
    changes::note(conn, Subject::Install(id)).await?;
    Ok(result.rows_affected() == 1)
}
