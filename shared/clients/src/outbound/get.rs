//! A GET that follows redirects by hand, each hop checked like the first.

use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, COOKIE, HeaderMap, LOCATION};
use tokio::time::timeout;

use super::Outbound;
use super::cookies::CookieJar;
use super::error::OutboundError;
use super::login::Logins;
use super::target::Target;
use crate::http::retry_after;

impl Outbound {
    /// An answer with a file in it (200, 206, or the 416 of a range beyond it); `idle` is for each hop's answer to
    /// begin.
    pub(super) async fn get_file(
        &self,
        url: &str,
        headers: &HeaderMap,
        idle: Duration,
    ) -> Result<reqwest::Response, OutboundError> {
        let mut target = self.target(url)?;
        let (mut logins, mut cookies) = (Logins::default(), CookieJar::default());
        for _ in 0..=self.max_redirects {
            logins.add(target.login.take());
            let mut headers = headers.clone();
            headers.extend(logins.header_for(&target.url).map(|login| (AUTHORIZATION, login)));
            headers.extend(cookies.header_for(&target.url).map(|cookies| (COOKIE, cookies)));
            let response = ask(&target, headers, idle).await?;
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

async fn ask(
    target: &Target<'_>,
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
