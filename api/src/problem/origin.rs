//! Makes the `type` of problems absolute.

use flysk_config::Http;
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

use super::Problem;

/// Middleware that writes the public origin of the API into the `type` of problems, so that the address can be opened
/// wherever the problem is shown.
///
/// Source: RFC 9457, section 3.1.1: "it is RECOMMENDED that absolute URIs be used".
#[derive(Debug, Clone)]
pub(crate) struct ProblemOrigin(String);

impl ProblemOrigin {
    /// The public origin from the configuration.
    pub(crate) fn new(config: &Http) -> Self {
        Self::of(config.public_url.as_str())
    }

    /// The origin `https://flysk.example`, with or without a slash at its end.
    pub(crate) fn of(origin: &str) -> Self {
        Self(origin.trim_end_matches('/').to_owned())
    }
}

impl<E: Endpoint> Middleware<E> for ProblemOrigin {
    type Output = WithProblemOrigin<E>;

    fn transform(&self, inner: E) -> Self::Output {
        WithProblemOrigin { inner, origin: self.0.clone() }
    }
}

/// Endpoint with [`ProblemOrigin`].
pub(crate) struct WithProblemOrigin<E> {
    inner: E,
    origin: String,
}

impl<E: Endpoint> Endpoint for WithProblemOrigin<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let mut response = self.inner.call(request).await?.into_response();
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            response.set_body(problem.body(&self.origin));
        }
        Ok(response)
    }
}
