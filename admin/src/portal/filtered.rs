//! A page with a filter above its tables.

use askama::Template;

use crate::http::Pairs;
use crate::request::form::query_string;
use crate::view::{Field, Layout, Section};

/// Parameter with the row before which a page begins.
pub(super) const BEFORE: &str = "before";

/// Text of a page of somebody who has no widgets yet.
pub(super) const NO_WIDGETS: &str = "Сначала зарегистрируйте виджет.";

/// Context of the page.
#[derive(Template)]
#[template(path = "portal_filtered.html")]
pub(super) struct FilteredPage {
    /// Frame of the page.
    pub(super) layout: Layout,
    /// Path that the filter is sent to.
    pub(super) path: &'static str,
    /// Explanation below the heading.
    pub(super) text: &'static str,
    pub(super) fields: Vec<Field>,
    /// Tables.
    pub(super) sections: Vec<Section>,
    /// Address of the newest rows, if the page shows older ones.
    pub(super) newest: Option<String>,
    /// Address of older rows, if there are any.
    pub(super) older: Option<String>,
}

impl FilteredPage {
    /// A page without rows.
    pub(super) fn new(layout: Layout, path: &'static str) -> Self {
        Self { layout, path, text: "", fields: Vec::new(), sections: Vec::new(), newest: None, older: None }
    }

    /// Sets the addresses of the newest and of older rows. The page begins before row `before`; `last` is its last row, if there are
    /// older ones.
    pub(super) fn set_links(&mut self, query: &Pairs, before: Option<u64>, last: Option<u64>) {
        let kept = query.without(&[BEFORE]);
        self.newest = before.map(|_| format!("{}{}", self.path, query_string(&kept)));
        self.older = last.map(|last| {
            let mut pairs = kept;
            pairs.push((BEFORE.to_owned(), last.to_string()));
            format!("{}{}", self.path, query_string(&pairs))
        });
    }
}
