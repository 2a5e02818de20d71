//! The one template of the pages.

use std::sync::LazyLock;

use askama::Template;
use poem::Response;
use poem::http::StatusCode;

use crate::html_page;
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

    /// The HTML response.
    pub(super) fn response(&self, status: StatusCode) -> Result<Response, Problem> {
        let body = self.render().map_err(|error| {
            tracing::error!(%error, "cannot render a page");
            Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
        })?;
        Ok(html_page::response(status, body, content_security_policy()))
    }
}

/// Only the inline style, forms only to this server, no framing.
fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> =
        LazyLock::new(|| html_page::content_security_policy(&[], &[STYLE], &[]));
    &POLICY
}
