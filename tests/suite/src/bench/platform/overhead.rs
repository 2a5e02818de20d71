//! Cost of the rate limit of backends and of the delivery log: an API process without the limit, and one with a limit while
//! attempts are logged, in alternating rounds of one run. Deliveries end in both.

use std::time::Duration;

use anyhow::Context as _;
use flysk_domain::id::{EventId, WidgetId};
use flysk_domain::{Clock as _, SystemClock};
use flysk_store::Pool;
use flysk_store::platform::attempts::{self, Attempt};

use super::authentication::{handshake_request, median, pauth_request};
use super::pace::steadily;
use super::wrk::{LoadRequest, LoadResult, run_wrk};
use crate::bench::table::{Table, at_most};
use crate::environment::Environment;

/// Rounds per request and variant. An odd number has a median.
const MEASURED_ROUNDS: usize = 5;
/// Deliveries that end per second, as many as in the part about events.
const DELIVERIES_PER_SECOND: u32 = 100;
/// Largest share of the handshake's throughput.
const MAX_SHARE: f64 = 0.03;

/// The rounds of a request.
#[derive(Debug, Default)]
struct Rounds {
    without: Vec<LoadResult>,
    with: Vec<LoadResult>,
}

/// The median rounds of a request.
#[derive(Debug, Clone, Copy)]
struct Compared {
    without: LoadResult,
    with: LoadResult,
}

impl Rounds {
    fn compare(self) -> Compared {
        Compared { without: median(self.without), with: median(self.with) }
    }
}

impl Compared {
    /// Share of the throughput that is lost; negative if none is.
    fn lost(&self) -> f64 {
        1.0 - self.with.rate() / self.without.rate().max(f64::MIN_POSITIVE)
    }
}

/// Runs the benchmark, with workers stopped; returns its table and adds a verdict.
pub(super) async fn run(
    env: &mut Environment,
    load_time: Duration,
    verdicts: &mut Table,
) -> anyhow::Result<String> {
    let unlimited = [("FLYSK_BACKEND_REQUESTS_PER_MINUTE", "0")];
    let (process, url) = env.start_another_api(&unlimited).await.context("the API without a limit")?;
    let handshake = handshake_request(env)?;
    let pauth = pauth_request(env, &handshake);
    let handshakes = measure(env, &handshake, &format!("{url}/v1/handshake"), load_time).await?;
    let pauths = measure(env, &pauth, &format!("{url}/v1/pauth"), load_time).await?;
    env.terminate(process)?;

    let mut table = Table::new(&["answers/s", "neither limit nor log", "limit and log", "lost"]);
    for (name, found) in [("`POST /v1/handshake`", handshakes), ("`POST /v1/pauth`", pauths)] {
        table.row(vec![
            name.to_owned(),
            format!("{:.0}", found.without.rate()),
            format!("{:.0}", found.with.rate()),
            format!("{:.1} %", found.lost() * 100.0),
        ]);
    }
    verdicts.row(vec![
        "rate limit and delivery log ≤ 3 % of the handshake's throughput".to_owned(),
        format!("{:.1} %", handshakes.lost() * 100.0),
        at_most(handshakes.lost(), MAX_SHARE, "the database shares the machine's cores"),
    ]);
    Ok(format!(
        "{table}\nMedians of {MEASURED_ROUNDS} rounds of {} s for each variant, in turns, by wrk as above. Without: an API process with\n\
         `FLYSK_BACKEND_REQUESTS_PER_MINUTE=0`. With: one with a limit. In both, {DELIVERIES_PER_SECOND} transactions/s end a delivery; with the log, each\n\
         also writes its attempt. Handshakes are not limited, PAuth is.\n",
        load_time.as_secs()
    ))
}

/// Sends the request to its own address and to that of the process without a limit, in turns.
async fn measure(
    env: &Environment,
    limited: &LoadRequest,
    unlimited_url: &str,
    load_time: Duration,
) -> anyhow::Result<Compared> {
    let unlimited = LoadRequest { url: unlimited_url.to_owned(), ..limited.clone() };
    let mut rounds = Rounds::default();
    for round in 0..MEASURED_ROUNDS {
        // The order changes, so that neither variant always follows the other.
        for logs in [round % 2 == 0, round % 2 == 1] {
            let request = if logs { limited } else { &unlimited };
            let deliveries = end_deliveries(&env.pool, logs, load_time);
            let (found, ()) = tokio::try_join!(load(request.clone(), load_time), deliveries)?;
            if logs { &mut rounds.with } else { &mut rounds.without }.push(found);
        }
    }
    Ok(rounds.compare())
}

/// The load of a round, on a thread of its own.
async fn load(request: LoadRequest, load_time: Duration) -> anyhow::Result<LoadResult> {
    tokio::task::spawn_blocking(move || run_wrk(&request, load_time)).await?
}

/// Ends deliveries at a steady rate, and writes their attempts to the log or not.
async fn end_deliveries(pool: &Pool, logs: bool, time: Duration) -> anyhow::Result<()> {
    let events: Vec<String> =
        sqlx::query_scalar("SELECT id FROM lifecycle_events LIMIT 1000").fetch_all(pool).await?;
    let widget = WidgetId::generate(&SystemClock);
    steadily(DELIVERIES_PER_SECOND, time, |n| {
        let event = events.get(n as usize % events.len().max(1)).cloned();
        let pool = pool.clone();
        async move {
            let event: EventId = event.context("no event was sent")?.parse()?;
            let mut unit = pool.begin().await?;
            sqlx::query("UPDATE lifecycle_events SET attempts = attempts + 1 WHERE id = ?")
                .bind(event.to_string())
                .execute(&mut *unit)
                .await?;
            if logs {
                attempts::insert(&mut unit, widget, event, &delivered()).await?;
            }
            Ok(unit.commit().await?)
        }
    })
    .await?;
    Ok(())
}

/// The attempt of a delivery that the backend accepted.
fn delivered() -> Attempt {
    Attempt {
        attempt: 1,
        started_at: SystemClock.now(),
        took_ms: 3,
        status: Some(204),
        error: None,
        answer_head: Some(String::new()),
        interrupted: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(requests: u64) -> LoadResult {
        serde_json::from_value(serde_json::json!({
            "requests": requests, "us": 1_000_000, "failed": 0, "p50_us": 1, "p99_us": 2
        }))
        .unwrap()
    }

    #[test]
    fn the_lost_share_is_that_of_the_median_rounds() {
        let [without, with] =
            [[1_000, 2_000, 1_500], [1_455, 100, 1_500]].map(|rounds| rounds.map(result).to_vec());
        let lost = Rounds { without, with }.compare().lost();
        assert!((lost - 0.03).abs() < 1e-9, "{lost}");
    }
}
