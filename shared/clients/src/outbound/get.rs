//! GET requests that follow redirects and validate each hop like the first URL.

use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, COOKIE, HeaderMap, LOCATION};
use tokio::time::timeout;

use super::Outbound;
use super::cookies::CookieJar;
use super::error::OutboundError;
use super::login::Logins;
use super::validate_url::ValidatedUrl;
use crate::http::retry_after;

impl Outbound {
    /// Returns a response with a file (200, 206, or 416 for a range after its end). `idle` limits the time until each hop's
    /// response begins.
    pub(super) async fn get_file(
        &self,
        url: &str,
        headers: &HeaderMap,
        idle: Duration,
    ) -> Result<reqwest::Response, OutboundError> {
        let mut target = self.validate_url(url)?;
        let (mut logins, mut cookies) = (Logins::default(), CookieJar::default());
        for _ in 0..=self.max_redirects {
            logins.add(target.login.take());
            let mut headers = headers.clone();
            headers.extend(logins.header_for(&target.url).map(|login| (AUTHORIZATION, login)));
            headers.extend(cookies.header_for(&target.url).map(|cookies| (COOKIE, cookies)));
            let response = send_request(&target, headers, idle).await?;
            cookies.take(&target.url, response.headers());
            let status = response.status().as_u16();
            match status {
                200 | 206 | 416 => return Ok(response),
                301 | 302 | 303 | 307 | 308 => {
                    let location = response.headers().get(LOCATION);
                    let location = location.ok_or(OutboundError::Status { status, retry_after: None })?;
                    target = self.next_hop(&target.url, location.as_bytes())?;
                }
                202 | 204 | 403 | 404 | 410 => return Err(OutboundError::NotYet { status }),
                _ => {
                    let retry_after = retry_after(response.headers());
                    return Err(OutboundError::Status { status, retry_after });
                }
            }
        }
        Err(OutboundError::TooManyRedirects { limit: self.max_redirects })
    }
}

async fn send_request(
    target: &ValidatedUrl<'_>,
    headers: HeaderMap,
    idle: Duration,
) -> Result<reqwest::Response, OutboundError> {
    let request = target
        .client
        .get(target.url.clone())
        .header(ACCEPT, "*/*")
        .header(ACCEPT_ENCODING, "identity")
        .header(CACHE_CONTROL, "no-cache")
        .headers(headers);
    let answered = timeout(idle, request.send()).await.map_err(|_| OutboundError::TimedOut)?;
    answered.map_err(OutboundError::of_request)
}
