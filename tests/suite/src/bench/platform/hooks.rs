//! amoCRM's note hook: how soon it is answered, which is when what it brought is durable.

use std::time::Duration;

use anyhow::Context as _;

use super::pace::steadily;
use crate::bench::table::{Table, at_most};
use crate::stand::{ACCOUNT, LEAD, PUBLIC_ORIGIN, Stand};

const PER_SECOND: u32 = 500;
const P99_MS: f64 = 50.0;

/// Runs it with workers stopped: accepted means kept, and what is kept waits.
pub(super) async fn run(stand: &Stand, time: Duration, verdicts: &mut Table) -> anyhow::Result<String> {
    let hooks = stand.outside.amocrm.state.hooks(ACCOUNT);
    let hook = hooks.first().context("FlySense has subscribed to notes")?;
    let url = hook.destination.replace(PUBLIC_ORIGIN, &stand.api_url);
    let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
    let times = steadily(PER_SECOND, time, |n| {
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
            .fetch_one(&stand.pool)
            .await?;
    anyhow::ensure!(usize::try_from(kept)? >= times.count(), "{kept} of {} hooks were kept", times.count());
    let mut table = Table::new(&["amoCRM's hook", "hooks", "p50", "p99", "slowest"]);
    let [p50, p99, most] = [50, 99, 100].map(|percent| format!("{:.1} ms", times.ms(percent)));
    table.row(vec![format!("{PER_SECOND}/s"), times.count().to_string(), p50, p99.clone(), most]);
    verdicts.row(vec![
        "amoCRM hook accepted (durable): p99 < 50 ms at 500/s".to_owned(),
        p99,
        at_most(times.ms(99), P99_MS, "each is a transaction of its own that is flushed to disk"),
    ]);
    Ok(format!(
        "{table}\nEach hook is a transaction that is flushed before it is answered; workers are stopped meanwhile.\n"
    ))
}

/// A plain note as amoCRM posts one; a call would set the whole of FlySense in motion afterwards.
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
