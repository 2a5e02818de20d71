//! Sends one authorized request and reads its response.

use flysk_domain::trace::Trace;
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;

use super::{FlyskApi, FlyskApiError, Problem};
use crate::http::{ReadError, Transport, read_json, read_limited, retry_after};

/// Well above the limit of settings, which are the longest part of responses.
const MAX_RESPONSE_BYTES: usize = 4 << 20;

impl FlyskApi {
    /// Builds a request to `path` with the project token; `trace` links the platform's log lines to the caller's.
    pub(super) fn request(&self, method: Method, path: &str, trace: Option<&Trace>) -> RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.base_url));
        // A token with a line break is not a valid header value. The platform answers 401 without the header.
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

    /// Sends the request and reads the result or the problem.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, FlyskApiError> {
        let response = request.send().await.map_err(Transport::from).map_err(ReadError::from)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_limited(response, MAX_RESPONSE_BYTES).await?;
        if status.is_success() {
            return Ok(read_json(&body)?);
        }
        Err(FlyskApiError::Refused(Problem::read(status.as_u16(), &body, &headers), retry_after(&headers)))
    }
}
