//! Sends one request to an account and classifies its response.

use bytes::Bytes;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::serde_lenient;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, StatusCode};
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::error::{AmoError, Rejection, RejectionKind, Violation};
use super::{AmoCrm, Page};
use crate::http::{
    Idempotency, ReadError, Transport, json_of, read_json, read_limited, request_id, retry_after,
};

/// Well above lists of 250 notes with long texts.
const MAX_RESPONSE_BYTES: usize = 16 << 20;

pub(super) struct ApiResponse {
    status: StatusCode,
    body: Bytes,
    idempotency: Idempotency,
}

/// A response of any status with its complete body.
pub(super) struct RawResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl AmoCrm {
    /// Builds a request to `path` of an account, through the egress proxy if configured.
    pub(super) fn request(
        &self,
        method: Method,
        host: &AccountHost,
        path: &str,
        query: &[(&str, &str)],
    ) -> RequestBuilder {
        let mut target = RequestTarget::new(self.via.as_ref(), host);
        target.append(path, query);
        let request = self.client.request(method, target.url).header(ACCEPT, "application/json");
        if target.via_gateway { request.header(HOST, host.as_str()) } else { request }
    }

    /// Whether the website of the CRM responds. If it does not, an unreachable host may still belong to an account.
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

    /// Builds a request with an access token.
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

/// URL of a request, direct or through the egress proxy.
struct RequestTarget {
    url: String,
    via_gateway: bool,
}

impl RequestTarget {
    fn new(via: Option<&Url>, host: &AccountHost) -> Self {
        match via {
            Some(gateway) => {
                Self { url: gateway.as_str().trim_end_matches('/').to_owned(), via_gateway: true }
            }
            None => Self { url: format!("https://{host}"), via_gateway: false },
        }
    }

    fn append(&mut self, path: &str, query: &[(&str, &str)]) {
        self.url.push_str(path);
        if !query.is_empty() {
            let mut pairs = url::form_urlencoded::Serializer::new(String::new());
            pairs.extend_pairs(query);
            self.url.push('?');
            self.url.push_str(&pairs.finish());
        }
    }
}

/// Sends a request and reads the complete response.
pub(super) async fn send_raw(request: RequestBuilder) -> Result<RawResponse, ReadError> {
    let response = request.send().await.map_err(Transport::from)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = read_limited(response, MAX_RESPONSE_BYTES).await?;
    Ok(RawResponse { status, headers, body })
}

/// Sends a request. Everything but a documented success is an error.
pub(super) async fn send(request: RequestBuilder, idempotency: Idempotency) -> Result<ApiResponse, AmoError> {
    let raw = send_raw(request).await.map_err(|source| AmoError::Transport { source, idempotency })?;
    let login_page = raw.status.is_success() && is_html(&raw.headers);
    if raw.status.is_success() && !login_page {
        return Ok(ApiResponse { status: raw.status, body: raw.body, idempotency });
    }
    let json = json_of(&raw.body);
    Err(AmoError::Rejected(Box::new(Rejection {
        kind: classify(raw.status, json.as_ref(), &raw.headers),
        status: raw.status.as_u16(),
        violations: json.as_ref().map(violations).unwrap_or_default(),
        request_id: request_id(&raw.headers),
        idempotency,
    })))
}

impl ApiResponse {
    /// Whether the result is empty: status 204 or an empty body. This is not an error.
    pub(super) fn is_empty(&self) -> bool {
        self.status == StatusCode::NO_CONTENT || self.body.is_empty()
    }

    /// The error for an empty result that means "not found".
    pub(super) fn not_found(&self) -> AmoError {
        AmoError::Rejected(Box::new(Rejection {
            kind: RejectionKind::NotFound,
            status: self.status.as_u16(),
            violations: Vec::new(),
            request_id: None,
            idempotency: self.idempotency,
        }))
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, AmoError> {
        read_json(&self.body).map_err(|source| AmoError::Unreadable { source, idempotency: self.idempotency })
    }

    /// Reads the items of `_embedded.<name>` and whether there is a next page.
    ///
    /// Items that do not parse are left out and logged, so that they do not fail the page.
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
            tracing::warn!(
                list = name,
                left_out = given - read.len(),
                "amoCRM list contains unreadable items"
            );
        }
        Ok(Page { items: read, has_next })
    }
}

fn is_html(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

fn classify(status: StatusCode, json: Option<&Value>, headers: &HeaderMap) -> RejectionKind {
    /// Codes in old error bodies: account not found; IP address not on the account's list.
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
        .find_map(|pointer| body.pointer(pointer).and_then(serde_lenient::value_to_u64))
}

fn violations(body: &Value) -> Vec<Violation> {
    const MAX_VIOLATIONS: usize = 10;
    let groups = body.get("validation-errors").and_then(Value::as_array);
    let findings = groups.into_iter().flatten().filter_map(|group| group.get("errors")?.as_array()).flatten();
    let text = |finding: &Value, name: &str| -> String {
        finding
            .get(name)
            .and_then(serde_lenient::value_to_text)
            .unwrap_or_default()
            .chars()
            .take(100)
            .collect()
    };
    findings
        .take(MAX_VIOLATIONS)
        .map(|found| Violation { code: text(found, "code"), path: text(found, "path") })
        .collect()
}
