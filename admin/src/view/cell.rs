//! One value in a table or a list of facts.

use std::fmt;

use askama::Template;
use chrono::{DateTime, Utc};
use flysk_domain::money::{Kopecks, MicroCoins};

use super::format;

/// Decimals of a rouble, a Flycoin and a second.
const KOPECK_DECIMALS: u32 = 2;
const MICRO_DECIMALS: u32 = 6;
const MILLISECOND_DECIMALS: u32 = 3;

/// Meaning of a state, shown by its colour besides its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Under way.
    Busy,
    /// Needs attention.
    Bad,
    /// Over, or switched off.
    Quiet,
}

impl Tone {
    /// CSS class.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }
}

/// An exact number. Files have it in decimal notation with a point; pages do not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    /// The number without its point.
    units: i64,
    decimals: u32,
}

impl Decimal {
    /// A whole number.
    pub(crate) const fn whole(number: i64) -> Self {
        Self { units: number, decimals: 0 }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format::decimal(self.units, self.decimals))
    }
}

/// A value. All texts are escaped by the template.
#[derive(Debug, Clone, Template)]
#[template(path = "cell.html")]
pub(crate) enum Cell {
    /// Nothing.
    Empty,
    Text(String),
    /// An id or code, with a button that copies it.
    Code(String),
    /// A link to a page of the panel.
    Link {
        /// Path.
        href: String,
        /// Text.
        text: String,
    },
    /// A time, in Moscow, with UTC in the tooltip.
    Time(DateTime<Utc>),
    /// An amount in words, aligned to the right.
    Amount(String),
    /// A number with its unit, aligned to the right.
    Measure {
        /// Number and unit in Russian.
        text: String,
        /// The number; of a duration, its seconds.
        value: Decimal,
    },
    State {
        /// Label in Russian.
        label: String,
        /// Meaning.
        tone: Tone,
    },
    /// Text in lines of its own, such as JSON.
    Block(String),
}

impl Cell {
    /// Text, or nothing.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }

    /// Text that may be absent.
    pub(crate) fn maybe(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Empty, Self::text)
    }

    /// An id.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass ids and numbers, which are Copy")]
    pub(crate) fn code(code: impl ToString) -> Self {
        Self::Code(code.to_string())
    }

    /// An id that may be absent.
    pub(crate) fn maybe_code(code: Option<impl ToString>) -> Self {
        code.map_or(Self::Empty, Self::code)
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers pass ids and numbers, which are Copy")]
    pub(crate) fn link(href: impl Into<String>, text: impl ToString) -> Self {
        Self::Link { href: href.into(), text: text.to_string() }
    }

    /// A time that may be absent.
    pub(crate) fn time(time: impl Into<Option<DateTime<Utc>>>) -> Self {
        time.into().map_or(Self::Empty, Self::Time)
    }

    /// An amount of money.
    pub(crate) fn roubles(amount: Kopecks) -> Self {
        let value = Decimal { units: amount.0, decimals: KOPECK_DECIMALS };
        Self::Measure { text: format::roubles(amount), value }
    }

    /// An amount of Flycoins.
    pub(crate) fn coins(amount: MicroCoins) -> Self {
        let value = Decimal { units: amount.0, decimals: MICRO_DECIMALS };
        Self::Measure { text: format::coins(amount), value }
    }

    pub(crate) fn number(number: impl TryInto<i64>) -> Self {
        let measure = |number| Self::Measure { text: format::number(number), value: Decimal::whole(number) };
        number.try_into().map_or(Self::Empty, measure)
    }

    /// A duration that may be absent.
    pub(crate) fn duration_ms(ms: Option<i64>) -> Self {
        let measure = |ms| Self::Measure {
            text: format::duration_ms(ms),
            value: Decimal { units: ms, decimals: MILLISECOND_DECIMALS },
        };
        ms.map_or(Self::Empty, measure)
    }

    pub(crate) fn state(label: impl Into<String>, tone: Tone) -> Self {
        Self::State { label: label.into(), tone }
    }

    /// Yes or no.
    pub(crate) fn flag(flag: bool) -> Self {
        Self::Text(if flag { "да" } else { "нет" }.to_owned())
    }

    /// JSON, indented.
    pub(crate) fn json(text: &str) -> Self {
        let value: Result<serde_json::Value, _> = serde_json::from_str(text);
        let pretty = value.and_then(|value| serde_json::to_string_pretty(&value));
        Self::Block(pretty.unwrap_or_else(|_| text.to_owned()))
    }

    /// Whether the value is aligned to the right.
    pub(crate) const fn is_amount(&self) -> bool {
        matches!(self, Self::Amount(_) | Self::Measure { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_customers_name_is_text() {
        let hostile = "<script>alert(1)</script>\" onclick=\"x";
        for cell in [
            Cell::text(hostile),
            Cell::code(hostile),
            Cell::link(format!("/x/{hostile}"), hostile),
            Cell::state(hostile, Tone::Bad),
            Cell::json(hostile),
        ] {
            let html = cell.render().unwrap();
            assert!(!html.contains("<script>") && !html.contains("\" onclick"), "{html}");
        }
    }

    #[test]
    fn a_time_names_both_zones() {
        let html = Cell::time(DateTime::from_timestamp(1_796_000_000, 0)).render().unwrap();
        assert!(html.contains("30.11.2026 03:53:20") && html.contains("2026-11-30 00:53:20 UTC"), "{html}");
    }
}
