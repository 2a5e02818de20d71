//! The control API, `/_sandbox/…`: its routes.

use poem::endpoint::BoxEndpoint;
use poem::web::{Data, Json};
use poem::{EndpointExt as _, Response, Route, delete, get, handler, patch, post, put};
use serde::Deserialize;
use serde_json::{Value, json};

use super::announcement::{State, state_of};
use super::control::{Control, ControlData};
use super::input::Input;
use super::options::check_event_url;
use super::problem::Problem;
use super::{
    accounts, advance, amocrm_failures, api_failures, bank_form, cards, console, hooks, payments, records,
    reset, secrets, timeline, users,
};

/// Routes of the control API, the console and the bank's form.
pub(super) fn routes(control: Control) -> BoxEndpoint<'static, Response> {
    let routes = Route::new()
        .at("/state", get(read_state))
        .at("/event-url", put(set_event_url))
        .at("/clock", get(advance::read_clock))
        .at("/clock/advance", post(advance::advance))
        .at("/accounts", get(accounts::list).post(accounts::add))
        .at("/accounts/:account_id", delete(accounts::uninstall))
        .at("/accounts/:account_id/rename", post(accounts::rename))
        .at("/accounts/:account_id/revoke", post(accounts::revoke))
        .at("/accounts/:account_id/unpaid", post(accounts::set_unpaid))
        .at("/accounts/:account_id/users", post(users::add))
        .at("/accounts/:account_id/users/:user_id", patch(users::change).delete(users::remove))
        .at("/accounts/:account_id/users/:user_id/token", post(users::issue_token))
        .at("/accounts/:account_id/notes", post(accounts::add_note))
        .at("/accounts/:account_id/records", post(records::change))
        .at("/api", get(api_failures::read))
        .at("/api/fail", post(api_failures::fail))
        .at("/secrets/rotate", post(secrets::rotate))
        .at("/amocrm", get(amocrm_failures::read))
        .at("/amocrm/fail", post(amocrm_failures::fail))
        .at("/cards", get(cards::list).post(cards::add))
        .at("/payments", get(payments::list))
        .at("/payments/:order/pay", post(payments::pay))
        .at("/payments/:order/decline", post(payments::decline))
        .at("/hooks", get(hooks::read))
        .at("/hooks/lose", post(hooks::lose))
        .at("/timeline", get(timeline::read))
        .at("/reset", post(reset::reset))
        .at("/bank/pay/:slug", get(bank_form::show).post(bank_form::pay))
        .at("/", get(console::show))
        .at("/console.css", get(console::style))
        .at("/console.js", get(console::script))
        .at("/console/deliveries", get(console::deliveries))
        .at("/console/:act", post(console::act));
    Route::new().nest("/_sandbox", routes).data(control).map_to_response().boxed()
}

/// Everything that a vendor's test needs: the line that the sandbox printed, as of now.
#[handler]
async fn read_state(Data(control): ControlData<'_>) -> Result<Json<State>, Problem> {
    let scene = control.scene()?;
    Ok(Json(state_of(&scene).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventUrl {
    url: Option<String>,
}

/// Sends events elsewhere from now on; null: the sandbox accepts them itself.
#[handler]
fn set_event_url(
    Data(control): ControlData<'_>,
    Input(wanted): Input<EventUrl>,
) -> Result<Json<Value>, Problem> {
    let url = wanted.url.as_deref().map(check_event_url).transpose()?;
    control.scene()?.outside.events.proxy.send_to(url.clone());
    Ok(Json(json!({ "url": url })))
}
