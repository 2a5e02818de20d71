//! Proxies a vendor's request to amoCRM's API; bodies are streamed in both directions.

mod upload_stall_timer;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use flysk_domain::platform::host::AccountHost;
use futures::stream::{self, BoxStream, StreamExt as _};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use reqwest::RequestBuilder;
use secrecy::SecretString;

use super::AmoCrm;
use crate::http::Transport;
use upload_stall_timer::StallTimer;

/// Total time limit of a request, even if it makes progress.
const MAX_REQUEST_DURATION: Duration = Duration::from_hours(1);

/// A request of a vendor's backend without its body.
#[derive(Debug, Clone)]
pub struct ProxyRequest {
    /// The HTTP method.
    pub method: Method,
    /// Path and query, `/api/v4/leads?page=2`, validated by the caller.
    pub path_and_query: String,
    /// Headers to forward, filtered by the caller.
    pub headers: HeaderMap,
}

/// The body of a request.
pub enum ProxyPayload {
    /// The whole body is in memory, so the request can be repeated.
    Buffered(Bytes),
    /// The body is a stream and can be sent once. Pieces are read as amoCRM accepts them. An error in the stream aborts
    /// the request, so that amoCRM never takes a partial body for the whole.
    Streaming {
        /// The pieces of the body.
        pieces: BoxStream<'static, io::Result<Bytes>>,
        /// Total length in bytes, if known.
        length: Option<u64>,
    },
}

/// A proxied request without a response.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Sending failed.
    #[error(transparent)]
    Transport(#[from] Transport),
    /// amoCRM neither read the next piece nor responded in time.
    #[error("amoCRM made no progress for {0:?}")]
    Stalled(Duration),
}

impl ProxyError {
    /// Whether amoCRM may have received the whole request.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Transport(transport) => transport.may_have_arrived(),
            Self::Stalled(_) => true,
        }
    }
}

/// amoCRM's response with an unread body.
#[derive(Debug)]
pub struct ProxyResponse {
    response: reqwest::Response,
    stall_timeout: Duration,
}

impl ProxyResponse {
    /// HTTP status of the response.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// As amoCRM sent them, unfiltered.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Whether the body is HTML: the login page, or nginx blocking our IP address.
    pub fn is_html(&self) -> bool {
        let value = self.response.headers().get(CONTENT_TYPE);
        value.is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
    }

    /// Whether a new access token may help. amoCRM answers the token of a removed user with its login page or a redirect
    /// to it (issue 391 of `amocrm/amocrm-api-php`).
    pub fn needs_fresh_token(&self) -> bool {
        let status = self.status();
        status == StatusCode::UNAUTHORIZED
            || status.is_redirection() && status != StatusCode::NOT_MODIFIED
            || status.is_success() && self.is_html()
    }

    /// Whether nginx blocks our IP address or the account (issues 434 and 563 of `amocrm/amocrm-api-php`).
    pub fn is_block(&self) -> bool {
        self.status() == StatusCode::FORBIDDEN && self.is_html()
    }

    /// `Retry-After`, unparsed.
    pub fn retry_after(&self) -> Option<&http::HeaderValue> {
        self.response.headers().get(RETRY_AFTER)
    }

    /// Streams the body with backpressure; the stream ends after an error.
    pub fn into_stream(self) -> BoxStream<'static, io::Result<Bytes>> {
        let Self { response, stall_timeout } = self;
        stream::unfold(Some(response), move |response| async move {
            let mut response = response?;
            match tokio::time::timeout(stall_timeout, response.chunk()).await {
                Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), None)),
                Ok(Err(error)) => Some((Err(io::Error::other(Transport::from(error))), None)),
                Ok(Ok(piece)) => piece.map(|piece| (Ok(piece), Some(response))),
            }
        })
        .boxed()
    }
}

impl AmoCrm {
    /// Forwards a request with the account's token; the response body is streamed later.
    ///
    /// The timeout of API requests is here the maximum time without progress: until amoCRM reads the next piece, until it
    /// responds, and between pieces of its response.
    pub async fn forward(
        &self,
        host: &AccountHost,
        token: &SecretString,
        request: &ProxyRequest,
        payload: ProxyPayload,
    ) -> Result<ProxyResponse, ProxyError> {
        let call = self.call(request.method.clone(), host, token, &request.path_and_query, &[]);
        let stall_timer = StallTimer::started();
        let call = with_payload(
            call.headers(request.headers.clone()).timeout(MAX_REQUEST_DURATION),
            payload,
            &stall_timer,
        );
        let response = tokio::select! {
            response = call.send() => response.map_err(Transport::from)?,
            () = stall_timer.stalled(self.stall_timeout) => return Err(ProxyError::Stalled(self.stall_timeout)),
        };
        Ok(ProxyResponse { response, stall_timeout: self.stall_timeout })
    }
}

fn with_payload(call: RequestBuilder, payload: ProxyPayload, stall_timer: &StallTimer) -> RequestBuilder {
    match payload {
        ProxyPayload::Buffered(body) if body.is_empty() => call,
        ProxyPayload::Buffered(body) => call.body(body),
        ProxyPayload::Streaming { pieces, length } => {
            let call = call.body(reqwest::Body::wrap_stream(stall_timer.track(pieces)));
            match length {
                Some(length) => call.header(CONTENT_LENGTH, length),
                None => call,
            }
        }
    }
}
