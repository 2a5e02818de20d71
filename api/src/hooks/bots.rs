//! `POST /hooks/telegram` and `POST /hooks/max`: updates of FlySense's bots.
//!
//! Both messengers send the secret of the webhook in a header, repeat an update until it is answered, and may deliver it
//! twice. So the handler compares the secret in constant time, stores the update under its key and answers; a job handles
//! it. An update that cannot be read is logged with an alert and answered with 200, and is lost: an error would only make
//! the messenger repeat it and hold back others.

use flysk_clients::http::Malformed;
use flysk_clients::{max, telegram};
use flysk_crypto::{aad, same_secret};
use flysk_domain::flysense::activation::message::Incoming;
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::id::BotUpdateId;
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::activation::HandleUpdate;
use flysk_store::flysense::activation::updates::{self, NewUpdate};
use flysk_store::repeat_contended;
use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, handler};
use secrecy::{ExposeSecret, SecretString};

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Maximum length of a body, in bytes. Updates have a few kilobytes.
const MAX_BODY_LEN: usize = 256 << 10;

/// Stores an update of Telegram and enqueues its handling.
#[handler]
pub(crate) async fn receive_telegram(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    body: Body,
) -> poem::Result<StatusCode> {
    receive(&deps, &trace, request, body, Messenger::Telegram).await
}

/// Stores an update of MAX and enqueues its handling.
#[handler]
pub(crate) async fn receive_max(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    body: Body,
) -> poem::Result<StatusCode> {
    receive(&deps, &trace, request, body, Messenger::Max).await
}

async fn receive(
    deps: &Deps,
    trace: &Trace,
    request: &Request,
    body: Body,
    messenger: Messenger,
) -> poem::Result<StatusCode> {
    let (bot, header) = match messenger {
        Messenger::Telegram => (&deps.config.telegram, telegram::SECRET_HEADER),
        Messenger::Max => (&deps.config.max, max::SECRET_HEADER),
    };
    let bot = bot.as_ref().filter(|_| deps.config.flysense.is_some());
    let bot = bot.ok_or_else(|| Problem::new(ProblemCode::NotFound, "the bot is not configured"))?;
    let secret = request.header(header).unwrap_or_default();
    if !same_secret(secret.as_bytes(), bot.webhook_secret.expose_secret().as_bytes()) {
        count(messenger, "wrong_secret");
        return Err(Problem::new(ProblemCode::Unauthorized, "wrong secret of the webhook").into());
    }
    let body = body
        .into_bytes_limit(MAX_BODY_LEN)
        .await
        .map_err(|_| Problem::new(ProblemCode::TooLarge, "the body is larger than 256 KB"))?;
    let incoming = match messenger {
        Messenger::Telegram => telegram::parse_update(&body),
        Messenger::Max => max::parse_update(&body, &bot.token),
    };
    match incoming {
        Ok(incoming) => store(deps, trace, messenger, &incoming, &body).await?,
        Err(error) => report_unreadable(messenger, error),
    }
    Ok(StatusCode::OK)
}

/// The body is no update: the messenger's format has changed, or somebody has the secret.
fn report_unreadable(messenger: Messenger, error: Malformed) {
    count(messenger, "unreadable");
    tracing::error!(alert = "bot_update_unreadable", messenger = %messenger, %error, "an update cannot be read");
}

/// Stores an update. One that concerns no dialogue is not stored: there is nothing to do and nothing to repeat.
async fn store(
    deps: &Deps,
    trace: &Trace,
    messenger: Messenger,
    incoming: &Incoming,
    body: &[u8],
) -> Result<(), Problem> {
    let Some(message) = &incoming.message else {
        count(messenger, "ignored");
        return Ok(());
    };
    let id = BotUpdateId::generate(deps.clock());
    // A parsed body is UTF-8.
    let text = SecretString::from(String::from_utf8_lossy(body).into_owned());
    let sealed = deps.keyring.seal(&text, &aad::bot_update(id)).map_err(|error| {
        tracing::error!(error = %error, "cannot encrypt an update");
        Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
    })?;
    let new = NewUpdate {
        id,
        messenger,
        key: &incoming.key,
        chat_id: Some(message.person.chat_id),
        body_sealed: &sealed,
        received_at: deps.clock().now(),
    };
    let insert = || async {
        let mut unit = deps.begin(trace).await?;
        if !updates::insert(&mut unit, &new).await? {
            return Ok(false);
        }
        unit.enqueue(&HandleUpdate { update_id: id }).await?;
        unit.commit().await?;
        Ok::<_, Problem>(true)
    };
    count(messenger, if repeat_contended(insert).await? { "kept" } else { "repeated" });
    Ok(())
}

fn count(messenger: Messenger, outcome: &'static str) {
    metrics::counter!("flysk_bot_updates_total", "messenger" => messenger.code(), "outcome" => outcome)
        .increment(1);
}
