//! Leads, contacts, companies and tasks that users of an account add and change in amoCRM.

use poem::handler;
use poem::http::header;
use poem::web::{Data, Json, Path};
use serde::Serialize;
use serde_json::{Value, json};

use super::accounts::known;
use super::control::{ControlData, Done, done, number};
use super::input::Input;
use super::problem::Problem;

/// What a user did.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    /// What amoCRM's API answers to such a request; null if it answers without a body.
    answer: Value,
}

/// A user works in amoCRM: adds and changes records, whose webhooks are sent as for requests to the API.
#[handler]
pub(super) async fn change(
    Data(control): ControlData<'_>,
    Path(account_id): Path<String>,
    Input(mut wanted): Input<Value>,
) -> Result<Json<Done<Changed>>, Problem> {
    let scene = control.scene()?;
    let id = known(&scene, number(&account_id, "an account")?)?;
    let fields = wanted.as_object_mut().ok_or_else(|| Problem::invalid("an object is expected"))?;
    if fields.insert("account".to_owned(), json!(id)).is_some() {
        return Err(Problem::invalid("the account is in the path"));
    }
    let after = scene.journal.last();
    let request = control.http.post(format!("{}/_sim/records", scene.sandbox.amocrm.url));
    let request = request.header(header::CONTENT_TYPE, "application/json").body(wanted.to_string());
    let answer = request.send().await.map_err(anyhow::Error::from)?;
    let status = answer.status();
    let text = answer.text().await.map_err(anyhow::Error::from)?;
    if !status.is_success() {
        // amoCRM's own complaint names the item and its field.
        return Err(if status.as_u16() == 404 { Problem::not_found(text) } else { Problem::invalid(text) });
    }
    let answer = serde_json::from_str(&text).unwrap_or_default();
    done(&scene, after, Changed { answer }).await
}
