//! Common parts of the clients of [`telegram`](crate::telegram) and [`max`](crate::max): one trait, one error.
//!
//! Messengers have no idempotency keys: a message that is sent twice is read twice. So no client repeats a request, and
//! [`MessengerError::outcome`] distinguishes what was certainly not sent from what may have been.

use std::future::Future;
use std::time::Duration;

use flysk_domain::failure_action::FailureAction;
use flysk_domain::flysense::activation::message::{Incoming, Outgoing};
use flysk_domain::flysense::activation::messenger::Messenger;
use reqwest::{Client, Proxy};
use secrecy::SecretString;
use url::Url;

use crate::http::{self, BuildError, HttpOptions, Idempotency, Malformed, ReadError};

/// Well above every response to a bot's requests.
pub(crate) const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// Access to a bot.
#[derive(Debug, Clone)]
pub struct Config {
    /// Base URL of the messenger's API, or of a reverse proxy in front of it.
    pub base_url: Url,
    /// Token of the bot.
    pub token: SecretString,
    /// HTTP options. MAX's certificate is issued by the Russian Trusted Root CA, which belongs into `extra_roots`.
    pub http: HttpOptions,
    /// HTTP proxy for this messenger only; the process's own proxy settings are never read.
    pub proxy: Option<Url>,
}

impl Config {
    /// The HTTP client of the bot.
    pub(crate) fn client(&self) -> Result<Client, BuildError> {
        let builder = http::builder(&self.http)?.timeout(self.http.timeout);
        let proxied = match &self.proxy {
            Some(proxy) => builder.proxy(Proxy::all(proxy.clone())?),
            None => builder,
        };
        Ok(proxied.build()?)
    }
}

/// The bot behind a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotIdentity {
    /// The messenger's number of the bot, as a user.
    pub id: i64,
    /// Name in deep links.
    pub username: String,
}

/// State of the bot's webhook at the messenger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookState {
    /// Whether the webhook had to be set, because it was missing or different.
    pub was_repaired: bool,
    /// Updates that wait for delivery; `None` if the messenger does not tell.
    pub pending: Option<u64>,
    /// The messenger's description of the last failed delivery; `None` if there was none, or it does not tell.
    pub last_error: Option<String>,
}

/// A messenger's API, as far as a bot needs it.
pub trait Bot: Send + Sync {
    /// The messenger of this client.
    fn messenger(&self) -> Messenger;

    /// The bot behind the token; a check at the start, and the name for deep links.
    fn who_am_i(&self) -> impl Future<Output = Result<BotIdentity, MessengerError>> + Send;

    /// Makes the messenger deliver updates to `url` with `secret` in a header. Changes nothing if the webhook is set;
    /// `force` sets it anyway, for a new secret, which messengers do not show. Safe to repeat.
    fn ensure_webhook(
        &self,
        url: &Url,
        secret: &SecretString,
        force: bool,
    ) -> impl Future<Output = Result<WebhookState, MessengerError>> + Send;

    /// Sends a message to a dialogue. Not idempotent.
    fn send(
        &self,
        chat_id: i64,
        message: &Outgoing,
    ) -> impl Future<Output = Result<(), MessengerError>> + Send;

    /// Reads the body of a webhook. Unknown kinds of updates, and kinds that do not concern the bot, have no message.
    ///
    /// # Errors
    ///
    /// The body is not an update at all.
    fn parse_update(&self, body: &[u8]) -> Result<Incoming, Malformed>;
}

/// A request to a messenger failed. Contains neither token nor text of messages.
#[derive(Debug, thiserror::Error)]
pub enum MessengerError {
    /// No complete response.
    #[error("{}: no complete response", messenger.label())]
    NoAnswer {
        /// The messenger.
        messenger: Messenger,
        /// Reason.
        source: ReadError,
        /// Whether the request may be repeated.
        idempotency: Idempotency,
    },
    /// The messenger refused the request.
    #[error("{}: refused with status {status}{}", messenger.label(), code_suffix(code.as_deref()))]
    Refused {
        /// The messenger.
        messenger: Messenger,
        /// HTTP status, or the code in the body.
        status: u16,
        /// Error code in the body, if it is a plain word. Descriptions are not kept, because they may quote the request.
        code: Option<String>,
        /// Delay that the messenger requests.
        after: Option<Duration>,
        /// Meaning for the caller.
        kind: RefusalKind,
        /// Whether the request may be repeated.
        idempotency: Idempotency,
    },
    /// A success whose body does not match the documentation.
    #[error("{}: unreadable response", messenger.label())]
    Unreadable {
        /// The messenger.
        messenger: Messenger,
        /// Position of the error.
        source: Malformed,
        /// Whether the request may be repeated.
        idempotency: Idempotency,
    },
}

/// Meaning of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// Too many requests. The delay applies to the whole bot.
    TooMany,
    /// The person blocked the bot, never started it, or no longer exists.
    Unreachable,
    /// The token is wrong or revoked.
    Unauthorized,
    /// The messenger has a fault of its own. A message may have been sent.
    Fault,
    /// Anything else: the same request is refused again.
    Invalid,
}

impl MessengerError {
    /// Action that the caller may take after the failure.
    pub fn outcome(&self) -> FailureAction {
        match self {
            Self::NoAnswer { source: ReadError::Transport(transport), idempotency, .. } => {
                transport.outcome(*idempotency == Idempotency::Safe)
            }
            Self::NoAnswer { idempotency, .. } | Self::Unreadable { idempotency, .. } => {
                unknown(*idempotency, None)
            }
            Self::Refused { kind, after, idempotency, .. } => match kind {
                RefusalKind::TooMany => FailureAction::Wait { after: *after },
                // The deployment's fault: an operator replaces the token, and the message is still worth sending.
                RefusalKind::Unauthorized => FailureAction::Retry { after: *after },
                RefusalKind::Fault => unknown(*idempotency, *after),
                RefusalKind::Unreachable | RefusalKind::Invalid => FailureAction::GiveUp,
            },
        }
    }

    /// Meaning of the refusal, if it is one.
    pub fn refusal(&self) -> Option<RefusalKind> {
        match self {
            Self::Refused { kind, .. } => Some(*kind),
            Self::NoAnswer { .. } | Self::Unreadable { .. } => None,
        }
    }
}

/// A request with an unknown outcome.
fn unknown(idempotency: Idempotency, after: Option<Duration>) -> FailureAction {
    match idempotency {
        Idempotency::Safe => FailureAction::Retry { after },
        Idempotency::NotSafe => FailureAction::Unknown,
    }
}

fn code_suffix(code: Option<&str>) -> String {
    code.map(|code| format!(", {code}")).unwrap_or_default()
}

/// An error code of a body, if it is a plain word such as `verify.token`; anything else may quote the request.
pub(crate) fn plain_code(text: &str) -> Option<String> {
    const MAX_CODE_LEN: usize = 40;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_');
    let fits = (1..=MAX_CODE_LEN).contains(&text.len()) && text.bytes().all(plain);
    fits.then(|| text.to_owned())
}
