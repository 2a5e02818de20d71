//! Deliveries to endpoints that vendors name.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::timeout;

use super::Outbound;
use super::error::OutboundError;
use crate::http::retry_after;

/// How long a stranger may keep us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostLimits {
    /// From the first byte out to the last byte of the answer that we keep.
    pub total: Duration,
}

impl Default for PostLimits {
    /// 10 s: an endpoint should store and answer.
    fn default() -> Self {
        Self { total: Duration::from_secs(10) }
    }
}

/// What an endpoint answered, whatever it was.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status; redirects are not followed.
    pub status: u16,
    /// `Retry-After`, at most a day.
    pub retry_after: Option<Duration>,
    /// The first KiB of the answer.
    pub body_head: Vec<u8>,
    /// From the start of the request to the end of `body_head`.
    pub took: Duration,
}

/// How much of an answer is kept for people to look at.
const HEAD_BYTES: usize = 1024;

impl Outbound {
    /// Posts, and gives the answer's status and beginning. The request may have arrived even after an error.
    pub async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        limits: &PostLimits,
    ) -> Result<Response, OutboundError> {
        let started = Instant::now();
        let target = self.target_without_login(url)?;
        let request = target.client.post(target.url).headers(headers).body(body).send();
        let answered = timeout(limits.total, request).await.map_err(|_| OutboundError::TimedOut)?;
        let mut answer = answered.map_err(OutboundError::of_request)?;
        let (status, retry_after) = (answer.status().as_u16(), retry_after(answer.headers()));
        let mut body_head = Vec::new();
        // The status decides; what cannot be read of the body is not worth an error.
        let left = limits.total.saturating_sub(started.elapsed());
        let _ = timeout(left, read_head(&mut answer, &mut body_head)).await;
        Ok(Response { status, retry_after, body_head, took: started.elapsed() })
    }
}

async fn read_head(answer: &mut reqwest::Response, head: &mut Vec<u8>) {
    while head.len() < HEAD_BYTES {
        let Ok(Some(chunk)) = answer.chunk().await else { return };
        let room = HEAD_BYTES - head.len();
        head.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
}

impl Response {
    /// The endpoint took it.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The beginning of the answer as text.
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
