//! Public hosts for a browser on the developer's machine: `http://<host>.localhost:<port>` stands for `https://<host>`.
//!
//! Browsers resolve every name below `localhost` to this machine and treat it as secure. Requests reach the host that they
//! name, with `Origin` and `Referer` as they would be in production; addresses in headers and texts of responses are
//! translated back. So a receiver checks the real origin of amoCRM's pages, and a page can follow every link. Hosts that the
//! simulator routes elsewhere ([`Amocrm::route`](super::Amocrm::route)) are reached the same way.

use poem::endpoint::BoxEndpoint;
use poem::http::header::{self, HeaderName, HeaderValue};
use poem::http::uri::PathAndQuery;
use poem::http::{HeaderMap, StatusCode};
use poem::{Body, Endpoint, EndpointExt as _, IntoResponse as _, Request, Response, Result};

use super::Amocrm;
use super::model::Platform;
use crate::lock::locked;

/// Suffix of the names in a browser.
const SUFFIX: &str = ".localhost";

/// Request headers with addresses of pages.
const PAGE_HEADERS: [HeaderName; 2] = [header::ORIGIN, header::REFERER];

/// Response headers with addresses.
const ADDRESS_HEADERS: [HeaderName; 2] = [header::LOCATION, header::ACCESS_CONTROL_ALLOW_ORIGIN];

/// Headers that concern one connection, or that change with the body.
const CONNECTION_HEADERS: [HeaderName; 5] = [
    header::HOST,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::ACCEPT_ENCODING,
];

/// Answers requests to names below `localhost`, and passes all others on.
pub(super) struct Localhost {
    amo: Amocrm,
    inner: BoxEndpoint<'static, Response>,
}

impl Localhost {
    pub(super) fn new(amo: Amocrm, inner: impl Endpoint + 'static) -> Self {
        Self { amo, inner: inner.map_to_response().boxed() }
    }
}

impl Endpoint for Localhost {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let host = request.header(header::HOST).unwrap_or_default().to_ascii_lowercase();
        let Some((name, port)) = named(&host) else { return Ok(self.inner.get_response(request).await) };
        let names = Names { names: self.amo.public_hosts(), port: port.to_owned() };
        translate_headers(request.headers_mut(), &PAGE_HEADERS, |text| names.to_public(text));
        let routed = self.amo.inner.outbound.routes_host(name);
        let response = if routed {
            self.forward(name, request).await
        } else {
            if let Ok(value) = HeaderValue::from_str(name) {
                request.headers_mut().insert(header::HOST, value);
            }
            self.inner.get_response(request).await
        };
        Ok(names.translate(response).await)
    }
}

impl Localhost {
    /// Sends the request to the server that the host is routed to.
    async fn forward(&self, name: &str, mut request: Request) -> Response {
        let path = request.original_uri().path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
        let body = request.take_body().into_bytes().await.unwrap_or_default();
        let mut headers = request.headers().clone();
        for name in CONNECTION_HEADERS {
            headers.remove(name);
        }
        let url = format!("https://{name}{path}");
        match self.amo.inner.outbound.forward(request.method().clone(), &url, headers, body).await {
            Ok(answer) => streamed(answer),
            Err(error) => {
                tracing::warn!(%error, url, "a routed host does not answer");
                StatusCode::BAD_GATEWAY.into_response()
            }
        }
    }
}

fn streamed(answer: reqwest::Response) -> Response {
    let mut response = Response::builder().status(answer.status()).finish();
    *response.headers_mut() = answer.headers().clone();
    for name in [header::CONNECTION, header::TRANSFER_ENCODING] {
        response.headers_mut().remove(name);
    }
    response.set_body(Body::from_bytes_stream(futures::TryStreamExt::map_err(
        answer.bytes_stream(),
        std::io::Error::other,
    )));
    response
}

/// The public name and the port of a host below `localhost`.
fn named(host: &str) -> Option<(&str, &str)> {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    Some((name.strip_suffix(SUFFIX)?, port))
}

/// Public hosts, and the port of their local names.
struct Names {
    names: Vec<String>,
    port: String,
}

impl Names {
    fn local(&self, name: &str) -> String {
        format!("http://{name}{SUFFIX}:{}", self.port)
    }

    /// Replaces public addresses by local ones.
    fn to_local(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, name| {
            replace_origin(&text, &format!("https://{name}"), &self.local(name))
        })
    }

    /// Replaces local addresses by public ones.
    fn to_public(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, name| {
            replace_origin(&text, &self.local(name), &format!("https://{name}"))
        })
    }

    async fn translate(&self, mut response: Response) -> Response {
        translate_headers(response.headers_mut(), &ADDRESS_HEADERS, |text| self.to_local(text));
        if !is_text(response.headers()) {
            return response;
        }
        let Ok(bytes) = response.take_body().into_bytes().await else {
            return StatusCode::BAD_GATEWAY.into_response();
        };
        response.headers_mut().remove(header::CONTENT_LENGTH);
        let body = match std::str::from_utf8(&bytes) {
            Ok(text) => Body::from_string(self.to_local(text)),
            Err(_) => Body::from_bytes(bytes),
        };
        response.set_body(body);
        response
    }
}

/// Whether the body is a text in which a page may find addresses.
fn is_text(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    matches!(media_type, "text/html" | "text/javascript" | "text/css" | "application/json")
        || media_type.ends_with("+json")
}

/// Replaces an origin wherever it is not the beginning of a longer host.
fn replace_origin(text: &str, origin: &str, by: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(origin) {
        let (before, found) = rest.split_at(at);
        let after = found.get(origin.len()..).unwrap_or_default();
        let is_longer =
            after.starts_with(|next: char| next.is_ascii_alphanumeric() || matches!(next, '.' | '-' | ':'));
        replaced.push_str(before);
        replaced.push_str(if is_longer { origin } else { by });
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

fn translate_headers(headers: &mut HeaderMap, names: &[HeaderName], translate: impl Fn(&str) -> String) {
    for name in names {
        let translated = headers.get(name).and_then(|value| value.to_str().ok()).map(&translate);
        if let Some(value) = translated.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(name.clone(), value);
        }
    }
}

impl Amocrm {
    /// Hosts that a page may link to: accounts, amoCRM's own, and those that are routed elsewhere.
    fn public_hosts(&self) -> Vec<String> {
        let own = [Platform::Amocrm, Platform::Kommo].map(|platform| format!("www.{}", platform.domain()));
        let accounts: Vec<String> =
            locked(&self.inner.state).accounts.iter().map(super::model::Account::host).collect();
        own.into_iter().chain(accounts).chain(self.inner.outbound.routed_hosts()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_translated_there_and_back_and_longer_hosts_are_left_alone() {
        let names = Names { names: vec!["app.example.com".to_owned()], port: "8081".to_owned() };
        let public = r#"{"url":"https://app.example.com/v1?x=1","other":"https://app.example.com.evil/"}"#;
        let local = names.to_local(public);
        assert_eq!(
            local,
            r#"{"url":"http://app.example.com.localhost:8081/v1?x=1","other":"https://app.example.com.evil/"}"#
        );
        assert_eq!(names.to_public(&local), public);
    }

    #[test]
    fn only_names_below_localhost_are_translated() {
        assert_eq!(named("demo.amocrm.ru.localhost:8081"), Some(("demo.amocrm.ru", "8081")));
        assert_eq!(named("demo.amocrm.ru"), None);
        assert_eq!(named("localhost:8081"), None);
    }
}
