//! Rate limit of backends (throttling), with `RateLimit` headers.
//!
//! The limit is the widget's: requests of all its project tokens count together, in all processes. The gateway to amoCRM has
//! amoCRM's limits instead.

use poem::http::HeaderValue;
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};
use poem_openapi::OperationId;

use crate::auth::{BackendAuthentication, backend_of};
use crate::deps::Deps;
use crate::problem::{self, Problem, ProblemCode};
use crate::quotas::Quota;

/// Header with the state of the quota.
const RATE_LIMIT: &str = "RateLimit";
/// Header with the quota.
const RATE_LIMIT_POLICY: &str = "RateLimit-Policy";
/// The headers with their descriptions and examples, for the OpenAPI document.
pub(crate) const HEADERS: [(&str, &str, &str); 2] = [
    (RATE_LIMIT_POLICY, "The limit: `q` requests per `w` seconds.", "\"backend\";q=60000;w=60"),
    (RATE_LIMIT, "What is left of it: `r` requests in the next `t` seconds.", "\"backend\";r=59999;t=42"),
];
/// Name of the policy in both headers.
const POLICY: &str = "backend";

/// Middleware that counts the requests of backends and refuses those beyond the quota.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BackendRateLimit;

impl<E: Endpoint> Middleware<E> for BackendRateLimit {
    type Output = RateLimited<E>;

    fn transform(&self, inner: E) -> RateLimited<E> {
        RateLimited(inner)
    }
}

/// Endpoint with [`BackendRateLimit`].
pub(crate) struct RateLimited<E>(E);

impl<E: Endpoint> Endpoint for RateLimited<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        if !is_limited(request.uri().path()) || request.header("X-Project-Token").is_none() {
            return self.0.call(request).await.map(IntoResponse::into_response);
        }
        let deps = Deps::from_request(&request)?;
        let authentication = backend_of(&request).await;
        let limited = authentication.as_ref().ok().zip(deps.quotas.as_ref());
        let quota = limited.map(|(widget, quotas)| quotas.take(widget.id.to_string(), deps.clock().now()));
        // The operation must not authenticate again.
        request.set_data(BackendAuthentication(authentication));
        let refused = quota.filter(Quota::is_exceeded).map(|quota| refusal(&quota));
        let mut response = match refused {
            Some(problem) => problem.response(),
            None => match self.0.call(request).await {
                Ok(response) => response.into_response(),
                Err(error) => {
                    let operation = error.data::<OperationId>().copied();
                    let mut response = problem::from_poem_error(error);
                    if let Some(operation) = operation {
                        response.set_data(operation);
                    }
                    response
                }
            },
        };
        if let Some(quota) = quota {
            add_headers(&mut response, &quota);
        }
        Ok(response)
    }
}

/// Whether requests to the path count.
pub(crate) fn is_limited(path: &str) -> bool {
    path.starts_with("/v1/backend/") || path == "/v1/pauth"
}

fn refusal(quota: &Quota) -> Problem {
    let detail = format!(
        "the widget's backends may send {} requests per {} s; repeat the request in {} s",
        quota.permits, quota.window_s, quota.reset_s
    );
    Problem::new(ProblemCode::TooManyRequests, detail).retry_after(quota.reset_s)
}

/// Source: IETF draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4.
fn add_headers(response: &mut Response, quota: &Quota) {
    let policy = format!("\"{POLICY}\";q={};w={}", quota.permits, quota.window_s);
    let state = format!("\"{POLICY}\";r={};t={}", quota.remaining, quota.reset_s);
    for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_limited;

    #[test]
    fn the_gateway_and_pages_of_widgets_do_not_count() {
        for limited in ["/v1/backend/events", "/v1/backend/flycoins/charges", "/v1/pauth"] {
            assert!(is_limited(limited), "{limited}");
        }
        for free in ["/v1/amocrm/api/v4/leads", "/v1/handshake", "/v1/pauth/other", "/docs"] {
            assert!(!is_limited(free), "{free}");
        }
    }
}
