//! Changes of settings, shared by the operations for widgets and for backends.

use chrono::{DateTime, Utc};
use flysk_domain::trace::Trace;
use flysk_services::installs::{ChangeSettingsError, SettingsChange, change_settings};
use flysk_store::platform::installs::Install;
use flysk_store::platform::settings_history;
use flysk_store::platform::widgets::Widget;
use flysk_store::{JsonText, repeat_contended};
use poem_openapi::Object;
use poem_openapi::types::Example;

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};
use crate::strict_json::FreeJson;
use crate::time::Time;

/// Number of versions in the history.
const MAX_VERSIONS: u32 = 50;

/// An install's settings.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Settings {
    /// Version, incremented by every change.
    pub(crate) version: u32,
    /// The settings: a JSON object defined by the widget.
    pub(crate) settings: FreeJson,
}

impl Example for Settings {
    fn example() -> Self {
        Self { version: 2, settings: example_settings() }
    }
}

/// New settings.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SettingsInput {
    /// The version that was read. If it is not the newest, the request fails with `version_conflict`.
    pub(crate) version: u32,
    /// All settings: a JSON object of at most 64 KiB that satisfies the widget's schema.
    pub(crate) settings: FreeJson,
    /// Version of the widget that writes. If this version has its own schema, the settings are validated by it, otherwise by
    /// the widget's default schema.
    #[oai(validator(max_length = 32, pattern = "^[0-9A-Za-z._-]+$"))]
    pub(crate) widget_version: Option<String>,
}

impl Example for SettingsInput {
    fn example() -> Self {
        Self { version: 0, settings: example_settings(), widget_version: Some("1.4.0".to_owned()) }
    }
}

/// Request to restore an earlier version.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SettingsRestoreRequest {
    /// The newest version, as it was read.
    pub(crate) version: u32,
    /// The version to restore. 0 means empty settings.
    pub(crate) to: u32,
    /// Version of the widget that writes, as in a change.
    #[oai(validator(max_length = 32, pattern = "^[0-9A-Za-z._-]+$"))]
    pub(crate) widget_version: Option<String>,
}

impl Example for SettingsRestoreRequest {
    fn example() -> Self {
        Self { version: 2, to: 1, widget_version: None }
    }
}

/// A version of the settings.
#[derive(Debug, Object)]
#[oai(rename = "SettingsVersion", example)]
pub(crate) struct SettingsVersionView {
    /// Version number.
    version: u32,
    /// The settings.
    settings: FreeJson,
    /// Author of the version: a user, as `user 501`, the backend (`backend`) or an operator of Flysk (`operator`).
    changed_by: String,
    /// Time of the change.
    changed_at: Time,
}

impl Example for SettingsVersionView {
    fn example() -> Self {
        Self {
            version: 2,
            settings: example_settings(),
            changed_by: "user 501".to_owned(),
            changed_at: Time::example(),
        }
    }
}

/// The last versions of the settings, newest first.
#[derive(Debug, Object)]
pub(crate) struct SettingsVersionPage {
    /// The versions.
    items: Vec<SettingsVersionView>,
    /// Always null: the list has one page.
    next: Option<String>,
}

fn example_settings() -> FreeJson {
    FreeJson(JsonText::parse(r#"{"notify":true}"#).unwrap_or_else(|_| JsonText::empty_object()))
}

impl From<&Install> for Settings {
    fn from(install: &Install) -> Self {
        Self { version: install.settings_version, settings: FreeJson(install.settings.clone()) }
    }
}

/// Replaces version `change.version` by new settings and adds them to the history, in one transaction.
pub(super) async fn change(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    install: &Install,
    by: String,
    change: SettingsInput,
) -> Result<Settings, Problem> {
    let change = SettingsChange {
        from: change.version,
        settings: change.settings.0,
        widget_version: change.widget_version.as_deref(),
        by: &by,
    };
    let write = || async {
        let mut unit = deps.begin(trace).await?;
        let version = change_settings(&mut unit, deps.clock(), widget, install, &change)
            .await
            .map_err(|error| problem_of(widget, error, deps.clock().now()))?;
        unit.commit().await?;
        Ok::<_, Problem>(version)
    };
    let version = repeat_contended(write).await?;
    deps.cache.invalidate_install(install.id);
    Ok(Settings { version, settings: FreeJson(change.settings) })
}

fn problem_of(widget: &Widget, error: ChangeSettingsError, now: DateTime<Utc>) -> Problem {
    match error {
        ChangeSettingsError::Uninstalled => Problem::new(ProblemCode::NotInstalled, error.to_string()),
        ChangeSettingsError::Invalid(why) => Problem::new(ProblemCode::Invalid, why),
        ChangeSettingsError::BrokenSchema(_) => {
            tracing::error!(widget = %widget.code, error = %error, "the widget's settings schema cannot be used");
            Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
        }
        ChangeSettingsError::VersionConflict(_) => {
            Problem::new(ProblemCode::VersionConflict, error.to_string())
        }
        ChangeSettingsError::TooOften(again_at) => {
            let seconds = (again_at - now).num_seconds().max(1);
            Problem::new(ProblemCode::TooManyRequests, error.to_string())
                .retry_after(u32::try_from(seconds).unwrap_or(u32::MAX))
        }
        ChangeSettingsError::Store(error) => error.into(),
    }
}

/// Makes an earlier version the newest.
pub(super) async fn restore(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    install: &Install,
    by: String,
    request: &SettingsRestoreRequest,
) -> Result<Settings, Problem> {
    let former = match request.to {
        // Version 0 is the state before the first change.
        0 => Some(JsonText::empty_object()),
        to => settings_history::find(&mut *deps.conn().await?, install.id, to).await?.map(|row| row.settings),
    };
    let settings =
        former.ok_or_else(|| Problem::new(ProblemCode::NotFound, format!("no version {}", request.to)))?;
    let widget_version = request.widget_version.clone();
    let restored = SettingsInput { version: request.version, settings: FreeJson(settings), widget_version };
    change(deps, trace, widget, install, by, restored).await
}

/// The last [`MAX_VERSIONS`] versions, newest first.
pub(super) async fn history(deps: &Deps, install: &Install) -> Result<SettingsVersionPage, Problem> {
    let rows = settings_history::list_latest(&mut *deps.conn().await?, install.id, MAX_VERSIONS).await?;
    let items = rows.into_iter().map(|row| SettingsVersionView {
        version: row.version,
        settings: FreeJson(row.settings),
        changed_by: row.changed_by,
        changed_at: row.changed_at.into(),
    });
    Ok(SettingsVersionPage { items: items.collect(), next: None })
}
