//! The one template of the pages.

use std::sync::LazyLock;

use askama::Template;
use base64::Engine as _;
use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use sha2::Digest as _;

use crate::problem::{Problem, ProblemCode};

const STYLE: &str = include_str!("../../templates/billing/style.css");

/// A page: title, text, and at most one link and one button.
#[derive(Debug, Template)]
#[template(path = "letters/page.html")]
pub(super) struct Page {
    title: &'static str,
    paragraphs: Vec<String>,
    /// Label and address.
    link: Option<(&'static str, String)>,
    /// Label, and the field that the form sends.
    button: Option<(&'static str, &'static str)>,
    /// Address that the page moves on to by itself.
    refresh: Option<String>,
}

impl Page {
    pub(super) fn new(title: &'static str) -> Self {
        Self { title, paragraphs: Vec::new(), link: None, button: None, refresh: None }
    }

    pub(super) fn say(mut self, paragraph: impl Into<String>) -> Self {
        self.paragraphs.push(paragraph.into());
        self
    }

    pub(super) fn link(self, label: &'static str, address: String) -> Self {
        Self { link: Some((label, address)), ..self }
    }

    pub(super) fn button(self, label: &'static str, field: &'static str) -> Self {
        Self { button: Some((label, field)), ..self }
    }

    pub(super) fn refresh(self, address: String) -> Self {
        Self { refresh: Some(address), ..self }
    }

    /// The HTML response with the security headers of all pages.
    pub(super) fn response(&self, status: StatusCode) -> Result<Response, Problem> {
        let body = self.render().map_err(|error| {
            tracing::error!(%error, "cannot render a page");
            Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
        })?;
        let mut response =
            Response::builder().status(status).content_type("text/html; charset=utf-8").body(body);
        let headers = response.headers_mut();
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(policy) = HeaderValue::from_str(content_security_policy()) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        Ok(response)
    }
}

/// Only the inline style, forms only to this server, no framing.
fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(STYLE.as_bytes()));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
    });
    &POLICY
}
