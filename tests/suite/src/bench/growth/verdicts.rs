//! Budgets of growth, and whether they are kept.

use super::other_tenants::{FEW_DUE_JOBS, StartDelays};
use super::proving::Proving;
use super::pruning::Pruned;
use super::ticks::Ticks;
use super::{Pair, Run};
use crate::bench::table::{Table, at_most, budgets};

/// Cost on the full database, relative to that on the empty one.
const MAX_GROWTH: f64 = 1.3;
const MAX_DELAY_GROWTH: f64 = 1.2;
/// Redis holds what workers take in 250 ms, and is looked at every 50 ms.
const MAX_DELAY_MS: f64 = 300.0;
const MAX_LOOK_MS: f64 = 20.0;
const MAX_STATEMENT_MS: f64 = 200.0;
const MAX_NEW_SHARE: f64 = 0.05;

/// Why a hot path may cost more on the full database.
const WHY_PATHS_GROW: &str = "indexes are larger, and their pages are not all in memory";

/// Verdicts on all budgets. What was not measured says why.
pub(super) fn verdicts(run: &Run) -> Table {
    let mut verdicts = budgets();
    match &run.paths {
        Ok(paths) => paths.iter().for_each(|pair| judge_path(pair, &mut verdicts)),
        Err(error) => verdicts.row(not_measured("hot paths ≤ 1.3 × their cost on the empty database", error)),
    }
    match &run.nothing_due {
        Ok(pair) => judge_path(pair, &mut verdicts),
        Err(error) => verdicts
            .row(not_measured("look of a relay, nothing due ≤ 1.3 × its cost on the empty database", error)),
    }
    let starts = "claims: starts of empty jobs ≤ 1.3 × their cost on the empty database";
    match &run.starts {
        Ok(rates) => {
            let growth = starts_growth(*rates);
            let verdict = at_most(growth, MAX_GROWTH, "every start and end moves a row in larger indexes");
            verdicts.row(vec![starts.to_owned(), format!("{growth:.2} ×"), verdict]);
        }
        Err(error) => verdicts.row(not_measured(starts, error)),
    }
    match &run.ticks {
        Ok(ticks) => judge_ticks(ticks, &mut verdicts),
        Err(error) => verdicts.row(not_measured("jobs of the schedule ≤ 1.3 ×", error)),
    }
    judge_waiting(run, &mut verdicts);
    match &run.pruned {
        Ok(pruned) => judge_deletion(pruned, &mut verdicts),
        Err(error) => verdicts.row(not_measured("deletion: no statement > 200 ms", error)),
    }
    match &run.proving {
        Ok([_, full]) => judge_proving(full, &mut verdicts),
        Err(error) => verdicts.row(not_measured("`ledger:verify` of what is new", error)),
    }
    verdicts
}

fn not_measured(budget: &str, error: &anyhow::Error) -> Vec<String> {
    vec![budget.to_owned(), cause(error), "not measured".to_owned()]
}

/// The first line of an error's cause, without the logs that others have.
pub(super) fn cause(error: &anyhow::Error) -> String {
    let cause = error.root_cause().to_string();
    cause.lines().next().unwrap_or_default().to_owned()
}

fn judge_path(pair: &Pair, verdicts: &mut Table) {
    verdicts.row(vec![
        format!("{} ≤ 1.3 × its cost on the empty database", pair.name),
        format!("{:.2} ×", pair.growth()),
        at_most(pair.growth(), MAX_GROWTH, WHY_PATHS_GROW),
    ]);
}

/// The job that grows most of each group.
fn judge_ticks(ticks: &Ticks, verdicts: &mut Table) {
    for (budget, pairs, why) in [
        (
            "jobs of the schedule with nothing due ≤ 1.3 × their cost on the empty database",
            &ticks.due,
            "it reads more than what is due",
        ),
        (
            "jobs of the schedule that count customers and calls of the day, by the same measure",
            &ticks.slow,
            "it reads each customer or each call of the day, once a minute or less often",
        ),
    ] {
        let Some(worst) = pairs.iter().max_by(|one, other| one.growth().total_cmp(&other.growth())) else {
            continue;
        };
        verdicts.row(vec![
            budget.to_owned(),
            format!("{:.2} × at most, {}", worst.growth(), worst.name),
            at_most(worst.growth(), MAX_GROWTH, why),
        ]);
    }
}

fn judge_waiting(run: &Run, verdicts: &mut Table) {
    match &run.delays {
        Ok(delays) => judge_delays(delays, verdicts),
        Err(error) => verdicts.row(not_measured("other tenants' start delay ≤ 1.2 ×", error)),
    }
    let look = "look of a relay with all waiting jobs due: p95 < 20 ms";
    match &run.all_due {
        Ok(times) => verdicts.row(vec![
            look.to_owned(),
            format!("{:.1} ms", times.ms(95)),
            at_most(times.ms(95), MAX_LOOK_MS, "the statements read more rows than they need"),
        ]),
        Err(error) => verdicts.row(not_measured(look, error)),
    }
}

fn judge_delays(delays: &StartDelays, verdicts: &mut Table) {
    let [idle, few, many] = [&delays.idle, &delays.few, &delays.many].map(|times| times.ms(50));
    for (budget, growth, why) in [
        (
            format!("other tenants' start delay beside all waiting jobs ≤ 1.2 × that beside {FEW_DUE_JOBS}"),
            many / few,
            "the relay's look takes longer",
        ),
        (
            "other tenants' start delay beside all waiting jobs ≤ 1.2 × that of an idle worker".to_owned(),
            many / idle,
            "a busy worker first takes what Redis holds, 250 ms of work; see docs/decisions/0073",
        ),
    ] {
        verdicts.row(vec![budget, format!("{growth:.2} ×"), at_most(growth, MAX_DELAY_GROWTH, why)]);
    }
    verdicts.row(vec![
        format!("other tenants' start delay beside {FEW_DUE_JOBS}: at most 300 ms more than with none"),
        format!("{:.0} ms", few - idle),
        at_most(few - idle, MAX_DELAY_MS, "too many jobs of the one tenant wait in Redis"),
    ]);
}

fn judge_deletion(pruned: &Pruned, verdicts: &mut Table) {
    let verdict = match pruned.longest_ms {
        Ok(longest) => at_most(
            longest.unwrap_or_default(),
            MAX_STATEMENT_MS,
            "a piece met pages that were not in memory",
        ),
        Err(_) => "not measured".to_owned(),
    };
    verdicts.row(vec!["deletion: no statement > 200 ms".to_owned(), pruned.longest(), verdict]);
    let waits = pruned.lock_waits;
    verdicts.row(vec![
        "deletion: no lock that a charge waits for".to_owned(),
        format!("{waits} waits on the whole server"),
        if waits > 0 { "missed: a statement waited for a row".to_owned() } else { "kept".to_owned() },
    ]);
}

fn judge_proving(full: &Proving, verdicts: &mut Table) {
    let share = full.next.took.as_secs_f64() / full.all.took.as_secs_f64();
    verdicts.row(vec![
        "`ledger:verify` of what is new ≤ 0.05 × that of the whole ledger".to_owned(),
        format!("{share:.3}"),
        at_most(share, MAX_NEW_SHARE, "every wallet's balance is compared, and the process starts"),
    ]);
}

/// Cost of a start on the full database, relative to that on the empty one.
pub(super) fn starts_growth(rates: [f64; 2]) -> f64 {
    let [empty, full] = rates;
    empty / full
}
