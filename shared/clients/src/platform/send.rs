//! One authorized request and its answer.

use flysk_domain::trace::Trace;
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;

use super::{Platform, PlatformError, Problem};
use crate::http::{ReadError, Transport, read_json, read_limited, retry_after};

/// Settings are the longest part, and limited to far less.
const LONGEST_ANSWER: usize = 4 << 20;

impl Platform {
    /// A request to `path` with the project token; `trace` ties the platform's log lines to ours.
    pub(super) fn request(&self, method: Method, path: &str, trace: Option<&Trace>) -> RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.base_url));
        // A token with a line break cannot be a header; without one the platform answers 401.
        if let Ok(mut token) = HeaderValue::from_str(self.project_token.expose_secret()) {
            token.set_sensitive(true);
            request = request.header("x-project-token", token);
        }
        if let Some(trace) = trace {
            request = request.header("x-request-id", &trace.correlation_id);
            if let Some(parent) = &trace.traceparent {
                request = request.header("traceparent", parent);
            }
        }
        request
    }

    /// Sends it and reads the answer, or the problem.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, PlatformError> {
        let response = request.send().await.map_err(Transport::from).map_err(ReadError::from)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_limited(response, LONGEST_ANSWER).await?;
        if status.is_success() {
            return Ok(read_json(&body)?);
        }
        Err(PlatformError::Refused(Problem::read(status.as_u16(), &body, &headers), retry_after(&headers)))
    }
}
