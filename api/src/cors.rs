//! Cross-origin requests from amoCRM's pages. Source: amoCRM docs, oauth/disposable-tokens: the server
//! must allow the account's domain; the token's header makes browsers ask beforehand.

use std::sync::Arc;

use flysk_domain::platform::host::AccountHost;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
const HEADERS: &str = "X-Auth-Token, Authorization, Content-Type, Idempotency-Key, Range, X-Request-Id";
const EXPOSED: &str =
    "X-Request-Id, Content-Range, Accept-Ranges, Content-Length, ETag, Retry-After, Idempotency-Replayed";

/// Lets pages of accounts under the given domains read our answers, errors included.
#[derive(Debug, Clone)]
pub(crate) struct Cors {
    suffixes: Arc<[String]>,
}

impl Cors {
    /// `suffixes` are the domains an account's host may be directly under.
    pub(crate) fn new(suffixes: Vec<String>) -> Self {
        Self { suffixes: suffixes.into() }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| AccountHost::parse_issuer(origin, &self.suffixes).is_ok())
    }
}

impl<E: Endpoint> Middleware<E> for Cors {
    type Output = WithCors<E>;

    fn transform(&self, inner: E) -> WithCors<E> {
        WithCors { inner, cors: self.clone() }
    }
}

/// See [`Cors`].
pub(crate) struct WithCors<E> {
    inner: E,
    cors: Cors,
}

impl<E: Endpoint> Endpoint for WithCors<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let origin = request.headers().get(header::ORIGIN).filter(|origin| self.cors.allows(origin)).cloned();
        let asks_beforehand = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let mut response = if asks_beforehand {
            StatusCode::NO_CONTENT.into_response()
        } else {
            match self.inner.call(request).await {
                Ok(response) => response.into_response(),
                Err(error) => crate::problem::of_poem(error),
            }
        };
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin {
            allow(headers, origin, asks_beforehand);
        }
        Ok(response)
    }
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, asks_beforehand: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    if asks_beforehand {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
}
