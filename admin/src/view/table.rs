//! Tables.

use super::Cell;

#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Titles of the columns.
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Row>,
}

/// A row; the keyboard opens `href`.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// Page of the row's object.
    pub(crate) href: Option<String>,
    /// Id of the row's object, if the row can be ticked for an act.
    pub(crate) tick: Option<String>,
    /// One cell per column.
    pub(crate) cells: Vec<Cell>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(head: &[&'static str], rows: Vec<Row>) -> Self {
        Self { head: head.to_vec(), rows }
    }

    /// Whether rows can be ticked.
    pub(crate) fn has_ticks(&self) -> bool {
        self.rows.iter().any(|row| row.tick.is_some())
    }
}

impl Row {
    /// A row whose object has a page.
    pub(crate) fn linked(href: impl Into<String>, cells: Vec<Cell>) -> Self {
        Self { href: Some(href.into()), tick: None, cells }
    }

    /// A row without a page.
    pub(crate) fn plain(cells: Vec<Cell>) -> Self {
        Self { href: None, tick: None, cells }
    }

    /// The row with a check box, if `id` is there.
    #[must_use]
    pub(crate) fn with_tick(mut self, id: Option<String>) -> Self {
        self.tick = id;
        self
    }
}
