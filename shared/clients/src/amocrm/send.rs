//! One request to an account, and what its answer comes down to.

use bytes::Bytes;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::host::AccountHost;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, StatusCode};
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::error::{AmoError, Effect, Rejection, RejectionKind, Violation};
use super::{AmoCrm, Page};
use crate::http::{ReadError, Transport, json_of, read_json, read_limited, request_id, retry_after};
use crate::lenient;

/// Lists of 250 notes with long texts stay well below.
const LONGEST_ANSWER: usize = 16 << 20;

/// A success.
pub(super) struct Answer {
    status: StatusCode,
    body: Bytes,
    effect: Effect,
}

/// Any answer, read whole.
pub(super) struct Raw {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl AmoCrm {
    /// A request to `path` of an account, through the gateway if there is one.
    pub(super) fn request(
        &self,
        method: Method,
        host: &AccountHost,
        path: &str,
        query: &[(&str, &str)],
    ) -> RequestBuilder {
        let mut target = Target::of(self.via.as_ref(), host);
        target.push(path, query);
        let request = self.client.request(method, target.url).header(ACCEPT, "application/json");
        if target.via_gateway { request.header(HOST, host.as_str()) } else { request }
    }

    /// Whether the service's own site answers: while it does not, a host that cannot be reached may be an account's.
    pub async fn site_answers(&self, crm: Crm) -> bool {
        let site = crm.site();
        let mut request = match &self.via {
            Some(gateway) => self.client.get(gateway.clone()),
            None => self.client.get(site),
        };
        if self.via.is_some() {
            request = request.header(HOST, site.trim_start_matches("https://"));
        }
        let answer = request.timeout(self.token_timeout).send().await;
        answer.is_ok_and(|answer| !answer.status().is_server_error())
    }

    /// The same, signed in.
    pub(super) fn call(
        &self,
        method: Method,
        host: &AccountHost,
        token: &SecretString,
        path: &str,
        query: &[(&str, &str)],
    ) -> RequestBuilder {
        self.request(method, host, path, query).bearer_auth(token.expose_secret())
    }
}

/// Where a request goes.
struct Target {
    url: String,
    via_gateway: bool,
}

impl Target {
    fn of(via: Option<&Url>, host: &AccountHost) -> Self {
        match via {
            Some(gateway) => {
                Self { url: gateway.as_str().trim_end_matches('/').to_owned(), via_gateway: true }
            }
            None => Self { url: format!("https://{host}"), via_gateway: false },
        }
    }

    fn push(&mut self, path: &str, query: &[(&str, &str)]) {
        self.url.push_str(path);
        if !query.is_empty() {
            let mut pairs = url::form_urlencoded::Serializer::new(String::new());
            pairs.extend_pairs(query);
            self.url.push('?');
            self.url.push_str(&pairs.finish());
        }
    }
}

/// Sends, and reads the answer whole.
pub(super) async fn exchange(request: RequestBuilder) -> Result<Raw, ReadError> {
    let response = request.send().await.map_err(Transport::from)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = read_limited(response, LONGEST_ANSWER).await?;
    Ok(Raw { status, headers, body })
}

/// Sends, and takes anything but a documented success for an error.
pub(super) async fn send(request: RequestBuilder, effect: Effect) -> Result<Answer, AmoError> {
    let raw = exchange(request).await.map_err(|source| AmoError::Transport { source, effect })?;
    let login_page = raw.status.is_success() && is_page(&raw.headers);
    if raw.status.is_success() && !login_page {
        return Ok(Answer { status: raw.status, body: raw.body, effect });
    }
    let json = json_of(&raw.body);
    Err(AmoError::Rejected(Box::new(Rejection {
        kind: kind_of(raw.status, json.as_ref(), &raw.headers),
        status: raw.status.as_u16(),
        violations: json.as_ref().map(violations).unwrap_or_default(),
        request_id: request_id(&raw.headers),
        effect,
    })))
}

impl Answer {
    /// 204, or nothing at all: an empty result, not an error.
    pub(super) fn is_empty(&self) -> bool {
        self.status == StatusCode::NO_CONTENT || self.body.is_empty()
    }

    /// What the answer would have been had amoCRM said 404 instead of nothing.
    pub(super) fn not_found(&self) -> AmoError {
        AmoError::Rejected(Box::new(Rejection {
            kind: RejectionKind::NotFound,
            status: self.status.as_u16(),
            violations: Vec::new(),
            request_id: None,
            effect: self.effect,
        }))
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, AmoError> {
        read_json(&self.body).map_err(|source| AmoError::Unreadable { source, effect: self.effect })
    }

    /// The items of `_embedded.<name>` that can be read, and whether there is a next page.
    ///
    /// An item of a shape we do not know is left out rather than losing the page.
    pub(super) fn page<T: DeserializeOwned>(&self, name: &str) -> Result<Page<T>, AmoError> {
        if self.is_empty() {
            return Ok(Page { items: Vec::new(), has_next: false });
        }
        let mut list: Value = self.json()?;
        let has_next = list.pointer("/_links/next/href").is_some_and(Value::is_string);
        let items = match list.pointer_mut("/_embedded").and_then(|embedded| embedded.get_mut(name)) {
            Some(Value::Array(items)) => std::mem::take(items),
            _ => Vec::new(),
        };
        let (given, mut read) = (items.len(), Vec::with_capacity(items.len()));
        read.extend(items.into_iter().filter_map(|item| serde_json::from_value(item).ok()));
        if read.len() < given {
            tracing::warn!(list = name, left_out = given - read.len(), "amoCRM listed items we cannot read");
        }
        Ok(Page { items: read, has_next })
    }
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

fn kind_of(status: StatusCode, json: Option<&Value>, headers: &HeaderMap) -> RejectionKind {
    /// Codes of old bodies: no such account; the address is not on the account's list.
    const NO_SUCH_ACCOUNT: u64 = 101;
    const ADDRESS_NOT_LISTED: u64 = 113;

    let code = json.and_then(legacy_code);
    match (status.as_u16(), json.is_some()) {
        (401 | 403 | 404, true) if code == Some(NO_SUCH_ACCOUNT) => RejectionKind::UnknownAccount,
        (401, true) => RejectionKind::Unauthorized,
        (200..=399 | 401, _) => RejectionKind::LoginPage,
        (402, _) => RejectionKind::Unpaid,
        (403, true) if code == Some(ADDRESS_NOT_LISTED) => RejectionKind::AddressNotAllowed,
        (403, true) => RejectionKind::NoRights,
        (403, false) => RejectionKind::Blocked,
        (404, true) => RejectionKind::NotFound,
        (404, false) => RejectionKind::UnknownAccount,
        (400 | 405 | 409 | 413 | 415 | 422 | 425 | 426, _) => RejectionKind::Invalid,
        (429, _) => RejectionKind::RateLimited { after: retry_after(headers) },
        (504, _) => RejectionKind::TooMuchAtOnce,
        (408 | 500..=599, _) => RejectionKind::Server,
        _ => RejectionKind::Other,
    }
}

fn legacy_code(body: &Value) -> Option<u64> {
    ["/error_code", "/response/error_code", "/code"]
        .iter()
        .find_map(|place| body.pointer(place).and_then(lenient::unsigned))
}

fn violations(body: &Value) -> Vec<Violation> {
    const MOST: usize = 10;
    let groups = body.get("validation-errors").and_then(Value::as_array);
    let findings = groups.into_iter().flatten().filter_map(|group| group.get("errors")?.as_array()).flatten();
    let text = |finding: &Value, name: &str| -> String {
        finding.get(name).and_then(lenient::text).unwrap_or_default().chars().take(100).collect()
    };
    findings
        .take(MOST)
        .map(|found| Violation { code: text(found, "code"), path: text(found, "path") })
        .collect()
}
