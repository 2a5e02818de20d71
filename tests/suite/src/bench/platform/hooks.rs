//! amoCRM's note webhook: response time. The webhook is durable when it is answered.

use std::time::Duration;

use anyhow::Context as _;

use super::pace::steadily;
use crate::bench::table::{Table, at_most};
use crate::environment::{ACCOUNT, Environment, LEAD, PUBLIC_ORIGIN};

const HOOKS_PER_SECOND: u32 = 500;
const MAX_P99_MS: f64 = 50.0;

/// Runs the benchmark with workers stopped: every accepted webhook must be a queued job.
pub(super) async fn run(env: &Environment, time: Duration, verdicts: &mut Table) -> anyhow::Result<String> {
    let hooks = env.simulators.amocrm.state.hooks(ACCOUNT);
    let hook = hooks.first().context("FlySense has subscribed to notes")?;
    let url = hook.destination.replace(PUBLIC_ORIGIN, &env.api_url);
    let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
    let times = steadily(HOOKS_PER_SECOND, time, |n| {
        let request = http
            .post(&url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("User-Agent", "amoCRM-Webhooks/3.0")
            .body(form(n))
            .send();
        async move {
            request.await?.error_for_status()?;
            Ok(())
        }
    })
    .await?;
    let kept: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.ingest_note' AND state = 'queued'")
            .fetch_one(&env.pool)
            .await?;
    anyhow::ensure!(
        usize::try_from(kept)? >= times.count(),
        "{kept} of {} webhooks were stored",
        times.count()
    );
    let mut table = Table::new(&["amoCRM's webhook", "webhooks", "p50", "p99", "slowest"]);
    let [p50, p99, most] = [50, 99, 100].map(|percent| format!("{:.1} ms", times.ms(percent)));
    table.row(vec![format!("{HOOKS_PER_SECOND}/s"), times.count().to_string(), p50, p99.clone(), most]);
    verdicts.row(vec![
        "amoCRM webhook accepted (durable): p99 < 50 ms at 500/s".to_owned(),
        p99,
        at_most(times.ms(99), MAX_P99_MS, "each is a transaction of its own that is flushed to disk"),
    ]);
    Ok(format!(
        "{table}\nEach webhook is a transaction that is flushed before the answer. Workers are stopped meanwhile.\n"
    ))
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
