//! `www.amocrm.ru/oauth`: a user chooses an account and grants or refuses access (amoCRM docs, oauth/button).

use poem::http::{StatusCode, header};
use poem::web::{Data, Html, Query};
use poem::{IntoResponse, Response, handler};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::Amocrm;
use super::model::{Account, Integration, User};
use crate::lock::locked;

/// Query of the consent page.
#[derive(Debug, Deserialize)]
pub(crate) struct ConsentQuery {
    client_id: String,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    mode: Option<String>,
}

/// Form data of the consent page.
#[derive(Debug, Deserialize)]
pub(crate) struct ConsentForm {
    client_id: String,
    #[serde(default)]
    state: Option<String>,
    /// `<account id>:<user id>`.
    who: String,
    /// `grant` or `refuse`.
    action: String,
}

/// The consent page with the choice of accounts.
#[handler]
pub(crate) fn choose(Query(asked): Query<ConsentQuery>, Data(amo): Data<&Amocrm>) -> Response {
    if !matches!(asked.mode.as_deref(), None | Some("popup" | "post_message")) {
        return refusal("Неизвестный режим окна");
    }
    let state = locked(&amo.inner.state);
    let Some(integration) = state.integration(&asked.client_id) else {
        return refusal("Интеграция не найдена");
    };
    let offered = |account: &&Account| {
        account.platform == integration.platform
            && integration.only_account.is_none_or(|only| only == account.id)
    };
    let administrators = |account: &Account| -> String {
        let (id, host) = (account.id, escape(&account.host()));
        let option = |user: &User| {
            format!("<option value=\"{id}:{}\">{host} ({})</option>", user.id, escape(&user.name))
        };
        account.users.iter().filter(|user| user.is_admin && user.is_active).map(option).collect()
    };
    let options: String = state.accounts.iter().filter(offered).map(administrators).collect();
    Html(page(integration, asked.state.as_deref(), &options)).into_response()
}

/// Redirects to the redirect URI, with a code if access was granted.
#[handler]
pub(crate) fn answer(Query(answered): Query<ConsentForm>, Data(amo): Data<&Amocrm>) -> Response {
    let state = answered.state.as_deref().map(|state| ("state", state));
    let target = match answered.action.as_str() {
        "grant" => granted(amo, &answered, state),
        "refuse" => refused(amo, &answered.client_id, state),
        _ => None,
    };
    match target {
        Some(url) => Response::builder().status(StatusCode::FOUND).header(header::LOCATION, url).finish(),
        None => refusal("Доступ не может быть предоставлен"),
    }
}

fn granted(amo: &Amocrm, answered: &ConsentForm, state: Option<(&str, &str)>) -> Option<String> {
    let (account, user) = answered.who.split_once(':')?;
    let account_id = account.parse().ok()?;
    let code = amo.issue_code(&answered.client_id, account_id, Some(user.parse().ok()?)).ok()?;
    let mut first = vec![("code", code.as_str())];
    first.extend(state);
    amo.redirect_url(&answered.client_id, account_id, &first).ok()
}

fn refused(amo: &Amocrm, client_id: &str, state: Option<(&str, &str)>) -> Option<String> {
    let redirect_uri = locked(&amo.inner.state).integration(client_id)?.redirect_uri.clone();
    let mut query = Serializer::new(String::new());
    query.append_pair("error", "access_denied").extend_pairs(state);
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    Some(format!("{redirect_uri}{joint}{}", query.finish()))
}

fn refusal(text: &str) -> Response {
    Html(format!("<!DOCTYPE html><meta charset=\"utf-8\"><title>amoCRM</title><p>{text}</p>"))
        .with_status(StatusCode::BAD_REQUEST)
        .into_response()
}

fn page(integration: &Integration, state: Option<&str>, options: &str) -> String {
    let state = state
        .map(|state| format!("<input type=\"hidden\" name=\"state\" value=\"{}\">", escape(state)))
        .unwrap_or_default();
    format!(
        "<!DOCTYPE html><html lang=\"ru\"><head><meta charset=\"utf-8\"><title>Доступ к аккаунту</title></head>\
         <body><h1>Предоставить доступ интеграции {}?</h1>\
         <form method=\"get\" action=\"/oauth/answer\">\
         <input type=\"hidden\" name=\"client_id\" value=\"{}\">{state}\
         <select name=\"who\">{options}</select>\
         <button name=\"action\" value=\"grant\">Разрешить</button>\
         <button name=\"action\" value=\"refuse\">Запретить</button>\
         </form></body></html>",
        escape(&integration.code),
        escape(&integration.client_id),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
