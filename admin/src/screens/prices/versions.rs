//! Versions of prices in a table.

use chrono::{DateTime, Utc};
use flysk_domain::platform::ledger::price::Tariff;
use flysk_store::platform::ledger::PriceVersion;

use crate::view::{Cell, Row, Section, Table, Tone, format};

/// All versions, the one in force marked. They are sorted by service and start.
pub(crate) fn versions_section(versions: &[PriceVersion], now: DateTime<Utc>) -> Section {
    let rows = versions.iter().enumerate().map(|(at, version)| {
        // A version has ended once the next one of its service has started.
        let next = versions.get(at + 1).filter(|next| next.rule.service == version.rule.service);
        row(version, next, now)
    });
    let head = ["Услуга", "Версия", "Цена", "Действует с", "Состояние"];
    Section::new("Версии", Table::new(&head, rows.collect()), "Цен нет.")
}

fn row(version: &PriceVersion, next: Option<&PriceVersion>, now: DateTime<Utc>) -> Row {
    let state = if version.valid_from > now {
        Cell::state("будет", Tone::Busy)
    } else if next.is_some_and(|next| next.valid_from <= now) {
        Cell::state("прошла", Tone::Quiet)
    } else {
        Cell::state("действует", Tone::Good)
    };
    Row::plain(vec![
        Cell::text(version.rule.service.as_str()),
        Cell::number(version.rule.version),
        Cell::text(tariff_text(version.rule.tariff)),
        Cell::time(version.valid_from),
        state,
    ])
}

/// A tariff in words.
pub(in crate::screens) fn tariff_text(tariff: Tariff) -> String {
    match tariff {
        Tariff::PerMinute { rate, at_least_s: 0 } => format!("{} за минуту", format::coins(rate)),
        Tariff::PerMinute { rate, at_least_s } => {
            format!("{} за минуту, не меньше {at_least_s} с", format::coins(rate))
        }
        Tariff::PerPiece { rate } => format!("{} за штуку", format::coins(rate)),
    }
}
