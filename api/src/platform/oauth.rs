//! `GET /oauth/amocrm/callback`: codes arrive, by amoCRM's server or by the user's browser.
//!
//! amoCRM waits three seconds, ignores the answer and never calls again, so the code is made durable
//! and exchanged by a job. Anyone can send such a request: the host it names gets our secret only if
//! it is one label under a domain we trust. Source: amoCRM docs, oauth/step-by-step.

use flysk_domain::id::OauthCodeId;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::trace::Trace;
use flysk_jobs::oauth::ExchangeCode;
use flysk_store::platform::oauth_codes::{self, NewCode, Way};
use flysk_store::platform::widgets;
use flysk_vault::places;
use poem::http::{StatusCode, header};
use poem::web::{Data, Query};
use poem::{IntoResponse, Response, handler};
use secrecy::SecretString;
use serde::Deserialize;

use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode};

/// What amoCRM sends. Names that are not documented are tolerated.
#[derive(Deserialize)]
struct Callback {
    code: Option<String>,
    referer: Option<String>,
    client_id: Option<String>,
    from_widget: Option<String>,
    error: Option<String>,
}

/// Takes a code in; answers with a page, since a person may be looking.
#[handler]
pub(crate) async fn callback(deps: Data<&Deps>, trace: Data<&Trace>, query: Query<Callback>) -> Response {
    if query.error.is_some() {
        return page(
            StatusCode::OK,
            "Доступ не выдан",
            "Вы не разрешили доступ к аккаунту. Виджет останется выключенным.",
        );
    }
    match take_in(&deps, &trace, &query.0).await {
        Ok(()) => page(StatusCode::OK, "Готово", "Доступ получен, виджет подключается. Окно можно закрыть."),
        Err(problem) => {
            tracing::warn!(problem = %problem, "a code was not taken");
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            page(
                status,
                "Не получилось подключить виджет",
                "Закройте окно и попробуйте подключить виджет ещё раз.",
            )
        }
    }
}

async fn take_in(deps: &Deps, trace: &Trace, query: &Callback) -> Result<(), Problem> {
    let bad = |why: &str| Problem::new(ProblemCode::BadRequest, why);
    let code = query.code.as_deref().filter(|code| !code.is_empty()).ok_or_else(|| bad("no `code`"))?;
    let referer = query.referer.as_deref().ok_or_else(|| bad("no `referer`"))?;
    let host = AccountHost::parse(referer, &deps.config.amocrm.host_suffixes)
        .map_err(|_| bad("`referer` is not the host of an account"))?;
    let mut conn = deps.conn().await?;
    let widget = match query.client_id.as_deref() {
        Some(client) => widgets::find_by_client_uuid(on(&mut conn), &client.to_ascii_lowercase()).await?,
        // Not documented, though always seen: without it there must be only one it can be.
        None => Some(widgets::list(on(&mut conn)).await?)
            .filter(|all| all.len() == 1)
            .and_then(|mut all| all.pop()),
    };
    drop(conn);
    let widget = widget.ok_or_else(|| Problem::new(ProblemCode::NotFound, "no such integration here"))?;
    let id = OauthCodeId::generate(deps.clock());
    let sealed =
        deps.keyring.seal(&SecretString::from(code.to_owned()), &places::code(id)).map_err(|error| {
            tracing::error!(error = %error, "a code cannot be sealed");
            Problem::new(ProblemCode::Internal, "told to our operators")
        })?;
    let new = NewCode {
        id,
        widget_id: widget.id,
        host: host.as_str(),
        code_sealed: &sealed,
        code_hash: &deps.keyring.lookup_hash(code).to_string(),
        way: if query.from_widget.is_some() { Way::Install } else { Way::Browser },
    };
    let mut unit = deps.begin(trace).await?;
    // The same code twice is the same grant.
    if oauth_codes::insert(&mut unit, &new, deps.clock().now()).await? {
        unit.enqueue(&ExchangeCode { code_id: id }).await?;
    }
    Ok(unit.commit().await?)
}

/// A small page that needs nothing from elsewhere; in a pop-up it closes itself.
fn page(status: StatusCode, title: &str, text: &str) -> Response {
    let body = format!(
        "<!doctype html><html lang=\"ru\"><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem;color:#222}}</style>\
         <h1>{title}</h1><p>{text}</p>\
         <script>if(window.opener){{window.opener.postMessage({{flysk:\"oauth\"}},\"*\");setTimeout(()=>window.close(),1500)}}</script>"
    );
    body.with_status(status)
        .with_content_type("text/html; charset=utf-8")
        .with_header(header::CACHE_CONTROL, "no-store")
        .into_response()
}
