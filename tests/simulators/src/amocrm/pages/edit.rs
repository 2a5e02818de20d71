//! Requests of a page for a widget: one-time tokens, and its installation, settings and removal.

use poem::http::StatusCode;
use poem::web::{Data, Json, Path};
use poem::{Request, Result, handler};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::Amocrm;
use super::super::jwt::WidgetTokenShape;
use super::super::problem::Problem;
use super::user::visitor;
use crate::lock::locked;

/// A new one-time token of the page's user. 403 if the integration is not installed: the widget has no rights then.
#[handler]
pub(super) fn disposable_token(
    request: &Request,
    Path(client_uuid): Path<String>,
    Data(amo): Data<&Amocrm>,
) -> Result<Json<Value>> {
    let (account, user) = visitor(amo, request)?;
    let is_installed = locked(&amo.inner.state).content(account.id).installed.contains(&client_uuid);
    if !is_installed {
        return Err(Problem::api(StatusCode::FORBIDDEN, "The integration is not installed").into());
    }
    let token = amo.widget_token(&client_uuid, account.id, user.id, &WidgetTokenShape::default())?;
    Ok(Json(json!({ "token": token })))
}

/// What a user did in the settings window.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Install,
    Save,
    Disable,
}

/// Body of a change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    code: String,
    action: Action,
    fields: Map<String, Value>,
}

/// Installs, saves or disables a widget; administrators only. Returns the fields of the widget that changed.
#[handler]
pub(super) async fn edit(
    request: &Request,
    Json(change): Json<Change>,
    Data(amo): Data<&Amocrm>,
) -> Result<Json<Value>> {
    let (account, user) = visitor(amo, request)?;
    if !user.is_admin {
        return Err(Problem::api(StatusCode::FORBIDDEN, "Administrator rights are needed").into());
    }
    let client_id = {
        let state = locked(&amo.inner.state);
        let integration = state.integrations.iter().find(|known| known.code == change.code);
        integration.map(|known| known.client_id.clone())
    };
    let absent = || Problem::api(StatusCode::NOT_FOUND, "Widget not found");
    let client_id = client_id.ok_or_else(absent)?;
    let is_on = match change.action {
        Action::Install => {
            amo.install(&client_id, account.id, Some(user.id)).await?;
            true
        }
        Action::Save => true,
        Action::Disable => {
            amo.disable(&client_id, account.id, false).await?;
            false
        }
    };
    let fields = change.fields;
    locked(&amo.inner.pages).settings.insert((account.id, change.code), fields.clone());
    let status = if is_on { "installed" } else { "install" };
    Ok(Json(json!({ "status": status, "active": is_on, "settings": fields })))
}
