//! Markdown tables and budget verdicts.

use std::fmt::{self, Write as _};

/// A Markdown table.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Empty table with these columns.
    pub(super) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells stay empty.
    pub(super) fn row(&mut self, mut cells: Vec<String>) {
        cells.resize(self.head.len(), String::new());
        self.rows.push(cells);
    }

    /// Keeps only the first and last `rows` rows.
    pub(super) fn ends(mut self, rows: usize) -> Self {
        let cut = self.rows.len().saturating_sub(rows);
        self.rows.drain(rows.min(cut)..cut);
        self
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |cells: &[String]| {
            cells.iter().fold(String::from("|"), |mut line, cell| {
                // Writing to a String cannot fail.
                let _ = write!(line, " {} |", cell.replace('|', "\\|").replace('\n', " "));
                line
            })
        };
        writeln!(f, "{}", line(&self.head))?;
        writeln!(f, "{}", line(&vec!["---".to_owned(); self.head.len()]))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", line(row)))
    }
}

/// Table of budgets, the last one of every part.
pub(super) fn budgets() -> Table {
    Table::new(&["budget", "measured", "verdict"])
}

/// Verdict for `value` ≤ `budget`; `why` explains a miss.
pub(super) fn at_most(value: f64, budget: f64, why: &str) -> String {
    if value <= budget { "kept".to_owned() } else { missed(value / budget - 1.0, why) }
}

/// Verdict for `value` ≥ `budget`; `why` explains a miss.
pub(super) fn at_least(value: f64, budget: f64, why: &str) -> String {
    if value >= budget { "kept".to_owned() } else { missed(1.0 - value / budget, why) }
}

fn missed(share: f64, why: &str) -> String {
    // Otherwise a narrow miss would read as 0 %.
    let digits = usize::from(share < 0.01);
    format!("missed by {:.digits$} %: {why}", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_budget_is_reported_in_percent() {
        assert_eq!(at_most(20.0, 20.0, "x"), "kept");
        assert_eq!(at_most(30.0, 20.0, "fsync"), "missed by 50 %: fsync");
        assert_eq!(at_least(9.0, 12.0, "turns"), "missed by 25 %: turns");
    }

    #[test]
    fn a_long_table_keeps_its_first_and_last_rows() {
        let rows = |number: usize| {
            let mut table = Table::new(&["n"]);
            (0..number).for_each(|n| table.row(vec![n.to_string()]));
            table.ends(2).rows.concat().concat()
        };
        assert_eq!(
            (rows(7), rows(4), rows(3), rows(1)),
            ("0156".into(), "0123".into(), "012".into(), "0".into())
        );
    }

    #[test]
    fn cells_cannot_break_the_table() {
        let mut table = Table::new(&["a", "b"]);
        table.row(vec!["x|y\nz".to_owned()]);
        assert_eq!(table.to_string(), "| a | b |\n| --- | --- |\n| x\\|y z |  |\n");
    }
}
