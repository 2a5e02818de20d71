//! Outgoing requests of amoCRM: redirect URIs, disconnect hooks, webhooks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use poem::http::{HeaderMap, Method, header};

use crate::lock::locked;

/// Timeout of redirect URIs (amoCRM docs, oauth/step-by-step).
const REDIRECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Timeout of webhooks (amoCRM docs, crm_platform/webhooks-format).
const HOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// Timeout of both in tests on a machine that may be busy for seconds.
const PATIENT_TIMEOUT: Duration = Duration::from_mins(2);

/// HTTP client that routes public test addresses to local servers.
#[derive(Debug)]
pub(crate) struct OutboundClient {
    http: reqwest::Client,
    detours: Mutex<Vec<(String, String)>>,
    is_patient: AtomicBool,
}

impl OutboundClient {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let http =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, detours: Mutex::default(), is_patient: AtomicBool::new(false) })
    }

    pub(crate) fn be_patient(&self) {
        self.is_patient.store(true, Ordering::SeqCst);
    }

    fn patience(&self, usual: Duration) -> Duration {
        if self.is_patient.load(Ordering::SeqCst) { PATIENT_TIMEOUT } else { usual }
    }

    pub(crate) fn route(&self, origin: &str, to: &str) {
        let trim = |url: &str| url.trim_end_matches('/').to_owned();
        let mut detours = locked(&self.detours);
        detours.retain(|(known, _)| *known != trim(origin));
        detours.push((trim(origin), trim(to)));
    }

    /// The URL to call and the `Host` header to send.
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

    /// Hosts that are routed elsewhere.
    pub(crate) fn routed_hosts(&self) -> Vec<String> {
        locked(&self.detours)
            .iter()
            .filter_map(|(origin, _)| Some(origin.strip_prefix("https://")?.to_owned()))
            .collect()
    }

    /// Whether requests to this host are routed elsewhere.
    pub(crate) fn routes_host(&self, host: &str) -> bool {
        self.routed_hosts().iter().any(|known| known == host)
    }

    /// Passes a browser's request on to the server that its host is routed to. Redirects are not followed.
    pub(crate) async fn forward(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let (target, host) = self.aim(url);
        let mut request = self.http.request(method, target).headers(headers).body(body);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        request.send().await
    }

    /// A background GET; `None` if there was no response in time.
    pub(crate) async fn get(&self, url: &str) -> Option<u16> {
        let (target, host) = self.aim(url);
        let mut request = self.http.get(target).timeout(self.patience(REDIRECT_TIMEOUT));
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        request.send().await.ok().map(|response| response.status().as_u16())
    }

    /// Delivers a webhook; `None` if there was no response in time.
    pub(crate) async fn post_hook(&self, url: &str, body: String, request_id: &str) -> Option<u16> {
        let (target, host) = self.aim(url);
        let mut request = self
            .http
            .post(target)
            .timeout(self.patience(HOOK_TIMEOUT))
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

    /// Delivers JSON with a secret in a header; `None` if there was no response in time.
    pub(crate) async fn post_json(
        &self,
        url: &str,
        secret: Option<(&str, &str)>,
        body: String,
        timeout: Duration,
    ) -> Option<u16> {
        let (target, host) = self.aim(url);
        let mut request = self
            .http
            .post(target)
            .timeout(timeout)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        if let Some((name, value)) = secret {
            request = request.header(name, value);
        }
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
    fn only_whole_origins_are_routed() {
        let outbound = OutboundClient::new().unwrap();
        outbound.route("https://app.example.com", "http://127.0.0.1:8080/");
        let (url, host) = outbound.aim("https://app.example.com/amo?x=1");
        assert_eq!(
            (url.as_str(), host.as_deref()),
            ("http://127.0.0.1:8080/amo?x=1", Some("app.example.com"))
        );
        assert_eq!(outbound.aim("https://app.example.com.evil/").1, None);
    }
}
