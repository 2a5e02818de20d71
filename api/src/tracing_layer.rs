//! Correlation id of a request: returned in the response, logged, and passed to all jobs of the request.

use std::time::Instant;

use flysk_domain::trace::Trace;
use poem::http::HeaderValue;
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};
use tracing::Instrument as _;

use crate::problem;

/// Middleware that gives each request a [`Trace`] and converts every error to a problem.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tracing;

impl<E: Endpoint> Middleware<E> for Tracing {
    type Output = Traced<E>;

    fn transform(&self, inner: E) -> Traced<E> {
        Traced { inner }
    }
}

/// Endpoint with [`Tracing`].
pub(crate) struct Traced<E> {
    inner: E,
}

impl<E: Endpoint> Endpoint for Traced<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let started = Instant::now();
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let trace = Trace::from_caller(header("x-request-id"), header("traceparent"), || {
            format!("{:032x}", random_id())
        });
        let span = tracing::info_span!(
            "request",
            http.method = %request.method(),
            // Only the path: queries may contain authorization codes.
            http.path = %redact_path(request.uri().path()),
            correlation.id = %trace.correlation_id,
            traceparent = trace.traceparent.as_deref(),
        );
        let id = HeaderValue::from_str(&trace.correlation_id);
        request.extensions_mut().insert(trace);
        async {
            let mut response = match self.inner.call(request).await {
                Ok(response) => response.into_response(),
                Err(error) => problem::from_poem_error(error),
            };
            if let Ok(id) = id {
                response.headers_mut().insert("x-request-id", id);
            }
            let status = response.status().as_u16();
            metrics::counter!("flysk_http_requests_total", "status" => status.to_string()).increment(1);
            metrics::histogram!("flysk_http_request_seconds").record(started.elapsed());
            tracing::info!(http.status = status, took_ms = started.elapsed().as_millis(), "answered");
            Ok(response)
        }
        .instrument(span)
        .await
    }
}

/// Removes the signature from paths of webhooks and of links in letters.
fn redact_path(path: &str) -> &str {
    if path.starts_with("/hooks/amocrm/") {
        "/hooks/amocrm/…"
    } else if path.starts_with("/pay/") {
        "/pay/…"
    } else if path.starts_with("/unlink/") {
        "/unlink/…"
    } else {
        path
    }
}

fn random_id() -> u128 {
    // Not a secret; it must only be unique.
    let ulid = flysk_domain::id::HookId::generate(&flysk_domain::SystemClock).to_string();
    ulid.bytes().fold(0_u128, |sum, byte| sum.wrapping_mul(131).wrapping_add(u128::from(byte)))
}
