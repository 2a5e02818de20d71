//! `/account`, `/users`, `/widgets` (amoCRM docs, crm_platform/account-info, users-api, widgets-api).

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Request, handler};
use serde_json::{Value, json};

use super::Amocrm;
use super::guard::Caller;
use super::model::{Account, Platform, User};
use super::problem::{HandlerResult, Problem, hal};
use super::query::{Query, hal_list_counted};
use crate::lock::locked;

const ACCOUNT_WITH: [&str; 10] = [
    "amojo_id",
    "amojo_rights",
    "users_groups",
    "task_types",
    "version",
    "entity_names",
    "datetime_settings",
    "drive_url",
    "is_api_filter_enabled",
    "invoices_settings",
];

/// Relations whose values differ from account to account in ways that the simulator does not know.
const NOT_SIMULATED: [&str; 2] = ["entity_names", "invoices_settings"];

/// `GET /account`: the account of the token.
#[handler]
pub(crate) fn read_account(
    request: &Request,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let query = Query::of(request.uri());
    let with: Vec<&str> = query.one("with").into_iter().flat_map(|list| list.split(',')).collect();
    if with.iter().any(|name| !ACCOUNT_WITH.contains(name)) {
        return Err(Problem::invalid("NotSupportedChoice", "with", "This relation is not supported."));
    }
    if let Some(name) = with.iter().find(|name| NOT_SIMULATED.contains(name)) {
        let told = format!(
            "The simulator of amoCRM has no `{name}`: test what needs it against an account of amoCRM."
        );
        return Err(Problem::api(StatusCode::NOT_IMPLEMENTED, &told));
    }
    let state = locked(&amo.inner.state);
    let account = state.account(caller.account_id).ok_or_else(gone)?;
    let mut body = json!({
        "id": account.id,
        "name": account.name,
        "subdomain": account.subdomain,
        "country": "RU",
        "current_user_id": caller.user_id,
        "customers_mode": "segments",
        "is_unsorted_on": true,
        "is_loss_reason_enabled": true,
        "is_helpbot_enabled": false,
        "is_technical_account": false,
        "contact_name_display_order": 1,
        "_links": {"self": {"href": format!("https://{}/api/v4/account", caller.host)}},
    });
    if with.contains(&"is_api_filter_enabled") {
        body["is_api_filter_enabled"] = json!(true);
    }
    if with.contains(&"version") {
        body["version"] = json!(11);
    }
    if with.contains(&"drive_url") {
        let prefix = if account.platform == Platform::Kommo { "c" } else { "b" };
        body["drive_url"] = json!(format!("https://drive-{prefix}.{}", account.platform.domain()));
    }
    if with.contains(&"amojo_id") {
        body["amojo_id"] = json!(amojo_id(account));
    }
    for (name, relation) in embedded() {
        if with.contains(&name) {
            body["_embedded"][name] = relation;
        }
    }
    Ok(hal(&body))
}

/// Id of the account in the service of chats: a UUID, always the same.
fn amojo_id(account: &Account) -> String {
    format!("a0300000-0000-4000-8000-{:012x}", account.id)
}

/// Relations below `_embedded`: those of a new account, which nobody has changed.
fn embedded() -> [(&'static str, Value); 4] {
    [
        (
            "datetime_settings",
            json!({"date_pattern": "d.m.Y H:i", "timezone": "Europe/Moscow", "timezone_offset": "+03:00"}),
        ),
        ("amojo_rights", json!({"can_direct": true, "can_create_groups": true})),
        ("users_groups", json!([{"id": 0, "name": "Отдел продаж", "uuid": null}])),
        // Those that tasks may have.
        ("task_types", json!([task_type(1, "Связаться", "FOLLOW_UP"), task_type(2, "Встреча", "MEETING")])),
    ]
}

fn task_type(id: u64, name: &str, code: &str) -> Value {
    json!({"id": id, "name": name, "color": null, "icon_id": null, "code": code})
}

/// Lists all users; administrators only.
#[handler]
pub(crate) fn list_users(
    request: &Request,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    caller.require_admin()?;
    let page = Query::of(request.uri()).page(250)?;
    let state = locked(&amo.inner.state);
    let account = state.account(caller.account_id).ok_or_else(gone)?;
    let users: Vec<Value> = account.users.iter().map(user_json).collect();
    Ok(hal_list_counted("users", &users, page, &caller.host, request.original_uri()))
}

/// One user; administrators only.
#[handler]
pub(crate) fn read_user(
    Path(id): Path<u64>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    caller.require_admin()?;
    let state = locked(&amo.inner.state);
    let account = state.account(caller.account_id).ok_or_else(gone)?;
    let user = account.user(id).ok_or_else(|| Problem::api(StatusCode::NOT_FOUND, "User not found"))?;
    Ok(hal(&user_json(user)))
}

fn user_json(user: &User) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "lang": "ru",
        "rights": {
            "is_admin": user.is_admin,
            "is_free": user.is_free,
            "is_active": user.is_active,
            "group_id": null,
            "role_id": null,
        },
    })
}

/// A widget by its code. Its settings are visible only to the integration that it belongs to.
#[handler]
pub(crate) fn read_widget(
    Path(code): Path<String>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let mut state = locked(&amo.inner.state);
    let integration = state
        .integrations
        .iter()
        .find(|known| known.code == code)
        .cloned()
        .ok_or_else(|| Problem::api(StatusCode::NOT_FOUND, "Widget not found"))?;
    let mut body = json!({
        "code": code,
        "version": "1.0.0",
        "client_uuid": integration.client_id,
        "is_active_in_account": state.content(caller.account_id).installed.contains(&integration.client_id),
    });
    if integration.client_id == caller.client_id {
        body["settings"] = json!({});
    }
    Ok(hal(&body))
}

fn gone() -> Problem {
    Problem::api(StatusCode::UNAUTHORIZED, "Account not found")
}
