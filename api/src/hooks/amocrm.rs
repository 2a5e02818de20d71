//! `POST /hooks/amocrm/{install}/{signature}`: amoCRM's webhooks about new notes.
//!
//! amoCRM does not sign webhooks, so the URL contains a signature. amoCRM waits 2 s and retries unless the response is a
//! success; after a hundred other answers within two hours it disables the webhook, which `amocrm.check_hooks` repairs. Size and
//! rate are limited, because other widgets of the account can read the URL. Source: amoCRM docs, crm_platform/webhooks-format.

use flysk_domain::id::InstallId;
use flysk_domain::trace::Trace;
use flysk_services::calls::signed_hook_url;
use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, handler};

use crate::deps::Deps;
use crate::hook_limits::count_refused_hook;
use crate::problem::{Problem, ProblemCode};
use crate::source::{source_key, source_of};
use crate::webhook_writes::Webhook;

/// Maximum length of a body, in bytes. The webhook of a call note has a few kilobytes. That of a note with a long text, whose
/// Cyrillic letters take 6 bytes each, is accepted up to some 20,000 letters; the call log names calls that are refused.
const MAX_BODY_LEN: usize = 128 << 10;

/// Stores the webhook and enqueues its processing.
#[handler]
pub(crate) async fn receive(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path((install, signature)): Path<(String, String)>,
    body: Body,
) -> poem::Result<StatusCode> {
    let unknown = || Problem::new(ProblemCode::NotFound, "no such webhook");
    let install: InstallId = install.parse().map_err(|_| unknown())?;
    if !signed_hook_url::is_valid_signature(&deps.keyring, install, &signature) {
        return Err(unknown().into());
    }
    if let Some(limits) = &deps.hook_limits {
        let source = source_key(source_of(&deps.config.http.proxies, request));
        limits.take(install, &source, deps.clock().now())?;
    }
    let body = body.into_bytes_limit(MAX_BODY_LEN).await.map_err(|_| {
        count_refused_hook("too_large");
        Problem::new(ProblemCode::TooLarge, "the body is larger than 128 KB")
    })?;
    let webhook = Webhook { install, body, trace: Trace::clone(&trace) };
    deps.webhook_writes.store(webhook).await.map_err(Problem::from)?;
    Ok(StatusCode::NO_CONTENT)
}
