//! Calls while Redis fails over.

use std::time::Duration;

use anyhow::Context as _;
use flysk_suite::chaos::fleet::lock_machine;
use flysk_suite::chaos::redis::{Departure, RedisWithSentinels};
use flysk_suite::environment::{Environment, Options};

use crate::charging::everything_is_paid;

const FAILOVERS: usize = 20;
const CALL_TIMEOUT: Duration = Duration::from_mins(5);

/// Before each failover two calls arrive, and one after it: each is transcribed and charged once, and the ledger is
/// consistent.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: 20 failovers take minutes"]
async fn calls_are_transcribed_and_charged_once_over_twenty_failovers() -> anyhow::Result<()> {
    let _lock = lock_machine().await;
    // Dropped after the environment, whose keys are deleted.
    let mut redis = RedisWithSentinels::start()?;
    let mut options = Options::with_fixtures(0.02)?;
    options.redis_url = redis.url();
    let env = Environment::start(options).await?;
    env.install().await?;
    let client = env.client()?;
    let arrive = || {
        let recording = env.simulators.recording_url("support-stereo.flac");
        env.simulators.call_arrives(Some(recording), 42)
    };
    let mut calls = Vec::new();
    let departures = [Departure::Killed, Departure::Frozen, Departure::Demoted];
    for departure in departures.into_iter().cycle().take(FAILOVERS) {
        let mut notes = vec![arrive()?, arrive()?];
        redis.fail_over(departure)?;
        notes.push(arrive()?);
        for note in notes {
            let call = client.wait_for_end(note, CALL_TIMEOUT).await.with_context(|| env.logs())?;
            anyhow::ensure!(call.state == "done", "{departure:?}: {}", call.raw);
            calls.push(call.id);
        }
        redis.restore()?;
    }
    everything_is_paid(&env, &client, &calls).await
}
