//! Tables of what was measured, and verdicts.

use std::time::Duration;

use anyhow::Context as _;

use super::other_tenants::FEW_DUE_JOBS;
use super::proving::Verified;
use super::{Pair, Run};
use crate::bench::table::{Table, at_most, budgets};
use crate::bench::times::Times;

/// Budgets.
const MAX_GROWTH: f64 = 1.3;
const MAX_DELAY_GROWTH: f64 = 1.2;
/// Redis holds what workers take in 250 ms, and is looked at every 50 ms.
const MAX_DELAY_MS: f64 = 300.0;
const MAX_LOOK_MS: f64 = 20.0;
const MAX_STATEMENT_MS: f64 = 200.0;
const MAX_NEW_SHARE: f64 = 0.05;

/// The text of the part.
pub(super) fn text(run: &Run) -> anyhow::Result<String> {
    let hot = hot_paths(run);
    let ticks = pairs_table("job of the schedule with nothing due", &run.ticks);
    let slow =
        pairs_table("job of the schedule that grows with customers and calls of the day", &run.slow_ticks);
    let (waiting, pruned, ledger) = (waiting_table(run)?, pruning_table(run), ledger_table(run));
    let verdicts = verdicts(run)?;
    Ok(format!("{hot}\n{ticks}\n{slow}\n{waiting}\n{pruned}\n{ledger}\n{verdicts}\n{}", method(run)))
}

fn method(run: &Run) -> String {
    let (volume, extra) = (run.volume, run.extra);
    format!(
        "The full database has {rows} done jobs, calls and ledger entries each, {installs} installs with tokens and wallets, and {waiting} waiting jobs of\n\
         one tenant among 1,000; filled in {minutes:.1} min, {size:.1} GB. Its measured customer has {own} calls and charges, that of the empty one 20.\n\
         Both environments run at the same time and are asked in turns over HTTP, one request after the other; growth is the ratio of the medians. A job\n\
         of the schedule is performed by a worker process, from the claim to the end. Jobs of other tenants arrive 20/s while a worker\n\
         process performs those of the one tenant, which take 5 ms each. Rows are deleted by a worker process while the customer is charged\n\
         50/s; statements are timed by the server. `ledger:verify` is the whole command; between its first and its second run 200 charges were made.\n",
        rows = volume.rows,
        installs = volume.installs,
        waiting = extra.waiting,
        own = extra.own,
        minutes = run.filled.took.as_secs_f64() / 60.0,
        size = gigabytes(run.filled.bytes),
    )
}

fn hot_paths(run: &Run) -> Table {
    let mut table = pairs_table("hot path", &run.paths);
    table.row(pair_row(&run.selections.nothing_due));
    let [empty, full] = run.starts.map(|rate| format!("{rate:.0}/s"));
    table.row(vec![
        "starts of empty jobs, one worker process".to_owned(),
        empty,
        full,
        format!("{:.2} ×", starts_growth(run)),
    ]);
    table
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

fn waiting_table(run: &Run) -> anyhow::Result<Table> {
    let mut table = Table::new(&["beside waiting jobs of one tenant", "p50", "p95"]);
    let mut put = |name: String, times: &Times| table.row(vec![name, ms(times, 50), ms(times, 95)]);
    let (delays, waiting) = (&run.delays, run.extra.waiting);
    put("start of another tenant's job, none waiting".to_owned(), &delays.idle);
    put(format!("start of another tenant's job, {FEW_DUE_JOBS} due"), &delays.few);
    put(format!("start of another tenant's job, {waiting} due"), &delays.many);
    put(format!("look of a relay, {waiting} due"), all_due(run)?);
    put("counting of 50,000 waiting jobs for the metrics".to_owned(), &run.counting);
    Ok(table)
}

fn pruning_table(run: &Run) -> Table {
    let pruned = &run.pruned;
    let mut table =
        Table::new(&["deletion of old rows", "rows", "took", "longest statement", "waits for row locks"]);
    table.row(vec![
        "`upkeep.prune_jobs` and `upkeep.prune_history`".to_owned(),
        pruned.rows.to_string(),
        seconds(pruned.took),
        longest(run),
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

fn longest(run: &Run) -> String {
    match &run.pruned.longest_ms {
        Ok(Some(longest)) => format!("{longest:.0} ms"),
        Ok(None) => "below 20 ms".to_owned(),
        Err(error) => format!("not recorded: {error:#}"),
    }
}

fn ledger_table(run: &Run) -> Table {
    let mut table = Table::new(&["`ledger:verify`", "entries read", "took", "memory"]);
    for (database, proving) in ["empty", "full"].into_iter().zip(&run.proving) {
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

fn verdicts(run: &Run) -> anyhow::Result<Table> {
    let mut verdicts = budgets();
    judge_growth(run, &mut verdicts)?;
    judge_waiting(run, &mut verdicts)?;
    judge_upkeep(run, &mut verdicts);
    Ok(verdicts)
}

fn judge_growth(run: &Run, verdicts: &mut Table) -> anyhow::Result<()> {
    let mut put = |budget: &str, measured: String, growth: f64, why: &str| {
        verdicts.row(vec![budget.to_owned(), measured, at_most(growth, MAX_GROWTH, why)]);
    };
    let slowest = worst(run.paths.iter().chain([&run.selections.nothing_due]))?;
    put(
        "hot paths ≤ 1.3 × their cost on the empty database",
        format!("{:.2} × at most, {}", slowest.growth(), slowest.name),
        slowest.growth(),
        "indexes are larger, and their pages are not all in memory",
    );
    let growth = starts_growth(run);
    put(
        "claims: starts of empty jobs ≤ 1.3 × their cost on the empty database",
        format!("{growth:.2} ×"),
        growth,
        "every start and end moves a row in larger indexes",
    );
    let slowest = worst(run.ticks.iter())?;
    put(
        "ticks with nothing due ≤ 1.3 × their cost on the empty database",
        format!("{:.2} × at most, {}", slowest.growth(), slowest.name),
        slowest.growth(),
        "it reads more than what is due",
    );
    Ok(())
}

fn worst<'a>(pairs: impl Iterator<Item = &'a Pair>) -> anyhow::Result<&'a Pair> {
    let worst = pairs.max_by(|one, other| one.growth().total_cmp(&other.growth()));
    worst.context("nothing was measured")
}

fn judge_waiting(run: &Run, verdicts: &mut Table) -> anyhow::Result<()> {
    let growth = run.delays.many.ms(50) / run.delays.few.ms(50);
    verdicts.row(vec![
        format!("other tenants' start delay beside all waiting jobs ≤ 1.2 × that beside {FEW_DUE_JOBS}"),
        format!("{growth:.2} ×"),
        at_most(growth, MAX_DELAY_GROWTH, "the relay's look takes longer"),
    ]);
    let delay = run.delays.few.ms(50) - run.delays.idle.ms(50);
    verdicts.row(vec![
        format!("other tenants' start delay beside {FEW_DUE_JOBS}: at most 300 ms more than with none"),
        format!("{delay:.0} ms"),
        at_most(delay, MAX_DELAY_MS, "too many jobs of the one tenant wait in Redis"),
    ]);
    let look = all_due(run)?.ms(95);
    verdicts.row(vec![
        "look of a relay with all waiting jobs due: p95 < 20 ms".to_owned(),
        format!("{look:.1} ms"),
        at_most(look, MAX_LOOK_MS, "the statements read more rows than they need"),
    ]);
    Ok(())
}

fn judge_upkeep(run: &Run, verdicts: &mut Table) {
    verdicts.row(vec!["deletion: no statement > 200 ms".to_owned(), longest(run), longest_verdict(run)]);
    let waits = run.pruned.lock_waits;
    verdicts.row(vec![
        "deletion: no lock that a charge waits for".to_owned(),
        format!("{waits} waits on the whole server"),
        if waits > 0 { "missed: a statement waited for a row".to_owned() } else { "kept".to_owned() },
    ]);
    let [_, full] = &run.proving;
    let share = full.next.took.as_secs_f64() / full.all.took.as_secs_f64();
    verdicts.row(vec![
        "`ledger:verify` of what is new ≤ 0.05 × that of the whole ledger".to_owned(),
        format!("{share:.3}"),
        at_most(share, MAX_NEW_SHARE, "every wallet's balance is compared, and the process starts"),
    ]);
}

fn longest_verdict(run: &Run) -> String {
    match run.pruned.longest_ms {
        Ok(longest) => at_most(
            longest.unwrap_or_default(),
            MAX_STATEMENT_MS,
            "a piece met pages that were not in memory",
        ),
        Err(_) => "not measured".to_owned(),
    }
}

/// Cost of a start on the full database, relative to that on the empty one.
fn starts_growth(run: &Run) -> f64 {
    let [empty, full] = run.starts;
    empty / full
}

fn all_due(run: &Run) -> anyhow::Result<&Times> {
    run.selections.all_due.as_ref().context("no look was measured")
}

fn ms(times: &Times, percent: usize) -> String {
    format!("{:.2} ms", times.ms(percent))
}

fn seconds(time: Duration) -> String {
    format!("{:.0} s", time.as_secs_f64())
}

fn mib(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::INFINITY, f64::from) / 1024.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn gigabytes(bytes: i64) -> f64 {
    bytes as f64 / 1e9
}
