//! Columns of a list that an operator has chosen.

use crate::http::Pairs;
use crate::view::{Heading, Row};

/// Parameter with the number of a hidden column, counted from 0; any number of them.
pub(super) const HIDE_PARAMETER: &str = "hide";

/// Shown columns of a list.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    shown: Vec<bool>,
}

/// A column for the choice of columns.
#[derive(Debug)]
pub(crate) struct ColumnChoice {
    /// Number, counted from 0.
    pub(crate) number: usize,
    /// Title.
    pub(crate) title: &'static str,
    /// Whether it is hidden.
    pub(crate) hidden: bool,
}

impl Columns {
    /// Reads the hidden columns. Numbers that no column has are ignored, and a list without any column shows all.
    pub(crate) fn of(query: &Pairs, count: usize) -> Self {
        let mut shown = vec![true; count];
        for number in query.all(HIDE_PARAMETER).filter_map(|text| text.parse::<usize>().ok()) {
            if let Some(column) = shown.get_mut(number) {
                *column = false;
            }
        }
        if !shown.contains(&true) {
            shown.fill(true);
        }
        Self { shown }
    }

    /// The shown titles.
    pub(crate) fn head(&self, titles: &'static [&'static str]) -> Vec<&'static str> {
        self.chosen(titles.iter().copied()).collect()
    }

    /// The headings of the shown columns.
    pub(crate) fn headings(&self, all: Vec<Heading>) -> Vec<Heading> {
        self.chosen(all.into_iter()).collect()
    }

    /// The row without its hidden cells.
    pub(crate) fn row(&self, row: Row) -> Row {
        if !self.shown.contains(&false) {
            return row;
        }
        Row { href: row.href, tick: row.tick, cells: self.chosen(row.cells.into_iter()).collect() }
    }

    /// Every column with its title.
    pub(crate) fn choices(&self, titles: &'static [&'static str]) -> Vec<ColumnChoice> {
        let numbered = titles.iter().zip(&self.shown).enumerate();
        numbered.map(|(number, (title, shown))| ColumnChoice { number, title, hidden: !shown }).collect()
    }

    fn chosen<'a, T>(&'a self, all: impl Iterator<Item = T> + 'a) -> impl Iterator<Item = T> + 'a {
        all.zip(&self.shown).filter(|(_, shown)| **shown).map(|(item, _)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Cell;

    fn columns(query: &str) -> Columns {
        Columns::of(&Pairs::parse(query.as_bytes()), 3)
    }

    #[test]
    fn hidden_columns_are_left_out_of_head_and_rows() {
        let columns = columns("hide=1&state=dead&hide=7&hide=x");
        assert_eq!(columns.head(&["a", "b", "c"]), ["a", "c"]);
        let row = columns.row(Row::linked("/x", ["1", "2", "3"].map(Cell::text).into()));
        assert_eq!(row.cells.len(), 2);
        let hidden: Vec<bool> =
            columns.choices(&["a", "b", "c"]).iter().map(|choice| choice.hidden).collect();
        assert_eq!(hidden, [false, true, false]);
    }

    #[test]
    fn a_list_always_has_columns() {
        assert_eq!(columns("hide=0&hide=1&hide=2").head(&["a", "b", "c"]), ["a", "b", "c"]);
    }
}
