//! Limits of a request's duration and body size.
//!
//! poem's size limit answers 411 to requests without `Content-Length`, including GET. This middleware counts a body of unknown
//! length while it is read.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flysk_config::Http;
use futures::StreamExt as _;
use poem::http::header::CONTENT_LENGTH;
use poem::{Body, Endpoint, IntoResponse, Middleware, Request, Response, Result};

use crate::problem::{self, Problem, ProblemCode};

/// The gateway to amoCRM has its own limits: idle timeouts of both sides, and body size.
const GATEWAY_PREFIX: &str = "/v1/amocrm/";

/// PAuth may have to renew a token first, so it has a longer timeout.
const PAUTH_PATH: &str = "/v1/pauth";
/// Minimum timeout of PAuth. It covers the wait for a renewal by another process, the rate limit, and amoCRM's response to a
/// renewal by this process.
const MIN_PAUTH_TIMEOUT: Duration = Duration::from_mins(1);

/// Middleware that ends requests after a timeout and rejects bodies over a size limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestLimits {
    timeout: Duration,
    body_bytes: usize,
}

impl RequestLimits {
    /// The configured limits.
    pub(crate) fn new(config: &Http) -> Self {
        Self::with(config.request_timeout, config.max_body_bytes)
    }

    pub(crate) fn with(timeout: Duration, body_bytes: usize) -> Self {
        Self { timeout, body_bytes }
    }

    fn timeout_for(&self, path: &str) -> Duration {
        if path == PAUTH_PATH { self.timeout.max(MIN_PAUTH_TIMEOUT) } else { self.timeout }
    }
}

impl<E: Endpoint> Middleware<E> for RequestLimits {
    type Output = Limited<E>;

    fn transform(&self, inner: E) -> Limited<E> {
        Limited { inner, limits: *self }
    }
}

/// Endpoint with [`RequestLimits`].
pub(crate) struct Limited<E> {
    inner: E,
    limits: RequestLimits,
}

impl<E: Endpoint> Endpoint for Limited<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        if request.uri().path().starts_with(GATEWAY_PREFIX) {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        let limit = self.limits.body_bytes;
        let declared: Option<u64> =
            request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if declared.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
            return Ok(too_large(limit));
        }
        let exceeded = Arc::new(AtomicBool::new(false));
        if declared.is_none() {
            let body = request.take_body();
            request.set_body(limit_body(body, limit, Arc::clone(&exceeded)));
        }
        let time = self.limits.timeout_for(request.uri().path());
        let Ok(answered) = tokio::time::timeout(time, self.inner.call(request)).await else {
            return Ok(timeout_response(time));
        };
        // The handler only got an error while reading the body.
        if exceeded.load(Ordering::Relaxed) {
            return Ok(too_large(limit));
        }
        Ok(match answered {
            Ok(response) => response.into_response(),
            Err(error) => problem::from_poem_error(error),
        })
    }
}

fn too_large(limit: usize) -> Response {
    Problem::new(ProblemCode::TooLarge, format!("the body exceeds the limit of {limit} bytes")).response()
}

/// The response after a timeout. The handler is dropped at its current `await`: a transaction rolls back; a token renewal
/// continues in its own task.
fn timeout_response(limit: Duration) -> Response {
    tracing::error!(limit_ms = limit.as_millis(), "request timed out");
    Problem::new(ProblemCode::Unavailable, "the request timed out: retry").response()
}

/// The same body. After `limit` bytes the stream fails and `exceeded` is set.
fn limit_body(body: Body, limit: usize, exceeded: Arc<AtomicBool>) -> Body {
    let mut left = limit;
    Body::from_bytes_stream(body.into_bytes_stream().map(move |piece| {
        let piece = piece?;
        if let Some(rest) = left.checked_sub(piece.len()) {
            left = rest;
            return Ok(piece);
        }
        exceeded.store(true, Ordering::Relaxed);
        Err(io::Error::other("the body exceeds the size limit"))
    }))
}

#[cfg(test)]
mod tests {
    use poem::http::StatusCode;
    use poem::{EndpointExt as _, handler};

    use super::*;

    #[handler]
    async fn length(body: Body) -> Result<String> {
        Ok(body.into_bytes().await?.len().to_string())
    }

    #[handler]
    async fn never() -> &'static str {
        std::future::pending().await
    }

    fn limits() -> RequestLimits {
        RequestLimits::with(Duration::from_mins(10), 10)
    }

    fn chunked(pieces: &'static [&'static str]) -> Request {
        let pieces = futures::stream::iter(pieces).map(|piece| Ok::<_, io::Error>(piece.as_bytes()));
        Request::builder().method(poem::http::Method::POST).body(Body::from_bytes_stream(pieces))
    }

    async fn answered(request: Request) -> (StatusCode, String) {
        let response = length.with(limits()).call(request).await.unwrap();
        (response.status(), response.into_body().into_string().await.unwrap())
    }

    #[tokio::test]
    async fn a_body_of_no_told_length_is_counted_and_none_is_no_body() {
        assert_eq!(answered(chunked(&["12345", "67890"])).await, (StatusCode::OK, "10".to_owned()));
        let (status, problem) = answered(chunked(&["12345", "67890", "1"])).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(problem.contains("too_large"), "{problem}");
        assert_eq!(answered(Request::default()).await, (StatusCode::OK, "0".to_owned()));
    }

    #[tokio::test]
    async fn a_length_that_is_told_is_believed_before_anything_is_read() {
        let declared = Request::builder().header("content-length", "11").body("short");
        assert_eq!(answered(declared).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        let declared = Request::builder().header("content-length", "10").body("1234567890");
        assert_eq!(answered(declared).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn what_is_passed_on_to_amocrm_has_limits_of_its_own() {
        let declared = Request::builder().uri_str("/v1/amocrm/api/v4/leads").body("longer than ten");
        let passed_on = length.with(limits()).call(declared).await.unwrap();
        assert_eq!(passed_on.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_answered_503_unless_it_waits_for_amocrm() {
        let slow = never.with(RequestLimits::with(Duration::from_millis(20), 10));
        let response = slow.call(Request::builder().uri_str("/v1/settings").finish()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let renewing = slow.call(Request::builder().uri_str("/v1/pauth").finish());
        assert!(tokio::time::timeout(Duration::from_millis(100), renewing).await.is_err());
        let passed_on = slow.call(Request::builder().uri_str("/v1/amocrm/api/v4/leads").finish());
        assert!(tokio::time::timeout(Duration::from_millis(100), passed_on).await.is_err());
    }
}
