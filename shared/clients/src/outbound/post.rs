//! POST requests to vendors' event endpoints.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::timeout;

use super::Outbound;
use super::error::OutboundError;
use crate::http::retry_after;

/// Timeout of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostLimits {
    /// From the first byte of the request to the last kept byte of the response.
    pub total: Duration,
}

impl Default for PostLimits {
    /// 10 s: an endpoint should store the event and respond.
    fn default() -> Self {
        Self { total: Duration::from_secs(10) }
    }
}

/// An endpoint's response of any status.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status; redirects are not followed.
    pub status: u16,
    /// `Retry-After`, at most a day.
    pub retry_after: Option<Duration>,
    /// The first 1024 bytes of the body.
    pub body_head: Vec<u8>,
    /// Time from the start of the request to the end of `body_head`.
    pub took: Duration,
}

/// Kept length of a response body, for operators and vendors, in bytes.
const MAX_HEAD_BYTES: usize = 1024;

impl Outbound {
    /// Sends a POST and returns status and beginning of the response. The endpoint may have received the request even after
    /// an error.
    pub async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        limits: &PostLimits,
    ) -> Result<Response, OutboundError> {
        let started = Instant::now();
        let target = self.validate_url_without_login(url)?;
        let request = target.client.post(target.url).headers(headers).body(body).send();
        let answered = timeout(limits.total, request).await.map_err(|_| OutboundError::TimedOut)?;
        let mut answer = answered.map_err(OutboundError::of_request)?;
        let (status, retry_after) = (answer.status().as_u16(), retry_after(answer.headers()));
        let mut body_head = Vec::new();
        // Only the status counts, so errors of reading the body are ignored.
        let left = limits.total.saturating_sub(started.elapsed());
        let _ = timeout(left, read_head(&mut answer, &mut body_head)).await;
        Ok(Response { status, retry_after, body_head, took: started.elapsed() })
    }
}

async fn read_head(answer: &mut reqwest::Response, head: &mut Vec<u8>) {
    while head.len() < MAX_HEAD_BYTES {
        let Ok(Some(chunk)) = answer.chunk().await else { return };
        let room = MAX_HEAD_BYTES - head.len();
        head.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
}

impl Response {
    /// Whether the endpoint accepted the request.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The beginning of the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body_head).into_owned()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("took", &self.took)
            .finish_non_exhaustive()
    }
}
