//! Lines of quotes and invoices.

use flysk_domain::platform::subscriptions::{QuoteLine, Rounding};
use flysk_domain::russian::roubles;

/// A line as pages show it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineRow {
    /// Text.
    pub(super) title: String,
    /// Amount in roubles.
    pub(super) amount: String,
    /// Rounding of the amount, unless it is exact.
    pub(super) rounding: Option<&'static str>,
}

/// Formats lines.
pub(super) fn rows(lines: &[QuoteLine]) -> Vec<LineRow> {
    let row = |line: &QuoteLine| LineRow {
        title: line.title.clone(),
        amount: roubles(line.amount),
        rounding: match line.rounding {
            Rounding::Exact => None,
            Rounding::HalfUp => Some("доля цены по дням, округлена один раз до копейки"),
        },
    };
    lines.iter().map(row).collect()
}
