//! Table `installs`: widgets in accounts.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, InstallId, WidgetId};
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::lifecycle::{InstallFacts, InstallStatus};
use sqlx::Row as _;
use sqlx::mysql::MySqlRow;

use super::cache_invalidations::{self, Subject};
use crate::error::expect_one;
use crate::sql_text::sql;
use crate::{Conn, JsonText, StoreError, StoreResult, TextColumn};

/// A widget in an account.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Install {
    /// `ins_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: InstallId,
    /// Row of `widgets`.
    #[sqlx(try_from = "String")]
    pub widget_id: WidgetId,
    /// Service that the account belongs to.
    #[sqlx(try_from = "TextColumn", rename = "platform")]
    pub crm: Crm,
    /// amoCRM's number of the account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// Status, computed from the facts.
    #[sqlx(try_from = "TextColumn")]
    pub status: InstallStatus,
    /// Settings of the widget in this account.
    pub settings: JsonText,
    /// Version of the settings, incremented by each change.
    pub settings_version: u32,
    /// Sequence number of the last event about this install.
    pub event_sequence: u64,
    /// Whether the user who granted access is an administrator; `None` if unknown.
    pub granted_by_admin: Option<bool>,
    granted_at: Option<DateTime<Utc>>,
    lost_at: Option<DateTime<Utc>>,
    disconnected_at: Option<DateTime<Utc>>,
    switched_on_at: Option<DateTime<Utc>>,
    switched_off_at: Option<DateTime<Utc>>,
}

impl Install {
    /// The facts that determine the status.
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

const COLUMNS: &str = "id, widget_id, platform, account_id, status, settings, settings_version, event_sequence, \
     granted_by_admin, granted_at, lost_at, disconnected_at, switched_on_at, switched_off_at";

/// Prefix of the columns in rows that also contain other tables.
const PREFIX: &str = "install_";

/// The columns with the prefix; alias `i` is the table.
pub(super) const PREFIXED_COLUMNS: &str = "i.id AS install_id, i.widget_id AS install_widget_id, i.platform AS install_platform, \
     i.account_id AS install_account_id, i.status AS install_status, i.settings AS install_settings, \
     i.settings_version AS install_settings_version, i.event_sequence AS install_event_sequence, \
     i.granted_by_admin AS install_granted_by_admin, i.granted_at AS install_granted_at, \
     i.lost_at AS install_lost_at, i.disconnected_at AS install_disconnected_at, \
     i.switched_on_at AS install_switched_on_at, i.switched_off_at AS install_switched_off_at";

/// Reads an install from a row with prefixed columns, if there is one.
pub(super) fn read_prefixed(row: &MySqlRow) -> Result<Option<Install>, sqlx::Error> {
    let text =
        |name: &str| -> Result<String, sqlx::Error> { row.try_get(format!("{PREFIX}{name}").as_str()) };
    let at = |name: &str| row.try_get(format!("{PREFIX}{name}").as_str());
    if row.try_get::<Option<String>, _>(format!("{PREFIX}id").as_str())?.is_none() {
        return Ok(None);
    }
    let wrong = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
    Ok(Some(Install {
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
    }))
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: InstallId) -> StoreResult<Option<Install>> {
    Ok(sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM installs WHERE id = ?"))
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Finds an install and locks its row until the transaction ends.
pub async fn lock(conn: &mut Conn, id: InstallId) -> StoreResult<Option<Install>> {
    Ok(sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM installs WHERE id = ? FOR UPDATE"))
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Finds a widget's install in an account.
pub async fn find_in_account(
    conn: &mut Conn,
    widget_id: WidgetId,
    account_id: AccountId,
) -> StoreResult<Option<Install>> {
    Ok(sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM installs WHERE widget_id = ? AND account_id = ?"))
        .bind(widget_id.to_string())
        .bind(account_id.0)
        .fetch_optional(conn)
        .await?)
}

/// Lists installs of a widget that have no subscription, by id.
pub async fn list_without_subscription(
    conn: &mut Conn,
    widget_id: WidgetId,
    limit: u32,
) -> StoreResult<Vec<InstallId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT i.id FROM installs i LEFT JOIN subscriptions s ON s.install_id = i.id
         WHERE i.widget_id = ? AND s.id IS NULL ORDER BY i.id LIMIT ?",
    )
    .bind(widget_id.to_string())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    ids.iter().map(|id| crate::text_column::decode_text("install id", id)).collect()
}

/// Lists the accounts after `after` in which a widget is not uninstalled, by account.
pub async fn list_accounts(
    conn: &mut Conn,
    widget_id: WidgetId,
    after: Option<AccountId>,
    limit: u32,
) -> StoreResult<Vec<AccountId>> {
    let accounts: Vec<u64> = sqlx::query_scalar(
        "SELECT account_id FROM installs
         WHERE widget_id = ? AND account_id > ? AND status <> 'uninstalled' ORDER BY account_id LIMIT ?",
    )
    .bind(widget_id.to_string())
    .bind(after.map_or(0, |after| after.0))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(accounts.into_iter().map(AccountId).collect())
}

/// Finds a widget's install in an account, or creates it with the id `fresh`; locks its row until the transaction ends.
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
    Ok(sqlx::query_as(sql!(
        "SELECT ",
        COLUMNS,
        " FROM installs WHERE widget_id = ? AND account_id = ? FOR UPDATE"
    ))
    .bind(widget_id.to_string())
    .bind(account_id.0)
    .fetch_one(conn)
    .await?)
}

/// Writes the facts and the resulting status; the caller holds the row's lock.
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
    cache_invalidations::record(conn, Subject::Install(id)).await
}

/// Writes whether an administrator granted access; the caller holds the row's lock.
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
    cache_invalidations::record(conn, Subject::Install(id)).await
}

/// Reserves `count` sequence numbers of the install's events and returns the first. The row stays locked until the
/// transaction ends.
pub async fn reserve_event_sequences(conn: &mut Conn, id: InstallId, count: u64) -> StoreResult<u64> {
    let result =
        sqlx::query("UPDATE installs SET event_sequence = LAST_INSERT_ID(event_sequence + ?) WHERE id = ?")
            .bind(count)
            .bind(id.to_string())
            .execute(conn)
            .await?;
    expect_one(&result, "install")?;
    Ok(result.last_insert_id() + 1 - count)
}

/// Replaces the settings of version `from`; `false` if they have changed since.
pub async fn write_settings(
    conn: &mut Conn,
    id: InstallId,
    from: u32,
    settings: &JsonText,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let to = from.checked_add(1).ok_or(StoreError::WrongState { what: "settings version" })?;
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
    cache_invalidations::record(conn, Subject::Install(id)).await?;
    Ok(result.rows_affected() == 1)
}
