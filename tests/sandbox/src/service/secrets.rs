//! Replacing the widget's secrets, as an operator, or the vendor in the portal, does.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flysk_services::widgets::RegistrationError;
use flysk_store::platform::widgets;
use poem::handler;
use poem::web::{Data, Json};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::control::ControlData;
use super::input::Input;
use super::problem::Problem;
use super::registration::RegisteredWidget;
use super::scene::Scene;
use super::span;

/// A secret that can be replaced.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Secret {
    /// `X-Project-Token` of the backend.
    ProjectToken,
    /// Key that verifies events.
    EventSecret,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    secret: Secret,
    /// Time for which the present one stays valid beside the new one, such as `1d`; without it, it ends at once.
    #[serde(default)]
    keep: Option<String>,
}

/// The secrets of now.
#[derive(Serialize)]
struct Rotated {
    project_token: String,
    event_secret: String,
    /// End of the replaced one, by the sandbox's clock; null: it has ended.
    former_until: Option<DateTime<Utc>>,
}

/// Replaces a secret; the answer has the new one.
#[handler]
pub(super) async fn rotate(
    Data(control): ControlData<'_>,
    Input(wanted): Input<Rotation>,
) -> Result<Json<Rotated>, Problem> {
    let scene = control.scene()?;
    let keep = wanted.keep.as_deref().map(|keep| span::after(scene.sandbox.now(), keep));
    let former_until = keep.transpose().map_err(Problem::invalid)?;
    let widget = replace(&scene, wanted.secret, former_until).await?;
    let rotated = Rotated {
        project_token: widget.project_token.expose_secret().to_owned(),
        event_secret: widget.event_secret.expose_secret().to_owned(),
        former_until,
    };
    scene.know_widget(widget);
    Ok(Json(rotated))
}

async fn replace(
    scene: &Scene,
    secret: Secret,
    former_until: Option<DateTime<Utc>>,
) -> Result<RegisteredWidget, Problem> {
    let mut known = scene.widget()?;
    let registry = scene.sandbox.executor.app().vault.widgets();
    let mut tx = scene.sandbox.pool.begin().await?;
    let widget = widgets::find(&mut tx, known.id).await.context("the widget")?;
    let widget = widget.context("the widget is gone")?;
    match secret {
        Secret::ProjectToken => {
            known.project_token =
                registry.rotate_project_token(&mut tx, &widget, former_until).await.map_err(refused)?;
        }
        Secret::EventSecret => {
            known.event_secret =
                registry.rotate_event_secret(&mut tx, &widget, former_until).await.map_err(refused)?;
            // Before an event is signed with it.
            scene.outside.events.proxy.know_secret(known.event_secret.clone());
        }
    }
    tx.commit().await?;
    Ok(known)
}

fn refused(error: RegistrationError) -> Problem {
    match error {
        RegistrationError::TooManySecrets { .. } => Problem::conflict(error),
        error => Problem::internal(&error.into()),
    }
}
