//! The page of one object: facts, tables, acts.

use askama::Template;

use super::{Cell, Form, Layout, Table};

/// A titled table, or the text that stands for an empty one.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: String,
    /// Explanation above the table.
    pub(crate) text: String,
    pub(crate) table: Table,
    /// Text instead of an empty table.
    pub(crate) empty: &'static str,
    /// List with all rows.
    pub(crate) more: Option<String>,
    /// Address of older rows, if there are any.
    pub(crate) older: Option<String>,
}

impl Section {
    /// A section; `empty` is shown instead of an empty table.
    pub(crate) fn new(title: impl Into<String>, table: Table, empty: &'static str) -> Self {
        Self { title: title.into(), text: String::new(), table, empty, more: None, older: None }
    }

    /// Adds a link to the list with all rows.
    #[must_use]
    pub(crate) fn more(mut self, href: impl Into<String>) -> Self {
        self.more = Some(href.into());
        self
    }

    /// Adds a link to older rows, if there are any.
    #[must_use]
    pub(crate) fn older(mut self, href: Option<String>) -> Self {
        self.older = href;
        self
    }

    /// Adds an explanation.
    #[must_use]
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }
}

/// Context of the page of one object.
#[derive(Template)]
#[template(path = "detail.html")]
pub(crate) struct DetailPage {
    /// Frame of the page.
    pub(crate) layout: Layout,
    pub(crate) heading: String,
    /// State beside the heading.
    pub(crate) state: Option<Cell>,
    /// Links beside the heading.
    pub(crate) links: Vec<Cell>,
    /// Banner above everything else of the page.
    pub(crate) banner: Option<String>,
    /// Whether a job is changing the object, so that the page is read again every few seconds.
    pub(crate) is_live: bool,
    /// States that the object passes, and which of them it is in.
    pub(crate) machine: Vec<(String, bool)>,
    pub(crate) facts: Vec<(&'static str, Cell)>,
    /// Values of which each takes the whole width, such as JSON.
    pub(crate) blocks: Vec<(&'static str, Cell)>,
    /// Tables.
    pub(crate) sections: Vec<Section>,
    /// Acts that this operator may do now.
    pub(crate) acts: Vec<Form>,
}

impl DetailPage {
    /// A page with a heading.
    pub(crate) fn new(layout: Layout) -> Self {
        let heading = layout.title.clone();
        Self {
            layout,
            heading,
            state: None,
            links: Vec::new(),
            banner: None,
            is_live: false,
            machine: Vec::new(),
            facts: Vec::new(),
            blocks: Vec::new(),
            sections: Vec::new(),
            acts: Vec::new(),
        }
    }
}
