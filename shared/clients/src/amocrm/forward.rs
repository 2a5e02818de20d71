//! A vendor's request to the API, passed through.

use bytes::Bytes;
use flysk_domain::platform::host::AccountHost;
use futures::Stream;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use secrecy::SecretString;

use super::AmoCrm;
use crate::http::Transport;

/// A request as a vendor's backend made it.
#[derive(Debug, Clone)]
pub struct Forward {
    /// The HTTP method.
    pub method: Method,
    /// The path and the query, `/api/v4/leads?page=2`; the caller has checked it.
    pub path_and_query: String,
    /// Headers that go along: few are allowed.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// What amoCRM answered; its body has not been read.
#[derive(Debug)]
pub struct Forwarded {
    response: reqwest::Response,
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

    /// The body, as it arrives.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Transport>> + Send + 'static {
        use futures::StreamExt as _;
        self.response.bytes_stream().map(|chunk| chunk.map_err(Transport::from))
    }
}

impl AmoCrm {
    /// Passes a request through with the account's token; the answer's body is left to be streamed.
    pub async fn forward(
        &self,
        host: &AccountHost,
        token: &SecretString,
        request: &Forward,
    ) -> Result<Forwarded, Transport> {
        let call = self.call(request.method.clone(), host, token, &request.path_and_query, &[]);
        let mut call = call.headers(request.headers.clone());
        if !request.body.is_empty() {
            call = call.body(request.body.clone());
        }
        Ok(Forwarded { response: call.send().await.map_err(Transport::from)? })
    }
}
