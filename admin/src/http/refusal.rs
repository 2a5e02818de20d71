//! Contents of a refused form, to be shown again.

use poem::http::Method;

use super::{Fault, Incoming};
use crate::navigation;
use crate::view::KeptField;

/// Finds the page that the form of a path belongs to. The table of routes knows it, which lies above the gate.
pub(super) type PageOf = fn(&str) -> String;

/// Contents of a refused form, to be shown again.
#[derive(Debug)]
pub(super) struct Refusal {
    path: String,
    fields: Vec<KeptField>,
    /// Whether the form had secrets, which are not kept.
    had_secret: bool,
    /// The list that the form names as its page.
    list: Option<String>,
    request_id: String,
    is_write: bool,
    page_of: PageOf,
}

impl Refusal {
    /// Keeps the form of a request, without secrets.
    pub(super) fn keep(request: &Incoming, page_of: PageOf) -> Self {
        let list = request.form.get("list").filter(|list| navigation::is_section(list));
        Self {
            path: request.path.clone(),
            fields: request.form.written().into_iter().map(KeptField::new).collect(),
            had_secret: request.form.has_secret(),
            list: list.map(str::to_owned),
            request_id: request.trace.correlation_id.clone(),
            is_write: request.method != Method::GET,
            page_of,
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn fields(&self) -> &[KeptField] {
        &self.fields
    }

    pub(super) fn had_secret(&self) -> bool {
        self.had_secret
    }

    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Whether the form may succeed as it is kept.
    pub(super) fn may_be_sent_again(&self, fault: &Fault) -> bool {
        let may_pass = matches!(
            fault,
            Fault::StaleForm | Fault::Refused(_) | Fault::WrongField { .. } | Fault::Unavailable(_)
        );
        self.is_write && !self.had_secret && may_pass
    }

    /// Whether the operator wrote something that can be shown.
    pub(super) fn has_written(&self) -> bool {
        self.fields.iter().any(|field| !field.hidden)
    }

    /// The page of the form.
    pub(super) fn back(&self) -> Option<String> {
        let page = || self.list.clone().unwrap_or_else(|| (self.page_of)(&self.path));
        self.is_write.then(page)
    }
}
