//! Bots in messengers: acceptance of updates, and broadcasts within the messengers' rate limits.

use std::time::Duration;

use anyhow::Context as _;
use flysk_domain::flysense::activation::messenger::Messenger;
use serde_json::{Value, json};

use super::broadcast::{Broadcast, Outcome};
use super::platform::pace::steadily;
use super::servers::Servers;
use super::table::{Table, at_least, at_most, budgets};
use super::times::Times;
use crate::environment::{BOT_WEBHOOK_SECRET, Environment, Options};

const UPDATES_PER_SECOND: u32 = 1_000;
const UPDATES_TIME: Duration = Duration::from_secs(10);
const MAX_P99_MS: f64 = 50.0;
/// Growth of a worker's memory during a broadcast.
const MAX_GROWTH_MIB: f64 = 8.0;

/// Runs the benchmark. `people`: dialogues of the broadcast in Telegram.
pub(super) async fn run(servers: &Servers, people: u32) -> anyhow::Result<String> {
    let mut env = Environment::start(Options { starts_switched_off: true, ..servers.environment() })
        .await
        .context("the environment does not start")?;
    // The API alone accepts updates; a worker is started for each broadcast.
    env.kill(1)?;
    let times = accept(&env).await?;
    sqlx::query("DELETE FROM jobs").execute(&env.pool).await?;
    sqlx::query("DELETE FROM bot_updates").execute(&env.pool).await?;
    let mut outcomes = Vec::new();
    for broadcast in broadcasts(people) {
        outcomes.push((broadcast, broadcast.run(&mut env).await?));
    }
    env.stop()?;
    Ok(report(&times, &outcomes))
}

/// Posts updates of different people at a steady rate. Each accepted one must be a stored update.
async fn accept(env: &Environment) -> anyhow::Result<Times> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let url = format!("{}/hooks/telegram", env.api_url);
    let times = steadily(UPDATES_PER_SECOND, UPDATES_TIME, |n| {
        let request = http
            .post(&url)
            .header("X-Telegram-Bot-Api-Secret-Token", BOT_WEBHOOK_SECRET)
            .json(&update(n))
            .send();
        async move {
            request.await?.error_for_status()?;
            Ok(())
        }
    })
    .await?;
    let kept: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM bot_updates").fetch_one(&env.pool).await?;
    let accepted = times.count();
    anyhow::ensure!(usize::try_from(kept)? == accepted, "{kept} of {accepted} updates were stored");
    Ok(times)
}

fn update(n: u32) -> Value {
    let person = 1_000_000 + i64::from(n);
    json!({ "update_id": n, "message": { "message_id": n, "date": 1_796_000_000, "text": "/start",
        "chat": { "id": person, "type": "private", "first_name": "Анна" },
        "from": { "id": person, "is_bot": false, "first_name": "Анна" } } })
}

/// Dialogues of the broadcast in MAX. At two messages a second in each, they stay below the limit of the bot.
const MAX_DIALOGUES: u32 = 10;

/// Many dialogues with one message each, where the limit of the bot counts, and few with many, where that of a dialogue does.
fn broadcasts(people: u32) -> [Broadcast; 2] {
    let each = (people / 50).clamp(1, 200);
    [
        Broadcast { messenger: Messenger::Telegram, people, each: 1 },
        Broadcast { messenger: Messenger::Max, people: MAX_DIALOGUES, each },
    ]
}

fn report(times: &Times, outcomes: &[(Broadcast, Outcome)]) -> String {
    let mut table = Table::new(&["Telegram's webhook", "updates", "p50", "p99", "slowest"]);
    let [p50, p99, most] = [50, 99, 100].map(|percent| format!("{:.1} ms", times.ms(percent)));
    table.row(vec![format!("{UPDATES_PER_SECOND}/s"), times.count().to_string(), p50, p99.clone(), most]);
    let mut verdicts = budgets();
    let wanted = f64::from(UPDATES_PER_SECOND) * UPDATES_TIME.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "updates are far below 2^53")]
    let accepted = times.count() as f64;
    verdicts.row(vec![
        "10,000 updates in 10 s: all accepted and stored".to_owned(),
        format!("{} accepted", times.count()),
        at_least(accepted, wanted, "requests failed"),
    ]);
    verdicts.row(vec![
        "10,000 updates in 10 s accepted (durable): p99 < 50 ms".to_owned(),
        p99,
        at_most(times.ms(99), MAX_P99_MS, "each is a transaction of its own that is flushed to disk"),
    ]);
    for (broadcast, outcome) in outcomes {
        let name = broadcast.messenger.label();
        let limit = broadcast.max_per_second();
        verdicts.row(vec![
            format!(
                "{name}: {} messages to {} people within {limit:.0}/s ({}/s in a dialogue), none refused",
                outcome.messages,
                broadcast.people,
                broadcast.max_per_second_in_dialogue()
            ),
            format!("{:.1}/s, {} refused", outcome.per_second, outcome.refused),
            at_most(
                outcome.per_second + if outcome.refused == 0 { 0.0 } else { f64::INFINITY },
                limit,
                "the limiter let too many pass",
            ),
        ]);
        let (early, most) = outcome.memory_mib;
        verdicts.row(vec![
            format!("{name}: memory of the worker grows by < {MAX_GROWTH_MIB:.0} MiB after the first tenth"),
            format!("from {early:.1} to {most:.1} MiB"),
            at_most(most - early, MAX_GROWTH_MIB, "something is kept for each message"),
        ]);
    }
    format!(
        "{table}\n{verdicts}\nEach update is a transaction that is flushed before the answer; the worker is stopped meanwhile.\n"
    )
}
