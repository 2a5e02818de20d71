//! `/webhooks`: hooks, identified by their destination (amoCRM docs, crm_platform/webhooks-api).

use std::collections::VecDeque;

use flysk_domain::Clock;
use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, Response, handler};
use serde_json::{Map, Value, json};

use super::Amocrm;
use super::fields::{Kind, check, json_object, optional, request_id, required};
use super::guard::Caller;
use super::model::{Hook, Plan, Platform};
use super::notes_write::read;
use super::problem::{FieldError, HandlerResult, Problem, hal, json_with};
use super::query::Query;
use crate::lock::locked;

/// Maximum number of hooks per account (amoCRM docs, crm_platform/webhooks-api).
const MAX_HOOKS: usize = 100;

/// Lists all hooks, or the one with `filter[destination]`.
#[handler]
pub(crate) fn list(
    request: &Request,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    caller.require_admin()?;
    let query = Query::of(request.uri());
    query.allow_filters(&["destination"])?;
    let wanted = query.one("filter[destination]");
    let mut state = locked(&amo.inner.state);
    let hooks: Vec<&Hook> = state
        .content(caller.account_id)
        .hooks
        .iter()
        .filter(|hook| wanted.is_none_or(|destination| hook.destination == destination))
        .collect();
    Ok(hal(&json!({"_total_items": hooks.len(), "_embedded": {"webhooks": hooks}})))
}

/// Adds a hook, or updates the one with the same destination.
#[handler]
pub(crate) async fn subscribe(
    request: &Request,
    body: Body,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    caller.require_admin()?;
    let object = read_object(request, body).await?;
    let known =
        [required("destination", Kind::Text), required("settings", Kind::Texts), optional("sort", Kind::Int)];
    let now = amo.control().clock().now().timestamp();
    let enables = amo.behaviour().post_enables_hook;
    let mut state = locked(&amo.inner.state);
    let account = state.account(caller.account_id).ok_or_else(unknown_account)?;
    let (platform, plan) = (account.platform, account.plan);
    if plan == Plan::Basic {
        return Err(Problem::api(StatusCode::FORBIDDEN, "The tariff has no webhooks"));
    }
    let mut complaints = check(&object, &known, "");
    complaints.extend(check_values(&object, platform));
    if !complaints.is_empty() {
        return Err(Problem::validation(&[(request_id(&object, 0), complaints)]));
    }
    let settings = texts(&object, "settings");
    let destination = object.get("destination").and_then(Value::as_str).unwrap_or_default().to_owned();
    let sort = object.get("sort").and_then(Value::as_i64);
    let id = state.fresh_id();
    let hooks = &mut state.content(caller.account_id).hooks;
    let index = match hooks.iter().position(|hook| hook.destination == destination) {
        Some(index) => index,
        None if hooks.len() >= MAX_HOOKS => {
            return Err(Problem::invalid("TooHigh", "destination", "The account has 100 webhooks already."));
        }
        None => {
            hooks.push(Hook {
                id,
                destination,
                created_at: now,
                updated_at: now,
                account_id: caller.account_id,
                created_by: caller.user_id,
                sort: 0,
                disabled: false,
                settings: Vec::new(),
                invalid: VecDeque::new(),
            });
            hooks.len() - 1
        }
    };
    let hook = &mut hooks[index];
    hook.settings = settings;
    hook.sort = sort.unwrap_or(hook.sort);
    hook.updated_at = now;
    if enables {
        hook.disabled = false;
        hook.invalid.clear();
    }
    let status = if platform == Platform::Kommo { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json_with(status, &json!(hook)))
}

/// Deletes the hook with the destination in the body.
#[handler]
pub(crate) async fn unsubscribe(
    request: &Request,
    body: Body,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    caller.require_admin()?;
    let object = read_object(request, body).await?;
    let complaints = check(&object, &[required("destination", Kind::Text)], "");
    if !complaints.is_empty() {
        return Err(Problem::validation(&[(request_id(&object, 0), complaints)]));
    }
    let destination = object.get("destination").and_then(Value::as_str).unwrap_or_default();
    let mut state = locked(&amo.inner.state);
    let hooks = &mut state.content(caller.account_id).hooks;
    let before = hooks.len();
    hooks.retain(|hook| hook.destination != destination);
    if hooks.len() == before {
        return Err(Problem::api(StatusCode::NOT_FOUND, "Webhook not found"));
    }
    Ok(Response::builder().status(StatusCode::NO_CONTENT).finish())
}

async fn read_object(request: &Request, body: Body) -> Result<Map<String, Value>, Problem> {
    json_object(request.content_type(), &read(body).await?)
}

fn texts(object: &Map<String, Value>, name: &str) -> Vec<String> {
    let all = object.get(name).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn check_values(object: &Map<String, Value>, platform: Platform) -> Vec<FieldError> {
    let mut complaints = Vec::new();
    let settings = texts(object, "settings");
    if settings.is_empty() {
        complaints.push(FieldError::new("IsBlank", "settings", "This value should not be blank."));
    }
    for (index, name) in settings.iter().enumerate().filter(|(_, name)| !is_event(name, platform)) {
        let detail = format!("`{name}` is not an event.");
        complaints.push(FieldError::new("NotSupportedChoice", format!("settings.{index}"), detail));
    }
    let destination = object.get("destination").and_then(Value::as_str).unwrap_or_default();
    let usable = url::Url::parse(destination).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    let plain = destination.split('/').nth(2).is_some_and(|host| host.is_ascii() && !host.contains("xn--"));
    if !usable || !plain {
        complaints.push(FieldError::new("InvalidUrl", "destination", "This value is not a valid URL."));
    }
    complaints
}

/// Whether an account can subscribe to an event of this name.
fn is_event(name: &str, platform: Platform) -> bool {
    const ENTITIES: [&str; 4] = ["lead", "contact", "company", "customer"];
    if platform == Platform::Kommo {
        if name.ends_with("_customer") || name == "update_task" {
            return false;
        }
        if name == "add_message" {
            return true;
        }
    }
    let (action, object) = name.split_once('_').unwrap_or((name, ""));
    match action {
        "note" | "responsible" => ENTITIES.contains(&object) || name == "responsible_task",
        "add" => ENTITIES.contains(&object) || ["task", "talk", "chat_template_review"].contains(&object),
        "update" => ENTITIES.contains(&object) || ["task", "talk"].contains(&object),
        "delete" => ENTITIES.contains(&object) || object == "task",
        "restore" => ENTITIES[..3].contains(&object),
        "status" => object == "lead",
        _ => false,
    }
}

fn unknown_account() -> Problem {
    Problem::api(StatusCode::UNAUTHORIZED, "Account not found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_those_of_the_platform() {
        for name in ["note_lead", "note_customer", "status_lead", "responsible_task", "update_talk"] {
            assert!(is_event(name, Platform::Amocrm), "{name}");
        }
        for name in ["note_leads", "note_task", "status_contact", "restore_customer", "update_note"] {
            assert!(!is_event(name, Platform::Amocrm), "{name}");
        }
        assert!(!is_event("note_customer", Platform::Kommo));
    }
}
