//! CORS for amoCRM's pages. Source: amoCRM docs, oauth/disposable-tokens: the server must allow the account's domain; browsers
//! send a preflight request because of the token's header.

use std::sync::Arc;

use flysk_domain::platform::host::AccountHost;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

const ALLOWED_METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
const ALLOWED_HEADERS: &str =
    "X-Auth-Token, Authorization, Content-Type, Idempotency-Key, Range, X-Request-Id";
const EXPOSED_HEADERS: &str = "X-Request-Id, Content-Disposition, Content-Range, Accept-Ranges, Content-Length, ETag, Retry-After, Idempotency-Replayed";

/// Allows pages of accounts under the given domains to read responses, including errors.
#[derive(Debug, Clone)]
pub(crate) struct Cors {
    suffixes: Arc<[String]>,
}

impl Cors {
    /// `suffixes` are the parent domains of account hosts. An account's host is one label below.
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

/// Endpoint with [`Cors`].
pub(crate) struct WithCors<E> {
    inner: E,
    cors: Cors,
}

impl<E: Endpoint> Endpoint for WithCors<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let origin = request.headers().get(header::ORIGIN).filter(|origin| self.cors.allows(origin)).cloned();
        let is_preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let mut response = if is_preflight {
            StatusCode::NO_CONTENT.into_response()
        } else {
            match self.inner.call(request).await {
                Ok(response) => response.into_response(),
                Err(error) => crate::problem::from_poem_error(error),
            }
        };
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin {
            allow(headers, origin, is_preflight);
        }
        Ok(response)
    }
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, is_preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    if is_preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
}
