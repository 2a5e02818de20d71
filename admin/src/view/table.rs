//! Tables.

use askama::Template;

use super::Cell;

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) head: Vec<Heading>,
    pub(crate) rows: Vec<Row>,
}

/// A table whose rows are rendered already.
#[derive(Debug)]
pub(crate) struct RenderedTable {
    pub(crate) head: Vec<Heading>,
    /// HTML of [`Rows`], of all rows.
    pub(crate) body: String,
    /// Whether rows can be ticked.
    pub(crate) has_ticks: bool,
}

/// Rows of a table as HTML.
#[derive(Debug, Template)]
#[template(path = "rows.html")]
pub(crate) struct Rows<'a> {
    pub(crate) rows: &'a [Row],
    /// Whether the table has a column of check boxes.
    pub(crate) has_ticks: bool,
}

/// Heading of a column.
#[derive(Debug)]
pub(crate) struct Heading {
    /// Title.
    pub(crate) title: &'static str,
    /// The link that sorts by the column, if it can be.
    pub(crate) sort: Option<SortLink>,
}

/// The link of a heading.
#[derive(Debug)]
pub(crate) struct SortLink {
    /// Address of the list in the order of the column; in the opposite one, if the list has the order already.
    pub(crate) href: String,
    /// The direction, if the list is sorted by the column.
    pub(crate) direction: Option<Direction>,
}

/// Direction of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Small values first.
    Ascending,
    /// Large values first.
    Descending,
}

impl Direction {
    /// Value of the attribute `aria-sort`.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
        }
    }

    /// Sign beside the title.
    pub(crate) const fn arrow(self) -> &'static str {
        match self {
            Self::Ascending => "↑",
            Self::Descending => "↓",
        }
    }
}

impl Heading {
    /// A title alone.
    pub(crate) const fn plain(title: &'static str) -> Self {
        Self { title, sort: None }
    }

    /// The direction, if the table is sorted by the column.
    pub(crate) fn direction(&self) -> Option<Direction> {
        self.sort.as_ref().and_then(|sort| sort.direction)
    }
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
        Self { head: head.iter().copied().map(Heading::plain).collect(), rows }
    }

    /// Whether rows can be ticked.
    pub(crate) fn has_ticks(&self) -> bool {
        self.rows.iter().any(|row| row.tick.is_some())
    }

    /// The rows, for the template.
    pub(crate) fn body(&self) -> Rows<'_> {
        Rows { rows: &self.rows, has_ticks: self.has_ticks() }
    }
}

/// What the template of a [`Table`] asks for.
impl RenderedTable {
    pub(crate) const fn has_ticks(&self) -> bool {
        self.has_ticks
    }

    pub(crate) fn body(&self) -> &str {
        &self.body
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.body.is_empty()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn table(ticks: [Option<&str>; 2]) -> Table {
        let row = |tick: Option<&str>| {
            Row::linked("/x", vec![Cell::text("<b>"), Cell::number(7)]).with_tick(tick.map(str::to_owned))
        };
        Table::new(&["a", "b"], ticks.map(row).into())
    }

    #[test]
    fn rows_have_a_check_box_or_its_place_if_one_of_them_can_be_ticked() {
        let html = |ticks| table(ticks).body().to_string();
        let plain = html([None, None]);
        let row = "\n<tr data-href=\"/x\"><td>&#60;b&#62;</td><td class=\"amount\">7</td></tr>";
        assert_eq!(plain, row.repeat(2));
        let ticked = html([None, Some("job_1")]);
        assert_eq!(ticked.matches("<td class=\"tick\">").count(), 2);
        assert_eq!(ticked.matches("name=\"row\" value=\"job_1\"").count(), 1);
    }
}
