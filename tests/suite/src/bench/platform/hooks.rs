//! amoCRM's note webhook: response time. The webhook is durable when it is answered.

use std::time::Duration;

use anyhow::Context as _;

use super::pace::steadily;
use crate::bench::table::{Table, at_most};
use crate::bench::times::Times;
use crate::environment::{ACCOUNT, Environment, LEAD, PUBLIC_ORIGIN};

/// Rates, per second, each with its budget for p99, in milliseconds.
const RATES: [(u32, f64); 2] = [(500, 50.0), (2_000, 10.0)];
/// Time before the first measurement, in which connections are opened and statements prepared.
const WARM_UP: Duration = Duration::from_secs(2);

/// Runs the benchmark with workers stopped: every accepted webhook must be a queued job.
pub(super) async fn run(env: &Environment, time: Duration, verdicts: &mut Table) -> anyhow::Result<String> {
    let mut table = Table::new(&["amoCRM's webhook", "webhooks", "p50", "p99", "slowest"]);
    let warming = accepted(env, RATES[0].0, 0, WARM_UP).await?;
    let mut sent = u32::try_from(warming.count())?;
    for (per_second, max_p99_ms) in RATES {
        let times = accepted(env, per_second, sent, time).await?;
        sent += u32::try_from(times.count())?;
        let kept: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM jobs WHERE kind = 'calls.ingest_note' AND state = 'queued'",
        )
        .fetch_one(&env.pool)
        .await?;
        anyhow::ensure!(kept >= i64::from(sent), "{kept} of {sent} webhooks were stored");
        let [p50, p99, most] = [50, 99, 100].map(|percent| format!("{:.1} ms", times.ms(percent)));
        table.row(vec![format!("{per_second}/s"), times.count().to_string(), p50, p99.clone(), most]);
        verdicts.row(vec![
            format!("amoCRM webhook accepted (durable): p99 < {max_p99_ms:.0} ms at {per_second}/s"),
            p99,
            at_most(
                times.ms(99),
                max_p99_ms,
                "a webhook waits for the transaction before it, and for a flush; the load generator shares the cores",
            ),
        ]);
    }
    Ok(format!(
        "{table}\nEach webhook is durable when it is answered; those that wait share a transaction, which is flushed. Workers are stopped meanwhile. \
         Before, webhooks are sent for two seconds that are not measured.\n"
    ))
}

/// Sends webhooks at a rate; `sent` were sent before.
async fn accepted(env: &Environment, per_second: u32, sent: u32, time: Duration) -> anyhow::Result<Times> {
    let hook = env.simulators.amocrm.state.hooks(ACCOUNT);
    let hook = hook.first().context("FlySense has subscribed to notes")?;
    let url = hook.destination.replace(PUBLIC_ORIGIN, &env.api_url);
    let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
    steadily(per_second, time, |n| {
        let request = http
            .post(&url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("User-Agent", "amoCRM-Webhooks/3.0")
            .body(form(sent + n))
            .send();
        async move {
            request.await?.error_for_status()?;
            Ok(())
        }
    })
    .await
}

/// A plain note as amoCRM sends it. A call note would trigger FlySense's processing afterwards.
fn form(n: u32) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("account[subdomain]", "demo").append_pair("account[id]", &ACCOUNT.to_string());
    for (field, value) in [
        ("id", (900_000_000 + n).to_string()),
        ("note_type", "4".to_owned()),
        ("element_type", "2".to_owned()),
        ("element_id", LEAD.to_string()),
        ("text", "measured".to_owned()),
        ("account_id", ACCOUNT.to_string()),
    ] {
        form.append_pair(&format!("leads[note][0][note][{field}]"), &value);
    }
    form.finish()
}
