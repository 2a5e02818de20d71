//! Beginning a sandbox, and beginning again.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use flysk_domain::{Clock as _, SystemClock};
use poem::handler;
use poem::web::{Data, Json};
use serde::Deserialize;

use super::accounts::{create_account, install};
use super::announcement::{State, state_of};
use super::control::ControlData;
use super::database;
use super::input::Input;
use super::options::check_time;
use super::problem::Problem;
use super::registration::register;
use super::scene::{ClockMode, Current, Plan, Scene};
use super::span;

/// Starts a scene, serves it, registers the widget, and installs it in the accounts of its definition.
///
/// # Errors
///
/// A server is not reachable, or the definition has a value that Flysk refuses.
pub(super) async fn open_scene(current: &Current, plan: Plan) -> anyhow::Result<()> {
    let scene = Arc::new(Scene::start(plan).await?);
    // amoCRM calls the API while the widget is installed.
    current.replace(Some(Arc::clone(&scene)));
    let opened = set_up(&scene).await;
    if opened.is_err() {
        current.replace(None);
    }
    opened
}

async fn set_up(scene: &Scene) -> anyhow::Result<()> {
    let proxy = &scene.outside.events.proxy;
    let widget = register(&scene.sandbox, &scene.plan.widget, &proxy.event_url()).await?;
    proxy.know_secret(widget.event_secret.clone());
    scene.know_widget(widget);
    for account in &scene.plan.widget.accounts {
        create_account(scene, account)?;
        if account.installed {
            install(scene, account.id).await?;
        }
    }
    scene.run_due().await?;
    scene.become_ready();
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    /// Time at the start; by default that of the last start, or now if the clock runs.
    starts_at: Option<String>,
}

/// Begins again: without rows, with the accounts of the definition, new credentials and the time of the start. Events go on to
/// the backend's URL of now.
#[handler]
pub(super) async fn reset(
    Data(control): ControlData<'_>,
    Input(wanted): Input<Reset>,
) -> Result<Json<State>, Problem> {
    let starts_at = wanted.starts_at.as_deref().map(span::time).transpose().map_err(Problem::invalid)?;
    start_again(&control.current, starts_at.map(check_time).transpose()?).await?;
    let scene = control.scene()?;
    Ok(Json(state_of(&scene).await?))
}

/// Replaces the scene by a new one. There is none in between, and none if it fails: then it can be repeated.
pub(super) async fn start_again(current: &Current, starts_at: Option<DateTime<Utc>>) -> Result<(), Problem> {
    let _opening = current.begin()?;
    let mut plan = current.plan()?;
    if let Ok(former) = current.scene() {
        let mut no_work = former.stop_work().await?;
        // While it is still the current one: nobody else knows its keys.
        former.sandbox.wipe_redis().await?;
        no_work.forever();
        plan.event_url = former.outside.events.proxy.target();
        current.replace(None);
    }
    plan.starts_at = match (starts_at, plan.clock) {
        (Some(starts_at), _) => starts_at,
        (None, ClockMode::Frozen) => plan.starts_at,
        (None, ClockMode::Running) => SystemClock.now(),
    };
    // Kept first: what follows may fail.
    current.know_plan(plan.clone());
    database::clear(&plan.pool).await?;
    Ok(open_scene(current, plan).await?)
}
