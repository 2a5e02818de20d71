//! A vendor's request to the API, passed through: bodies as they come, in both directions.

mod turn;

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
use turn::Turn;

/// However steadily it flows, a request ends after this.
const LONGEST: Duration = Duration::from_hours(1);

/// A request as a vendor's backend made it, but for its body.
#[derive(Debug, Clone)]
pub struct Forward {
    /// The HTTP method.
    pub method: Method,
    /// The path and the query, `/api/v4/leads?page=2`; the caller has checked it.
    pub path_and_query: String,
    /// Headers that go along: few are allowed.
    pub headers: HeaderMap,
}

/// The body of a request.
pub enum Payload {
    /// All of it is here, so it can be sent again.
    Whole(Bytes),
    /// It is still coming, and can be sent once. Pieces are asked for when amoCRM takes them; an error among
    /// them breaks the request off, so that amoCRM never has a part for the whole.
    Arriving {
        /// Its pieces.
        pieces: BoxStream<'static, io::Result<Bytes>>,
        /// How many bytes there will be, if that is known.
        length: Option<u64>,
    },
}

/// A request that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// No answer came.
    #[error(transparent)]
    Transport(#[from] Transport),
    /// amoCRM neither took the next piece nor answered.
    #[error("amoCRM was silent for {0:?}")]
    Silent(Duration),
}

impl ForwardError {
    /// The request may have reached amoCRM whole.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Transport(transport) => transport.may_have_arrived(),
            Self::Silent(_) => true,
        }
    }
}

/// What amoCRM answered; its body has not been read.
#[derive(Debug)]
pub struct Forwarded {
    response: reqwest::Response,
    patience: Duration,
}

impl Forwarded {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// A page for people instead of an answer: the login page, or nginx shutting our address out.
    pub fn is_page(&self) -> bool {
        let value = self.response.headers().get(CONTENT_TYPE);
        value.is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
    }

    /// Another access token may help. amoCRM answers a token whose user is gone with its login page or a
    /// redirect to it (issue 391 of `amocrm/amocrm-api-php`).
    pub fn needs_fresh_token(&self) -> bool {
        let status = self.status();
        status == StatusCode::UNAUTHORIZED
            || status.is_redirection() && status != StatusCode::NOT_MODIFIED
            || status.is_success() && self.is_page()
    }

    /// nginx shuts our address or the account out (issues 434 and 563 of `amocrm/amocrm-api-php`).
    pub fn is_block(&self) -> bool {
        self.status() == StatusCode::FORBIDDEN && self.is_page()
    }

    /// `Retry-After` as it came.
    pub fn retry_after(&self) -> Option<&http::HeaderValue> {
        self.response.headers().get(RETRY_AFTER)
    }

    /// The body, as it arrives and no faster than it is read; an error ends it.
    pub fn into_stream(self) -> BoxStream<'static, io::Result<Bytes>> {
        let Self { response, patience } = self;
        stream::unfold(Some(response), move |response| async move {
            let mut response = response?;
            match tokio::time::timeout(patience, response.chunk()).await {
                Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), None)),
                Ok(Err(error)) => Some((Err(io::Error::other(Transport::from(error))), None)),
                Ok(Ok(piece)) => piece.map(|piece| (Ok(piece), Some(response))),
            }
        })
        .boxed()
    }
}

impl AmoCrm {
    /// Passes a request through with the account's token; the answer's body is left to be streamed.
    ///
    /// amoCRM may be silent for as long as a call may take: before it takes the next piece, before it answers, and
    /// between pieces of its answer.
    pub async fn forward(
        &self,
        host: &AccountHost,
        token: &SecretString,
        request: &Forward,
        payload: Payload,
    ) -> Result<Forwarded, ForwardError> {
        let call = self.call(request.method.clone(), host, token, &request.path_and_query, &[]);
        let turn = Turn::amocrms();
        let call = carrying(call.headers(request.headers.clone()).timeout(LONGEST), payload, &turn);
        let response = tokio::select! {
            response = call.send() => response.map_err(Transport::from)?,
            () = turn.is_missed(self.patience) => return Err(ForwardError::Silent(self.patience)),
        };
        Ok(Forwarded { response, patience: self.patience })
    }
}

fn carrying(call: RequestBuilder, payload: Payload, turn: &Turn) -> RequestBuilder {
    match payload {
        Payload::Whole(body) if body.is_empty() => call,
        Payload::Whole(body) => call.body(body),
        Payload::Arriving { pieces, length } => {
            let call = call.body(reqwest::Body::wrap_stream(turn.taking_turns(pieces)));
            match length {
                Some(length) => call.header(CONTENT_LENGTH, length),
                None => call,
            }
        }
    }
}
