//! Previews: `POST /v1/subscription/quotes` beside a bare handler that reads and writes the same rows.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use crate::bench::bare::{Bare, QUOTE_PATH};
use crate::bench::platform::authentication::{half_load, handshake_request, median};
use crate::bench::platform::wrk::{LoadRequest, run_wrk};
use crate::bench::servers::Servers;
use crate::bench::table::{Table, at_least, at_most};
use crate::environment::Environment;

/// Rounds per request, interleaved so that other load on the machine affects both alike.
const MEASURED_ROUNDS: usize = 3;
/// Size of the connection pool of the API (its default) and of the peer.
const CONNECTIONS: u32 = 20;
const MIN_SHARE: f64 = 0.6;
const MAX_P99_MS: f64 = 10.0;

/// Measures previews; adds the verdicts.
pub(super) async fn run(
    servers: &Servers,
    load_time: Duration,
    verdicts: &mut Table,
) -> anyhow::Result<String> {
    let mut env =
        Environment::start(servers.environment()).await.context("the environment does not start")?;
    env.command("flysk-worker", &["plan:set", "--title", "Про", "--price", "1=99000", "flysense", "pro"])?;
    let switch = ["widget:update", "flysense", "--uses-subscriptions", "true", "--trial-days", "14"];
    env.command("flysk-worker", &switch)?;
    env.install().await.context("FlySense cannot be installed")?;
    // The API alone is measured.
    env.kill(1)?;
    let plan: String = sqlx::query_scalar("SELECT id FROM subscription_plans").fetch_one(&env.pool).await?;
    let database = env.variables().get("DATABASE_URL").context("the environment has a database")?;
    let bare = Bare::start(servers, database, CONNECTIONS).await?;
    let preview = LoadRequest {
        url: format!("{}/v1/subscription/quotes", env.api_url),
        body: json!({ "change": "start", "plan_id": plan, "seats": 3, "months": 1 }).to_string(),
        ..handshake_request(&env)?
    };
    let peer =
        LoadRequest { url: format!("{}{}", bare.url.trim_end_matches('/'), QUOTE_PATH), ..preview.clone() };
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..MEASURED_ROUNDS {
        bare.push(run_wrk(&peer, load_time)?);
        ours.push(run_wrk(&preview, load_time)?);
    }
    let (bare, ours) = (median(bare), median(ours));
    let half = half_load(&env, &preview, ours.rate() / 2.0, load_time).await?;
    env.stop()?;
    let mut table = Table::new(&["previews", "answers/s"]);
    table.row(vec!["bare handler".to_owned(), format!("{:.0}", bare.rate())]);
    table.row(vec!["`POST /v1/subscription/quotes`".to_owned(), format!("{:.0}", ours.rate())]);
    let share = ours.rate() / bare.rate();
    verdicts.row(vec![
        "preview ≥ 60 % of a bare handler that reads and writes the same rows".to_owned(),
        format!("{:.0} %", share * 100.0),
        at_least(share, MIN_SHARE, "the token is verified, and the stored quote is read again"),
    ]);
    verdicts.row(vec![
        "preview: p99 < 10 ms at half load".to_owned(),
        format!("{:.1} ms", half.ms(99)),
        at_most(half.ms(99), MAX_P99_MS, "each preview is a commit that is flushed"),
    ]);
    Ok(table.to_string())
}
