//! `POST /hooks/tbank`: T-Bank's notifications about payments.
//!
//! T-Bank waits 10 s for the response `OK`; otherwise it repeats the notification hourly for a day. So the handler verifies the
//! raw body, stores it encrypted and responds; a job applies it. Source: T-Bank docs, eacq/notification.

mod removed_terminal;

use flysk_clients::tbank::{Notification, NotificationError, NotificationVerifier, Terminal};
use flysk_config::TBank;
use flysk_crypto::aad;
use flysk_domain::id::NotificationId;
use flysk_domain::trace::Trace;
use flysk_store::platform::purchases::{NotificationRow, NotificationState};
use flysk_store::platform::vendors;
use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, Response, handler};
use secrecy::SecretString;

use crate::deps::Deps;
use crate::notification_writes::Arrived;
use crate::problem::{Problem, ProblemCode};
use crate::source::source_of;

/// Maximum length of a body, in bytes. Notifications have about a kilobyte.
const MAX_BODY_LEN: usize = 64 << 10;

/// Stores the notification and enqueues its processing.
#[handler]
pub(crate) async fn receive(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    body: Body,
) -> poem::Result<Response> {
    let Some(tbank) = &deps.config.tbank else {
        return Err(Problem::new(ProblemCode::NotFound, "purchases are not configured").into());
    };
    if !tbank.accepts_notifications_from(source_of(&tbank.proxies, request)) {
        count_notification("other_network");
        return Err(Problem::new(ProblemCode::NotFound, "no such webhook").into());
    }
    let body = body
        .into_bytes_limit(MAX_BODY_LEN)
        .await
        .map_err(|_| Problem::new(ProblemCode::TooLarge, "the body is larger than 64 KB"))?;
    let terminal = terminal_of(&deps, tbank, &body).await?;
    let key = terminal.key.clone();
    let verified = NotificationVerifier::new(terminal).verify(&body);
    if matches!(verified, Err(NotificationError::WrongToken)) {
        removed_terminal::report(&deps, &trace, &tbank.terminal_key, &body).await?;
    }
    let notification = verified.map_err(notification_problem)?;
    store_notification(&deps, &trace, key, &notification, &body).await?;
    Ok(Response::builder().status(StatusCode::OK).content_type("text/plain").body("OK"))
}

/// The terminal that a notification claims to come from: a vendor's own, or the environment's. The claim proves nothing;
/// the signature is checked with the terminal's password afterwards.
async fn terminal_of(deps: &Deps, tbank: &TBank, body: &[u8]) -> Result<Terminal, Problem> {
    const MAX_KEY_LEN: usize = 20;
    let own = Terminal { key: tbank.terminal_key.clone(), password: tbank.password.clone() };
    let claimed = serde_json::from_slice::<serde_json::Value>(body).ok();
    let claimed = claimed.as_ref().and_then(|body| body.get("TerminalKey")?.as_str());
    let Some(key) = claimed.filter(|key| *key != own.key && key.len() <= MAX_KEY_LEN && key.is_ascii())
    else {
        return Ok(own);
    };
    let vendor = vendors::find_vendor_of_terminal(&mut *deps.conn().await?, key).await?;
    let Some(vendor) = vendor else { return Ok(own) };
    let Some(sealed) = vendor.terminal_password_sealed else { return Ok(own) };
    let password = deps.keyring.open(&sealed, &aad::terminal_password(vendor.id)).map_err(|error| {
        tracing::error!(error = %error, "cannot decrypt the password of a vendor's terminal");
        Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
    })?;
    Ok(Terminal { key: key.to_owned(), password })
}

/// Stores a notification. Repeated and irrelevant notifications also get `OK`: an error would only cause hourly repetitions.
async fn store_notification(
    deps: &Deps,
    trace: &Trace,
    terminal_key: String,
    notification: &Notification,
    body: &[u8],
) -> Result<(), Problem> {
    let Some(key) = notification.key() else {
        count_notification("unexpected");
        tracing::warn!("unexpected notification: a bound card or account");
        return Ok(());
    };
    if !key.looks_like_ours() {
        count_notification("not_ours");
        tracing::warn!("notification about an unknown order");
        return Ok(());
    }
    let id = NotificationId::generate(deps.clock());
    let text = std::str::from_utf8(body).map_err(|_| notification_problem(NotificationError::Malformed))?;
    let sealed = deps.keyring.seal(&SecretString::from(text), &aad::notification_body(id));
    let sealed = sealed.map_err(|error| {
        tracing::error!(error = %error, "cannot encrypt a notification");
        Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
    })?;
    let row = NotificationRow {
        id,
        terminal_key,
        key,
        body_sealed: sealed,
        state: NotificationState::New,
        note: None,
        received_at: deps.clock().now(),
    };
    let arrived = Arrived { row, trace: trace.clone() };
    let is_new = deps.notification_writes.store(arrived).await?;
    count_notification(if is_new { "kept" } else { "repeated" });
    Ok(())
}

fn notification_problem(error: NotificationError) -> Problem {
    let (code, why) = match error {
        NotificationError::Malformed => (ProblemCode::BadRequest, "malformed"),
        NotificationError::WrongToken => (ProblemCode::Unauthorized, "wrong_token"),
        NotificationError::ForeignTerminal => (ProblemCode::Unauthorized, "foreign_terminal"),
        NotificationError::Incomplete(_) => (ProblemCode::Invalid, "incomplete"),
    };
    count_notification(why);
    tracing::warn!(%error, "notification rejected");
    Problem::new(code, error.to_string())
}

fn count_notification(outcome: &'static str) {
    metrics::counter!("flysk_tbank_notifications_total", "outcome" => outcome).increment(1);
}
