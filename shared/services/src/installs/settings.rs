//! Changing an install's settings: validation by the widget's schema, history, event.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::Clock;
use flysk_domain::id::InstallId;
use flysk_domain::platform::events::{EventKind, SettingsChanged};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_queue::UnitOfWork;
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::settings_history::{self, SettingsVersion};
use flysk_store::platform::widget_schemas;
use flysk_store::platform::widgets::Widget;
use flysk_store::{Conn, Contention, JsonText, StoreError, StoreResult};
use serde_json::Value;

use crate::events::{self, NewEvent};
use crate::widgets::SettingsSchema;

/// Maximum length of settings, in bytes of JSON.
const MAX_SETTINGS_LEN: usize = 65_536;
/// Maximum number of changes of an install's settings within a day, because every version is kept for days.
pub const MAX_SETTINGS_CHANGES: u32 = 1_000;
/// The period in which changes are counted.
const CHANGE_WINDOW: TimeDelta = TimeDelta::days(1);
/// Maximum number of schema violations in one answer.
const MAX_VIOLATIONS: usize = 5;

/// Settings that replace an earlier version.
#[derive(Debug, Clone)]
pub struct SettingsChange<'a> {
    /// The version that was read.
    pub from: u32,
    /// The whole JSON; what it omits is removed.
    pub settings: JsonText,
    /// Version of the widget that writes; its own schema is used if it has one.
    pub widget_version: Option<&'a str>,
    /// Author: `user 501`, `backend` or `operator`.
    pub by: &'a str,
}

/// Why settings are not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeSettingsError {
    /// The settings of an uninstalled widget are kept for a reinstall, but cannot be changed.
    #[error("the account disabled the integration")]
    Uninstalled,
    /// Not valid: the text names the reason.
    #[error("{0}")]
    Invalid(String),
    /// The widget's schema cannot be compiled.
    #[error("the widget's settings schema is not a valid JSON Schema: {0}")]
    BrokenSchema(String),
    /// The settings have changed since they were read.
    #[error("version {0} is not the newest")]
    VersionConflict(u32),
    /// The settings were changed [`MAX_SETTINGS_CHANGES`] times within a day; possible again at this time.
    #[error("the settings were changed {limit} times within a day: retry after {0}", limit = MAX_SETTINGS_CHANGES)]
    TooOften(DateTime<Utc>),
    /// Database error.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Contention for ChangeSettingsError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_contended())
    }
}

/// Replaces the settings of version `change.from`, adds them to the history and emits the event; the caller commits.
/// Returns the new version.
///
/// # Errors
///
/// The settings are invalid, have changed meanwhile or were changed too often, or the widget is uninstalled.
pub async fn change_settings(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    widget: &Widget,
    install: &Install,
    change: &SettingsChange<'_>,
) -> Result<u32, ChangeSettingsError> {
    if install.status == InstallStatus::Uninstalled {
        return Err(ChangeSettingsError::Uninstalled);
    }
    let schema = schema_of(unit, widget, change.widget_version).await?;
    validate(schema.as_ref(), &change.settings)?;
    let (now, version) = (clock.now(), change.from.saturating_add(1));
    if !installs::write_settings(unit, install.id, change.from, &change.settings, now).await? {
        return Err(ChangeSettingsError::VersionConflict(change.from));
    }
    // After the write of the install, so that no other change comes between.
    limit_changes(unit, install.id, version, now).await?;
    let row = SettingsVersion {
        version,
        settings: change.settings.clone(),
        changed_by: change.by.to_owned(),
        changed_at: now,
    };
    settings_history::insert(unit, install.id, &row).await?;
    let data = SettingsChanged { version, changed_by: change.by };
    let changed = NewEvent::new(EventKind::SettingsChanged, &data)?;
    events::emit(unit, clock, install.id, &[changed], now).await?;
    Ok(version)
}

/// Refuses version `version` if the one [`MAX_SETTINGS_CHANGES`] before it was set within the window.
async fn limit_changes(
    conn: &mut Conn,
    install: InstallId,
    version: u32,
    now: DateTime<Utc>,
) -> Result<(), ChangeSettingsError> {
    let Some(earlier) = version.checked_sub(MAX_SETTINGS_CHANGES) else { return Ok(()) };
    match settings_history::find_time(conn, install, earlier).await? {
        Some(at) if at + CHANGE_WINDOW > now => Err(ChangeSettingsError::TooOften(at + CHANGE_WINDOW)),
        _ => Ok(()),
    }
}

/// The schema of this version of the widget, or the widget's default schema.
async fn schema_of(conn: &mut Conn, widget: &Widget, version: Option<&str>) -> StoreResult<Option<Value>> {
    if let Some(version) = version {
        let own = widget_schemas::find(conn, widget.id, version).await?;
        if own.is_some() {
            return Ok(own);
        }
    }
    Ok(widget.settings_schema.as_ref().map(|schema| schema.0.clone()))
}

/// Validates settings. The schema sees numbers as doubles; the stored text keeps every digit.
fn validate(schema: Option<&Value>, text: &JsonText) -> Result<(), ChangeSettingsError> {
    let invalid = |why: String| ChangeSettingsError::Invalid(why);
    if !text.as_str().starts_with('{') {
        return Err(invalid("settings must be a JSON object".to_owned()));
    }
    let settings = text.to_value().map_err(|error| invalid(format!("settings cannot be parsed: {error}")))?;
    // Many clients escape every letter outside ASCII as six bytes (`\u0436`): an escape counts as its letter.
    let length = text.as_str().len().min(settings.to_string().len());
    if length > MAX_SETTINGS_LEN {
        return Err(invalid(format!("settings have {length} bytes, the limit is {MAX_SETTINGS_LEN}")));
    }
    let Some(schema) = schema else { return Ok(()) };
    let schema = SettingsSchema::compile(schema)
        .map_err(|error| ChangeSettingsError::BrokenSchema(error.to_string()))?;
    let violations = schema.violations(&settings, MAX_VIOLATIONS);
    if violations.is_empty() { Ok(()) } else { Err(invalid(violations.join("; "))) }
}
