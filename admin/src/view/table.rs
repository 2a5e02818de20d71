//! Tables.

use super::Cell;

/// A table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Titles of the columns.
    pub(crate) head: Vec<&'static str>,
    /// Rows.
    pub(crate) rows: Vec<Row>,
}

/// A row; the keyboard opens `href`.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// Page of the row's object.
    pub(crate) href: Option<String>,
    /// One cell per column.
    pub(crate) cells: Vec<Cell>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(head: &[&'static str], rows: Vec<Row>) -> Self {
        Self { head: head.to_vec(), rows }
    }
}

impl Row {
    /// A row whose object has a page.
    pub(crate) fn linked(href: impl Into<String>, cells: Vec<Cell>) -> Self {
        Self { href: Some(href.into()), cells }
    }

    /// A row without a page.
    pub(crate) fn plain(cells: Vec<Cell>) -> Self {
        Self { href: None, cells }
    }
}
