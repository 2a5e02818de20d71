//! How amoCRM calls others: redirect URIs, disconnect hooks, webhooks.

use std::sync::Mutex;
use std::time::Duration;

use poem::http::header;

use crate::control::locked;

/// How long amoCRM waits for a redirect URI (amoCRM docs, oauth/step-by-step).
const REDIRECT_PATIENCE: Duration = Duration::from_secs(3);

/// How long amoCRM waits for a webhook's receiver (amoCRM docs, crm_platform/webhooks-format).
const HOOK_PATIENCE: Duration = Duration::from_secs(2);

/// The way out, with detours: public names of tests lead to local servers.
#[derive(Debug)]
pub(crate) struct Outside {
    http: reqwest::Client,
    detours: Mutex<Vec<(String, String)>>,
}

impl Outside {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let http =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, detours: Mutex::default() })
    }

    pub(crate) fn route(&self, origin: &str, to: &str) {
        let trim = |url: &str| url.trim_end_matches('/').to_owned();
        let mut detours = locked(&self.detours);
        detours.retain(|(known, _)| *known != trim(origin));
        detours.push((trim(origin), trim(to)));
    }

    /// The address to really call and the `Host` to call it by.
    fn aim(&self, url: &str) -> (String, Option<String>) {
        for (origin, to) in locked(&self.detours).iter() {
            if let Some(rest) = url.strip_prefix(origin.as_str())
                && (rest.is_empty() || rest.starts_with(['/', '?']))
            {
                let host = origin.split_once("://").map(|(_, host)| host.to_owned());
                return (format!("{to}{rest}"), host);
            }
        }
        (url.to_owned(), None)
    }

    /// A background GET; `None` when nobody answered in time.
    pub(crate) async fn get(&self, url: &str) -> Option<u16> {
        let (target, host) = self.aim(url);
        let mut request = self.http.get(target).timeout(REDIRECT_PATIENCE);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        request.send().await.ok().map(|response| response.status().as_u16())
    }

    /// Delivers a webhook; `None` when nobody answered in time.
    pub(crate) async fn post_hook(&self, url: &str, body: String, request_id: &str) -> Option<u16> {
        let (target, host) = self.aim(url);
        let mut request = self
            .http
            .post(target)
            .timeout(HOOK_PATIENCE)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::USER_AGENT, "amoCRM-Webhooks/3.0")
            .header(header::ACCEPT_ENCODING, "gzip")
            .header("x-amocrm-requestid", request_id)
            .body(body);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        request.send().await.ok().map(|response| response.status().as_u16())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detour_is_taken_by_whole_origins_only() {
        let outside = Outside::new().unwrap();
        outside.route("https://app.example.com", "http://127.0.0.1:8080/");
        let (url, host) = outside.aim("https://app.example.com/amo?x=1");
        assert_eq!(
            (url.as_str(), host.as_deref()),
            ("http://127.0.0.1:8080/amo?x=1", Some("app.example.com"))
        );
        assert_eq!(outside.aim("https://app.example.com.evil/").1, None);
    }
}
