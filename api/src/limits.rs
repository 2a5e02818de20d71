//! What one request may cost: so long, and so large a body.
//!
//! poem's own size limit answers 411 to whoever sends no `Content-Length`, plain GETs included; here a body of
//! unknown length is counted as it is read.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flysk_runtime::config::Http;
use futures::StreamExt as _;
use poem::http::header::CONTENT_LENGTH;
use poem::{Body, Endpoint, IntoResponse, Middleware, Request, Response, Result};

use crate::problem::{self, Problem, ProblemCode};

/// Passing on to amoCRM has limits of its own: how long each side may be silent, and how much it may send.
const HAS_ITS_OWN: &str = "/v1/amocrm/";

/// May have to renew a token first.
const RENEWS: &str = "/v1/pauth";
/// How long that may take: as long as the vault waits for a renewal that is under way, its place in the line included,
/// and as long as amoCRM may take for one of our own.
const RENEWAL: Duration = Duration::from_mins(1);

/// Ends requests that take too long and refuses bodies that are too long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestLimits {
    time: Duration,
    body_bytes: usize,
}

impl RequestLimits {
    /// As configured.
    pub(crate) fn new(config: &Http) -> Self {
        Self::of(config.request_timeout, config.max_body_bytes)
    }

    pub(crate) fn of(time: Duration, body_bytes: usize) -> Self {
        Self { time, body_bytes }
    }

    fn time_of(&self, path: &str) -> Duration {
        if path == RENEWS { self.time.max(RENEWAL) } else { self.time }
    }
}

impl<E: Endpoint> Middleware<E> for RequestLimits {
    type Output = Limited<E>;

    fn transform(&self, inner: E) -> Limited<E> {
        Limited { inner, limits: *self }
    }
}

/// See [`RequestLimits`].
pub(crate) struct Limited<E> {
    inner: E,
    limits: RequestLimits,
}

impl<E: Endpoint> Endpoint for Limited<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        if request.uri().path().starts_with(HAS_ITS_OWN) {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        let limit = self.limits.body_bytes;
        let told: Option<u64> =
            request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if told.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
            return Ok(too_large(limit));
        }
        let exceeded = Arc::new(AtomicBool::new(false));
        if told.is_none() {
            let body = request.take_body();
            request.set_body(counted(body, limit, Arc::clone(&exceeded)));
        }
        let time = self.limits.time_of(request.uri().path());
        let Ok(answered) = tokio::time::timeout(time, self.inner.call(request)).await else {
            return Ok(out_of_time(time));
        };
        // Whoever read the body was only told that it broke off.
        if exceeded.load(Ordering::Relaxed) {
            return Ok(too_large(limit));
        }
        Ok(match answered {
            Ok(response) => response.into_response(),
            Err(error) => problem::of_poem(error),
        })
    }
}

fn too_large(limit: usize) -> Response {
    Problem::new(ProblemCode::TooLarge, format!("a body may have {limit} bytes")).response()
}

/// What the handler was doing is dropped at its next `await`: a transaction rolls back, a renewal of tokens goes
/// on by itself.
fn out_of_time(limit: Duration) -> Response {
    tracing::error!(limit_ms = limit.as_millis(), "a request took too long");
    Problem::new(ProblemCode::Unavailable, "this took too long, try again").response()
}

/// The same body, which breaks off after `limit` bytes and says so in `exceeded`.
fn counted(body: Body, limit: usize, exceeded: Arc<AtomicBool>) -> Body {
    let mut left = limit;
    Body::from_bytes_stream(body.into_bytes_stream().map(move |piece| {
        let piece = piece?;
        if let Some(rest) = left.checked_sub(piece.len()) {
            left = rest;
            return Ok(piece);
        }
        exceeded.store(true, Ordering::Relaxed);
        Err(io::Error::other("the body is longer than allowed"))
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
        RequestLimits::of(Duration::from_millis(20), 10)
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
        let told = Request::builder().header("content-length", "11").body("short");
        assert_eq!(answered(told).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        let told = Request::builder().header("content-length", "10").body("1234567890");
        assert_eq!(answered(told).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn what_is_passed_on_to_amocrm_has_limits_of_its_own() {
        let told = Request::builder().uri_str("/v1/amocrm/api/v4/leads").body("longer than ten");
        let passed_on = length.with(limits()).call(told).await.unwrap();
        assert_eq!(passed_on.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_answered_503_unless_it_waits_for_amocrm() {
        let slow = never.with(limits());
        let response = slow.call(Request::builder().uri_str("/v1/settings").finish()).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let renewing = slow.call(Request::builder().uri_str("/v1/pauth").finish());
        assert!(tokio::time::timeout(Duration::from_millis(100), renewing).await.is_err());
        let passed_on = slow.call(Request::builder().uri_str("/v1/amocrm/api/v4/leads").finish());
        assert!(tokio::time::timeout(Duration::from_millis(100), passed_on).await.is_err());
    }
}
