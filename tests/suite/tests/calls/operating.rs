//! Operations: replays of dead jobs, key rotation, a worker stopped at a critical moment.

use std::time::Duration;

use flysk_simulators::{Act, Script};
use flysk_suite::environment::{ACCOUNT, Environment};

use crate::harness::NEW_RING;
use crate::recordings::bucket_gets_empty;
use crate::start_env;

async fn jobs(env: &Environment, query: &'static str) -> anyhow::Result<Vec<String>> {
    Ok(sqlx::query_scalar(query).fetch_all(&env.pool).await?)
}

/// The dead job of a stage failed its call; after a replay, the call restarts and completes, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_stage_completes_its_call() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let note = env.simulators.call_arrives(None, 42)?;
    let id = client.transcribe(note).await?;
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'waiting_for_link'", 1).await?;
    // The last attempt fails before the note is read.
    env.simulators.amocrm.control.script(Script::next(format!("/api/v4/leads/notes/{note}"), Act::Cut));
    sqlx::query("UPDATE jobs SET attempt = 11, run_at = UTC_TIMESTAMP(6), push_at = UTC_TIMESTAMP(6) WHERE kind = 'calls.fetch_recording'")
        .execute(&env.pool)
        .await?;
    let failed = client.wait_for_end(note, Duration::from_mins(5)).await?;
    assert_eq!(failed.failure_code.as_deref(), Some("recording_unavailable"), "{}", failed.raw);
    let dead = jobs(&env, "SELECT id FROM jobs WHERE state = 'dead'").await?;
    assert_eq!(dead.len(), 1);
    let dead = &dead[0];

    env.simulators.amocrm.state.set_link(
        ACCOUNT,
        note,
        Some(&env.simulators.recording_url("sales-mono-8k.mp3")),
    )?;
    let said = env.command("flysk-worker", &["jobs:replay", dead])?;
    assert!(said.contains(&id) && said.contains("run 2"), "{said}");
    let done = client.wait_for_end(note, Duration::from_mins(5)).await?;
    assert_eq!((done.state.as_str(), &done.id), ("done", &id), "{}", done.raw);
    // The dead job was replaced: replaying it again is rejected with a message.
    assert!(jobs(&env, "SELECT id FROM jobs WHERE state = 'dead'").await?.is_empty());
    let refused = env.command("flysk-worker", &["jobs:replay", dead]).unwrap_err().to_string();
    assert!(refused.contains("`done` now"), "{refused}");
    let unknown = env.command("flysk-worker", &["jobs:replay", "job_01jd0000000000000000000000"]);
    assert!(unknown.unwrap_err().to_string().contains("job not found"));
    bucket_gets_empty(&env).await
}

/// A new current key: webhooks to the old address are accepted until all are moved, the command reports when that
/// is, and then the old key can be removed.
#[tokio::test(flavor = "multi_thread")]
async fn webhooks_work_during_a_key_rotation() -> anyhow::Result<()> {
    let mut env = start_env().await?;
    let client = env.client()?;
    let old_ring = "k1:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=";
    let (new_key, _) = NEW_RING.split_once(',').unwrap_or_default();
    let url = env.simulators.recording_url("sales-mono-8k.mp3");
    let old = env.simulators.amocrm.state.hooks(ACCOUNT)[0].destination.clone();

    env.kill(1)?;
    env.set("FLYSK_KEYRING", &format!("{new_key},{old_ring}"));
    env.restart_api().await?;
    // Nothing has moved yet: amoCRM still calls the old address.
    let note = env.simulators.call_arrives(Some(url.clone()), 42)?;
    let said = env.command("flysk-worker", &["keys:rotate"])?;
    assert!(said.contains("1 accounts have call hooks under a previous key"), "{said}");
    env.start_worker()?;
    assert_eq!(client.wait_for_end(note, Duration::from_mins(5)).await?.state, "done");
    env.wait_for("SELECT COUNT(*) FROM flysense_accounts WHERE hooks_key = 'k2'", 1).await?;
    let hooks = env.simulators.amocrm.state.hooks(ACCOUNT);
    assert!(hooks.len() == 1 && hooks[0].destination != old);
    let said = env.command("flysk-worker", &["keys:rotate"])?;
    assert!(said.contains("0 accounts"), "{said}");

    env.kill(2)?;
    env.set("FLYSK_KEYRING", new_key);
    env.restart_api().await?;
    env.start_worker()?;
    let note = env.simulators.call_arrives(Some(url), 42)?;
    assert_eq!(client.wait_for_end(note, Duration::from_mins(5)).await?.state, "done", "{}", env.logs());
    Ok(())
}

/// SIGTERM while amoCRM responds to a renewal after the running job's grace time: the new pair is stored
/// nevertheless, before the process ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_pair_is_stored_before_the_worker_ends() -> anyhow::Result<()> {
    let mut options = flysk_suite::environment::Options::with_fixtures(0.02)?;
    // Running jobs are aborted after 5 s; one more second is left for mandatory writes.
    options.more.insert("FLYSK_GRACE_SECONDS".to_owned(), "6".to_owned());
    let mut env = Environment::start(options).await?;
    env.install().await?;
    let pairs = "SELECT CAST(refreshed_at AS CHAR) FROM install_tokens";
    let before = jobs(&env, pairs).await?;
    let (amocrm, log) = (env.simulators.amocrm.control.clone(), env.scratch().join("worker-1.log"));
    amocrm.script(Script::next("/oauth2/access_token", Act::Serve).held());
    let asked = env.simulators.amocrm.control.calls_to("POST", "/oauth2/access_token").len();
    env.command("flysk-worker", &["token:refresh-all", "--no-wait"])?;
    while env.simulators.amocrm.control.calls_to("POST", "/oauth2/access_token").len() == asked {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::spawn(async move {
        let is_aborted = |log: String| log.contains("running work did not finish in time");
        while !std::fs::read_to_string(&log).is_ok_and(is_aborted) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        amocrm.release();
    });
    tokio::task::block_in_place(|| env.terminate(1))?;
    let after = jobs(&env, pairs).await?;
    assert_ne!(before, after, "the pair amoCRM gave was lost\n{}", env.logs());
    let states = jobs(&env, "SELECT state FROM install_tokens").await?;
    assert_eq!(states, ["good"]);
    Ok(())
}
