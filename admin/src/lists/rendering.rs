//! The rows of a page as HTML.

use askama::Template as _;

use super::List;
use super::columns::Columns;
use crate::http::Fault;
use crate::view::{Heading, RenderedTable, Row, Rows};

/// Rows that are rendered without a pause. In a pause the request takes the answer to the statement that it has sent, and
/// sends the next one.
const ROWS_AT_ONCE: usize = 25;
/// Usual length of a row, bytes.
const ROW_BYTES: usize = 1_024;

/// The table of these rows, with check boxes if there is an act for ticked ones.
pub(super) async fn render<L: List>(
    head: Vec<Heading>,
    records: &[L::Record],
    columns: &Columns,
    has_acts: bool,
) -> Result<RenderedTable, Fault> {
    let has_ticks = has_acts && records.iter().any(|record| L::id(record).is_some());
    let mut body = String::with_capacity(records.len() * ROW_BYTES);
    for part in records.chunks(ROWS_AT_ONCE) {
        let rows = rows_of::<L>(part, columns, has_ticks);
        Rows { rows: &rows, has_ticks }.render_into(&mut body)?;
        tokio::task::yield_now().await;
    }
    Ok(RenderedTable { head, body, has_ticks })
}

/// The chosen columns of the rows.
fn rows_of<L: List>(records: &[L::Record], columns: &Columns, has_ticks: bool) -> Vec<Row> {
    let row = |record| {
        let row = columns.row(L::row(record));
        if has_ticks { row.with_tick(L::id(record)) } else { row }
    };
    records.iter().map(row).collect()
}
