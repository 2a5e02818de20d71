//! What settings may look like, and how they are changed: the same for widgets and backends.

use chrono::{DateTime, Utc};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::trace::Trace;
use flysk_store::JsonText;
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::settings_history::{self, SettingsVersion};
use flysk_store::platform::widget_schemas;
use flysk_store::platform::widgets::Widget;
use flysk_store::repeat_contended;
use poem_openapi::Object;
use serde_json::Value;

use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode};
use crate::strict_json::FreeJson;

/// The longest settings, in bytes of their JSON.
const LONGEST: usize = 65_536;
/// Findings told at once.
const MOST_FINDINGS: usize = 5;
/// Versions listed.
const MOST_VERSIONS: u32 = 50;

/// An install's settings.
#[derive(Debug, Object)]
pub(crate) struct SettingsView {
    /// Counts changes.
    pub(crate) version: u32,
    /// The settings: a JSON object of the widget's own.
    pub(crate) settings: FreeJson,
}

/// New settings.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SettingsChange {
    /// The version that was read: somebody else's change in between is not overwritten.
    pub(crate) version: u32,
    /// All settings: a JSON object of at most 64 KiB that satisfies the widget's schema.
    pub(crate) settings: FreeJson,
    /// The version of the widget that writes. It is held to the schema of that version, if it has one of its own, and
    /// otherwise, like whoever names none, to the one that holds for all.
    #[oai(validator(max_length = 32, pattern = "^[0-9A-Za-z._-]+$"))]
    pub(crate) widget_version: Option<String>,
}

impl poem_openapi::types::Example for SettingsChange {
    fn example() -> Self {
        Self {
            version: 0,
            settings: FreeJson(
                JsonText::parse(r#"{"notify":true}"#).unwrap_or_else(|_| JsonText::empty_object()),
            ),
            widget_version: Some("1.4.0".to_owned()),
        }
    }
}

/// Going back to an earlier version.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SettingsReturn {
    /// The version that was read.
    pub(crate) version: u32,
    /// The version to go back to; its settings become the newest version.
    pub(crate) to: u32,
    /// The version of the widget that asks, as in a change.
    #[oai(validator(max_length = 32, pattern = "^[0-9A-Za-z._-]+$"))]
    pub(crate) widget_version: Option<String>,
}

impl poem_openapi::types::Example for SettingsReturn {
    fn example() -> Self {
        Self { version: 2, to: 1, widget_version: None }
    }
}

/// One version.
#[derive(Debug, Object)]
pub(crate) struct SettingsVersionView {
    /// Its number.
    version: u32,
    /// The settings.
    settings: FreeJson,
    /// Who set them: `user 501` or `backend`.
    changed_by: String,
    /// When.
    changed_at: DateTime<Utc>,
}

impl From<&Install> for SettingsView {
    fn from(install: &Install) -> Self {
        Self { version: install.settings_version, settings: FreeJson(install.settings.clone()) }
    }
}

/// Writes new settings over version `from`, and the history with them.
pub(super) async fn change(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    install: &Install,
    by: String,
    change: SettingsChange,
) -> Result<SettingsView, Problem> {
    // They are kept for an account that comes back, and change no more until it does.
    if install.status == InstallStatus::Uninstalled {
        return Err(Problem::new(ProblemCode::NotInstalled, "the account disabled the integration"));
    }
    let schema = schema_of(deps, widget, change.widget_version.as_deref()).await?;
    check(widget, schema.as_ref(), &change.settings.0)?;
    let now = deps.clock().now();
    let (former, version) = (change.version, change.version.saturating_add(1));
    let row = SettingsVersion { version, settings: change.settings.0, changed_by: by, changed_at: now };
    let write = || async {
        let mut unit = deps.begin(trace).await?;
        if !installs::write_settings(&mut unit, install.id, former, &row.settings, now).await? {
            let why = format!("version {former} is not the newest");
            return Err(Problem::new(ProblemCode::VersionConflict, why));
        }
        settings_history::insert(&mut unit, install.id, &row).await?;
        Ok(unit.commit().await?)
    };
    repeat_contended(write).await?;
    deps.known.forget_install(install.id);
    Ok(SettingsView { version, settings: FreeJson(row.settings) })
}

/// Makes an earlier version the newest.
pub(super) async fn go_back(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    install: &Install,
    by: String,
    wanted: &SettingsReturn,
) -> Result<SettingsView, Problem> {
    let former = match wanted.to {
        // Before the first change there was nothing.
        0 => Some(JsonText::empty_object()),
        to => {
            settings_history::find(on(&mut deps.conn().await?), install.id, to).await?.map(|row| row.settings)
        }
    };
    let settings = former
        .ok_or_else(|| Problem::new(ProblemCode::NotFound, format!("there is no version {}", wanted.to)))?;
    let widget_version = wanted.widget_version.clone();
    let back = SettingsChange { version: wanted.version, settings: FreeJson(settings), widget_version };
    change(deps, trace, widget, install, by, back).await
}

/// The latest versions, the latest first.
pub(super) async fn history(deps: &Deps, install: &Install) -> Result<Vec<SettingsVersionView>, Problem> {
    let rows = settings_history::list_latest(on(&mut deps.conn().await?), install.id, MOST_VERSIONS).await?;
    Ok(rows
        .into_iter()
        .map(|row| SettingsVersionView {
            version: row.version,
            settings: FreeJson(row.settings),
            changed_by: row.changed_by,
            changed_at: row.changed_at,
        })
        .collect())
}

/// The schema a version of the widget is held to.
async fn schema_of(deps: &Deps, widget: &Widget, version: Option<&str>) -> Result<Option<Value>, Problem> {
    if let Some(version) = version {
        let own = widget_schemas::find(on(&mut deps.conn().await?), widget.id, version).await?;
        if own.is_some() {
            return Ok(own);
        }
    }
    Ok(widget.settings_schema.as_ref().map(|schema| schema.0.clone()))
}

/// The schema judges numbers as doubles; what is kept is what was written.
fn check(widget: &Widget, schema: Option<&Value>, settings: &JsonText) -> Result<(), Problem> {
    let invalid = |why: String| Problem::new(ProblemCode::Invalid, why);
    if !settings.as_str().starts_with('{') {
        return Err(invalid("settings are a JSON object".to_owned()));
    }
    let text = settings;
    let settings = text.to_value().map_err(|error| invalid(format!("settings cannot be read: {error}")))?;
    // Many clients write every letter outside ASCII as six bytes: such an escape counts as its letter.
    let length = text.as_str().len().min(settings.to_string().len());
    if length > LONGEST {
        return Err(invalid(format!("settings take {length} bytes, {LONGEST} are allowed")));
    }
    let Some(schema) = schema else { return Ok(()) };
    let schema = jsonschema::validator_for(schema).map_err(|error| {
        tracing::error!(widget = %widget.code, error = %error, "the widget's settings schema is none");
        Problem::new(ProblemCode::Internal, "told to our operators")
    })?;
    let findings: Vec<String> = schema
        .iter_errors(&settings)
        .take(MOST_FINDINGS)
        .map(|error| format!("{}: {error}", place(&error.instance_path().to_string())))
        .collect();
    if findings.is_empty() { Ok(()) } else { Err(invalid(findings.join("; "))) }
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "settings" } else { pointer }
}
