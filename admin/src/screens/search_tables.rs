//! Tables of results of the search box.

use crate::view::{Row, Section, Table};

/// Rows of each table of results.
pub(super) const ROWS_SHOWN: u32 = 20;

/// Adds a table, unless it has no rows.
pub(super) fn push(sections: &mut Vec<Section>, title: &str, head: &[&'static str], rows: Vec<Row>) {
    if !rows.is_empty() {
        sections.push(Section::new(title, Table::new(head, rows), ""));
    }
}
