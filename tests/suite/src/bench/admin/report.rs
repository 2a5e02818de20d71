//! Tables of the measured pages, and verdicts.

use anyhow::Context as _;

use super::pages::Group;
use super::{BESIDE_REQUESTS, Measured, REQUESTS, Run};
use crate::bench::fill::{BUSY_INSTALLS, Filled};
use crate::bench::table::{Table, at_most, budgets};

/// Budgets.
const MAX_LIST_MS: f64 = 100.0;
const MAX_OF_PEER: f64 = 0.05;
const MAX_LOOK_MS: f64 = 300.0;
const MAX_LONG_MS: f64 = 300.0;
const MAX_GROWTH: f64 = 2.0;
/// A page that grew more than this shows more, which the budget of growth does not mean.
const MAX_LENGTH_GROWTH: f64 = 1.25;
const MAX_EXPORT_MIB: f64 = 64.0;
const MAX_IDLE_MIB: f64 = 30.0;
/// Rows to which the budgets of the filling apply.
const FULL_ROWS: i64 = 10_000_000;
const MAX_FILL_MINUTES: f64 = 30.0;
const MAX_FILL_GB: f64 = 20.0;

/// The largest of some values, and the path that it was measured at.
type Worst<'a> = Option<(f64, &'a str)>;

/// The text of the part. `peer` is its name, or why it did not run.
pub(super) fn text(few: &Run, many: &Run, peer: &anyhow::Result<String>) -> anyhow::Result<String> {
    let lists = lists_table(few, many, peer);
    let others = others_table(few, many);
    let exports = exports_table(many);
    let verdicts = verdicts(few, many, peer)?;
    let missing = match peer {
        Ok(_) => String::new(),
        Err(error) => format!("\nDjango admin was **not run**: {error:#}.\n"),
    };
    Ok(format!("{lists}{missing}\n{others}\n{exports}\n{verdicts}\n{}", method(many)))
}

fn method(many: &Run) -> String {
    let (volume, filled) = (many.volume, &many.filled);
    format!(
        "{rows} calls, ledger entries and jobs each, {installs} installs with accounts and wallets, {events} events, up to 100,000 of all else;\n\
         a fifth of the rows belongs to {BUSY_INSTALLS} installs. Filled by the server itself in {minutes:.1} min, {size:.1} GB with all indexes. Requests are sent one\n\
         after the other over HTTP to `flysk-admin`, signed in, {REQUESTS} for each page. Growth is the median relative to that with {few} rows,\n\
         and that of the page's length where it shows more. Django\n\
         admin shows the columns of the same tables, 100 rows a page, with its defaults and a persistent connection, under gunicorn with\n\
         one worker on the same server; the panel's lists have 100 rows too. The first pages of lists are requested {BESIDE_REQUESTS} times each, ours right\n\
         before the peer's. An export is that of all calls.\n",
        rows = volume.rows,
        installs = volume.installs,
        events = volume.events(),
        minutes = minutes(filled),
        size = gigabytes(filled),
        few = super::FEW_ROWS,
    )
}

fn lists_table(few: &Run, many: &Run, peer: &anyhow::Result<String>) -> Table {
    let name = peer.as_ref().map_or("Django admin", String::as_str);
    let mut table =
        Table::new(&["first page", "p50", "p95", "growth", &format!("{name}, p95"), "of Django's"]);
    for (small, large) in pairs(few, many) {
        if !matches!(large.page.group, Group::List { .. }) {
            continue;
        }
        let mut row = row_of(small, large);
        if let Some(peer) = &large.peer {
            row.push(ms(peer.ms(95)));
            row.push(format!("{:.3}", large.times.ms(95) / peer.ms(95)));
        }
        table.row(row);
    }
    table
}

fn others_table(few: &Run, many: &Run) -> Table {
    let mut table = Table::new(&["page", "p50", "p95", "growth"]);
    for (small, large) in pairs(few, many) {
        if !matches!(large.page.group, Group::List { .. }) {
            table.row(row_of(small, large));
        }
    }
    table
}

fn exports_table(many: &Run) -> Table {
    let mut table = Table::new(&["export", "rows", "file", "took", "memory of the worker"]);
    for export in &many.exports {
        let (idle, most) = export.memory_kib;
        table.row(vec![
            export.format.to_uppercase(),
            export.rows.to_string(),
            format!("{:.1} MiB", mib(export.bytes / 1024)),
            format!("{:.0} s", export.took.as_secs_f64()),
            format!("from {:.1} to {:.1} MiB", mib(idle), mib(most)),
        ]);
    }
    table
}

fn verdicts(few: &Run, many: &Run, peer: &anyhow::Result<String>) -> anyhow::Result<Table> {
    let mut verdicts = budgets();
    let is_list = |measured: &Measured| matches!(measured.page.group, Group::List { .. });
    for (budget, most, measured) in [
        ("first page of every list: p95 < 100 ms", MAX_LIST_MS, worst_ms(many, is_list)),
        (
            "any filter, the search box, the timeline of a busy install: p95 < 300 ms",
            MAX_LOOK_MS,
            worst_ms(many, |measured| measured.page.group == Group::Look),
        ),
        (
            "1,000 rows on one page: p95 < 300 ms",
            MAX_LONG_MS,
            worst_ms(many, |measured| measured.page.group == Group::Long),
        ),
    ] {
        let (value, path) = measured.with_context(|| format!("nothing was measured: {budget}"))?;
        let verdict = at_most(value, most, &format!("`{path}` reads many rows"));
        verdicts.row(vec![budget.to_owned(), format!("{} at most, `{path}`", ms(value)), verdict]);
    }
    verdicts.row(peer_verdict(many, peer));
    verdicts.row(growth_verdict(few, many)?);
    let above =
        many.exports.iter().map(|export| mib(export.memory_kib.1.saturating_sub(export.memory_kib.0)));
    let above = above.fold(0.0, f64::max);
    verdicts.row(vec![
        "export of all calls: memory < 64 MiB above idle".to_owned(),
        format!("{above:.1} MiB at most"),
        at_most(above, MAX_EXPORT_MIB, "rows are kept until the file is stored"),
    ]);
    let idle = mib(many.idle_kib);
    verdicts.row(vec![
        "idle panel < 30 MiB".to_owned(),
        format!("{idle:.1} MiB"),
        at_most(idle, MAX_IDLE_MIB, "memory is touched code and connection buffers"),
    ]);
    if many.volume.rows >= FULL_ROWS {
        add_fill_verdicts(&mut verdicts, &many.filled);
    }
    Ok(verdicts)
}

fn peer_verdict(many: &Run, peer: &anyhow::Result<String>) -> Vec<String> {
    let budget = "first page of every list ≤ 0.05 × Django admin's, p95".to_owned();
    let ratio = |measured: &Measured| {
        let peer = measured.peer.as_ref()?;
        Some(measured.times.ms(95) / peer.ms(95))
    };
    let ratios =
        many.pages.iter().filter_map(|measured| Some((ratio(measured)?, measured.page.path.as_str())));
    match (peer, worst(ratios)) {
        (Ok(_), Some((value, path))) => {
            let why = format!("Django counts few rows quickly: `{path}`");
            vec![budget, format!("{value:.3} at most, `{path}`"), at_most(value, MAX_OF_PEER, &why)]
        }
        _ => vec![budget, String::new(), "no peer in this run".to_owned()],
    }
}

fn growth_verdict(few: &Run, many: &Run) -> anyhow::Result<Vec<String>> {
    let same = pairs(few, many).filter(|(small, large)| length_growth(small, large) <= MAX_LENGTH_GROWTH);
    let grown = same.map(|(small, large)| (growth(small, large), large.page.path.as_str()));
    let (value, path) = worst(grown).context("no growth was measured")?;
    let why = format!("`{path}` has more rows to read");
    Ok(vec![
        format!(
            "growth of all these that show as much, from {} to {} rows ≤ 2 ×",
            super::FEW_ROWS,
            many.volume.rows
        ),
        format!("{value:.2} × at most, `{path}`"),
        at_most(value, MAX_GROWTH, &why),
    ])
}

fn add_fill_verdicts(verdicts: &mut Table, filled: &Filled) {
    let (minutes, size) = (minutes(filled), gigabytes(filled));
    verdicts.row(vec![
        "10,000,000 rows of each filled within 30 minutes".to_owned(),
        format!("{minutes:.1} min"),
        at_most(minutes, MAX_FILL_MINUTES, "the keys are built on two cores"),
    ]);
    verdicts.row(vec![
        "within 20 GB".to_owned(),
        format!("{size:.1} GB"),
        at_most(size, MAX_FILL_GB, "every list has indexes for its filters"),
    ]);
}

/// The same pages on both databases, in the same order.
fn pairs<'a>(few: &'a Run, many: &'a Run) -> impl Iterator<Item = (&'a Measured, &'a Measured)> {
    few.pages.iter().zip(&many.pages)
}

fn row_of(small: &Measured, large: &Measured) -> Vec<String> {
    vec![
        format!("`{}`", large.page.path),
        ms(large.times.ms(50)),
        ms(large.times.ms(95)),
        growth_text(small, large),
    ]
}

/// Growth as text, with that of the page if it shows more.
fn growth_text(small: &Measured, large: &Measured) -> String {
    let (time, length) = (growth(small, large), length_growth(small, large));
    if length <= MAX_LENGTH_GROWTH {
        return format!("{time:.2} ×");
    }
    format!("{time:.2} × ({length:.1} × the page)")
}

/// Growth of the page; none if it only leads to another one.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn length_growth(small: &Measured, large: &Measured) -> f64 {
    if small.bytes == 0 { 1.0 } else { large.bytes as f64 / small.bytes as f64 }
}

/// Medians, because the slowest of a few requests says more about the machine.
fn growth(small: &Measured, large: &Measured) -> f64 {
    large.times.ms(50) / small.times.ms(50)
}

fn worst_ms(run: &Run, wanted: impl Fn(&Measured) -> bool) -> Worst<'_> {
    let measured = run.pages.iter().filter(|measured| wanted(measured));
    worst(measured.map(|measured| (measured.times.ms(95), measured.page.path.as_str())))
}

fn worst<'a>(values: impl Iterator<Item = (f64, &'a str)>) -> Worst<'a> {
    values.max_by(|one, other| one.0.total_cmp(&other.0))
}

fn ms(value: f64) -> String {
    format!("{value:.1} ms")
}

fn mib(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::INFINITY, f64::from) / 1024.0
}

fn minutes(filled: &Filled) -> f64 {
    filled.took.as_secs_f64() / 60.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn gigabytes(filled: &Filled) -> f64 {
    filled.bytes as f64 / 1e9
}
