//! Tables of what was measured.

use std::time::Duration;

use super::other_tenants::FEW_DUE_JOBS;
use super::proving::{Proving, Verified};
use super::pruning::{MAX_DELETION_TIME, Pruned};
use super::verdicts::{cause, starts_growth, verdicts};
use super::{Pair, Run};
use crate::bench::table::Table;
use crate::bench::times::Times;

/// The text of the part.
pub(super) fn text(run: &Run) -> String {
    let tables = [
        hot_paths(run),
        ticks_tables(run),
        waiting_table(run),
        shown(run.pruned.as_ref().map(pruning_table), "deletion of old rows"),
        shown(run.proving.as_ref().map(ledger_table), "`ledger:verify`"),
        verdicts(run).to_string(),
    ];
    format!("{}\n{}", tables.join("\n"), method(run))
}

/// A table, or why there is none.
fn shown(table: Result<Table, &anyhow::Error>, name: &str) -> String {
    match table {
        Ok(table) => table.to_string(),
        Err(error) => format!("{name}: **not run**: {}.\n", cause(error)),
    }
}

fn method(run: &Run) -> String {
    let (volume, extra) = (run.volume, run.extra);
    let laps = run.laps.taken.iter().map(|(step, took)| format!("{step} {:.1}", minutes(*took)));
    format!(
        "The full database has {rows} calls, ledger entries and jobs each, nearly all jobs done, {installs} installs with tokens and\n\
         wallets, and {waiting} waiting jobs of one tenant among 1,000; filled in {minutes:.1} min, {size:.1} GB. Its measured customer has\n\
         {own} calls and charges, that of the empty one 20. Both environments run at the same time and are asked in turns over HTTP, one request\n\
         after the other; growth is the ratio of the medians. Starts are those of the median of three backlogs on each database. A job of the\n\
         schedule is performed by a worker process, from the claim to the end. Jobs of other tenants arrive 20/s while a worker process performs\n\
         those of the one tenant, which take 5 ms each. Rows are deleted by a worker process while the customer is charged up to 50/s;\n\
         statements are timed by the server. `ledger:verify` is the whole command; between its first and its second run 200 charges were\n\
         made. Minutes of the steps: {laps}.\n",
        rows = volume.rows,
        installs = volume.installs,
        waiting = extra.waiting,
        own = extra.own,
        minutes = minutes(run.filled.took),
        size = gigabytes(run.filled.bytes),
        laps = laps.collect::<Vec<_>>().join(", "),
    )
}

fn hot_paths(run: &Run) -> String {
    let mut table = pairs_table("hot path", run.paths.as_deref().unwrap_or_default());
    if let Ok(pair) = &run.nothing_due {
        table.row(pair_row(pair));
    }
    if let Ok(starts) = &run.starts {
        let [empty, full] = starts.map(|rate| format!("{rate:.0}/s"));
        let growth = format!("{:.2} ×", starts_growth(*starts));
        table.row(vec!["starts of empty jobs, one worker process".to_owned(), empty, full, growth]);
    }
    table.to_string()
}

fn ticks_tables(run: &Run) -> String {
    match &run.ticks {
        Ok(ticks) => format!(
            "{}\n{}",
            pairs_table("job of the schedule with nothing due", &ticks.due),
            pairs_table("job of the schedule that grows with customers and calls of the day", &ticks.slow)
        ),
        Err(error) => format!("jobs of the schedule: **not run**: {}.\n", cause(error)),
    }
}

fn pairs_table(name: &str, pairs: &[Pair]) -> Table {
    let mut table = Table::new(&[name, "empty, p50", "full, p50", "growth"]);
    for pair in pairs {
        table.row(pair_row(pair));
    }
    table
}

fn pair_row(pair: &Pair) -> Vec<String> {
    vec![pair.name.clone(), ms(&pair.empty, 50), ms(&pair.full, 50), format!("{:.2} ×", pair.growth())]
}

fn waiting_table(run: &Run) -> String {
    let mut table = Table::new(&["beside waiting jobs of one tenant", "p50", "p95"]);
    let mut put = |name: String, times: &Times| table.row(vec![name, ms(times, 50), ms(times, 95)]);
    let waiting = run.extra.waiting;
    if let Ok(delays) = &run.delays {
        put("start of another tenant's job, none waiting".to_owned(), &delays.idle);
        put(format!("start of another tenant's job, {FEW_DUE_JOBS} due"), &delays.few);
        put(format!("start of another tenant's job, {waiting} due"), &delays.many);
    }
    if let Ok(look) = &run.all_due {
        put(format!("look of a relay, {waiting} due"), look);
    }
    if let Ok(counting) = &run.counting {
        put("counting of 50,000 waiting jobs for the metrics".to_owned(), counting);
    }
    table.to_string()
}

fn pruning_table(pruned: &Pruned) -> Table {
    let mut table =
        Table::new(&["deletion of old rows", "rows", "took", "longest statement", "waits for row locks"]);
    let took = if pruned.is_finished {
        seconds(pruned.took)
    } else {
        format!("stopped after {:.0} min, not at its end", minutes(MAX_DELETION_TIME))
    };
    table.row(vec![
        "`upkeep.prune_jobs` and `upkeep.prune_history`".to_owned(),
        format!("{}, {:.0}/s", pruned.rows, rows_per_second(pruned)),
        took,
        pruned.longest(),
        pruned.lock_waits.to_string(),
    ]);
    let charges = |name: &str, times: &Times| {
        let cells = [50, 99].map(|percent| ms(times, percent)).join(", p99 ");
        vec![format!("charges {name}"), times.count().to_string(), format!("p50 {cells}")]
    };
    table.row(charges("before", &pruned.alone));
    table.row(charges("meanwhile", &pruned.beside));
    table
}

fn ledger_table(proving: &[Proving; 2]) -> Table {
    let mut table = Table::new(&["`ledger:verify`", "entries read", "took", "memory"]);
    for (database, proving) in ["empty", "full"].into_iter().zip(proving) {
        let mut put = |name: &str, verified: &Verified| {
            table.row(vec![
                format!("{name}, {database} database"),
                verified.entries.to_string(),
                format!("{:.2} s", verified.took.as_secs_f64()),
                format!("{:.0} MiB", mib(verified.peak_kib)),
            ]);
        };
        put("first run", &proving.first);
        put("what is new", &proving.next);
        put("`--all`", &proving.all);
    }
    table
}

fn ms(times: &Times, percent: usize) -> String {
    format!("{:.2} ms", times.ms(percent))
}

fn seconds(time: Duration) -> String {
    format!("{:.0} s", time.as_secs_f64())
}

fn minutes(time: Duration) -> f64 {
    time.as_secs_f64() / 60.0
}

fn mib(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::INFINITY, f64::from) / 1024.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn rows_per_second(pruned: &Pruned) -> f64 {
    pruned.rows as f64 / pruned.took.as_secs_f64().max(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn gigabytes(bytes: i64) -> f64 {
    bytes as f64 / 1e9
}
