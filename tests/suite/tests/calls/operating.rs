//! What operators do: replaying what died, rotating the key, stopping a worker at the worst moment.

use std::time::Duration;

use flysk_simulators::{Act, Script};
use flysk_suite::stand::{ACCOUNT, Stand};

use crate::house::NEW_RING;
use crate::recordings::bucket_gets_empty;
use crate::stand;

async fn jobs(stand: &Stand, query: &'static str) -> anyhow::Result<Vec<String>> {
    Ok(sqlx::query_scalar(query).fetch_all(&stand.pool).await?)
}

/// A stage that died took its call with it; replayed, the call starts anew and comes to its end, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_stage_brings_its_call_to_the_end() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let note = stand.outside.call_arrives(None, 42)?;
    let id = client.transcribe(note).await?;
    stand.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'waiting_for_link'", 1).await?;
    // The last attempt ends before the note is read.
    stand.outside.amocrm.control.script(Script::next(format!("/api/v4/leads/notes/{note}"), Act::Cut));
    sqlx::query("UPDATE jobs SET attempt = 11, run_at = UTC_TIMESTAMP(6), push_at = UTC_TIMESTAMP(6) WHERE kind = 'calls.fetch_recording'")
        .execute(&stand.pool)
        .await?;
    let failed = client.wait_for_end(note, Duration::from_mins(1)).await?;
    assert_eq!(failed.failure_code.as_deref(), Some("recording_unavailable"), "{}", failed.raw);
    let dead = jobs(&stand, "SELECT id FROM jobs WHERE state = 'dead'").await?;
    assert_eq!(dead.len(), 1);
    let dead = &dead[0];

    stand.outside.amocrm.state.set_link(
        ACCOUNT,
        note,
        Some(&stand.outside.recording_url("sales-mono-8k.mp3")),
    )?;
    let said = stand.command("flysk-worker", &["jobs:replay", dead])?;
    assert!(said.contains(&id) && said.contains("run 2"), "{said}");
    let done = client.wait_for_end(note, Duration::from_mins(1)).await?;
    assert_eq!((done.state.as_str(), &done.id), ("done", &id), "{}", done.raw);
    // The dead job was replaced: replaying it once more has nothing to do, and says so.
    assert!(jobs(&stand, "SELECT id FROM jobs WHERE state = 'dead'").await?.is_empty());
    let refused = stand.command("flysk-worker", &["jobs:replay", dead]).unwrap_err().to_string();
    assert!(refused.contains("`done` by now"), "{refused}");
    let unknown = stand.command("flysk-worker", &["jobs:replay", "job_01jd0000000000000000000000"]);
    assert!(unknown.unwrap_err().to_string().contains("no such job"));
    bucket_gets_empty(&stand).await
}

/// A new key in front: hooks to the old address are taken until all are moved, the command says when that is, and
/// then the old key can go.
#[tokio::test(flavor = "multi_thread")]
async fn call_hooks_work_through_a_rotation_of_the_key() -> anyhow::Result<()> {
    let mut stand = stand().await?;
    let client = stand.client()?;
    let old_ring = "stand:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=";
    let (new_key, _) = NEW_RING.split_once(',').unwrap_or_default();
    let url = stand.outside.recording_url("sales-mono-8k.mp3");
    let old = stand.outside.amocrm.state.hooks(ACCOUNT)[0].destination.clone();

    stand.kill(1)?;
    stand.set("FLYSK_KEYRING", &format!("{new_key},{old_ring}"));
    stand.restart_api().await?;
    // Nobody has moved anything yet: amoCRM still calls the old address.
    let note = stand.outside.call_arrives(Some(url.clone()), 42)?;
    let said = stand.command("flysk-worker", &["keys:rotate"])?;
    assert!(said.contains("1 accounts have their call hooks under a former key"), "{said}");
    stand.start_worker()?;
    assert_eq!(client.wait_for_end(note, Duration::from_mins(1)).await?.state, "done");
    stand.wait_for("SELECT COUNT(*) FROM flysense_accounts WHERE hooks_key = 'k2'", 1).await?;
    let hooks = stand.outside.amocrm.state.hooks(ACCOUNT);
    assert!(hooks.len() == 1 && hooks[0].destination != old);
    let said = stand.command("flysk-worker", &["keys:rotate"])?;
    assert!(said.contains("0 accounts"), "{said}");

    stand.kill(2)?;
    stand.set("FLYSK_KEYRING", new_key);
    stand.restart_api().await?;
    stand.start_worker()?;
    let note = stand.outside.call_arrives(Some(url), 42)?;
    assert_eq!(client.wait_for_end(note, Duration::from_mins(1)).await?.state, "done", "{}", stand.logs());
    Ok(())
}

/// SIGTERM while amoCRM is answering a renewal, later than the running job may go on: the new pair is written all
/// the same, before the process ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_pair_under_renewal_is_written_before_the_worker_ends() -> anyhow::Result<()> {
    let mut options = flysk_suite::stand::Options::with_fixtures(0.02)?;
    // Running jobs are cut after five seconds; one more is left for what must be written.
    options.more.insert("FLYSK_GRACE_SECONDS".to_owned(), "6".to_owned());
    let mut stand = Stand::start(options).await?;
    stand.install().await?;
    let pairs = "SELECT CAST(refreshed_at AS CHAR) FROM install_tokens";
    let before = jobs(&stand, pairs).await?;
    let slow = Script::next("/oauth2/access_token", Act::Serve).delayed(5_400);
    stand.outside.amocrm.control.script(slow);
    let asked = stand.outside.amocrm.control.calls_to("POST", "/oauth2/access_token").len();
    stand.command("flysk-worker", &["token:refresh-all", "--no-wait"])?;
    while stand.outside.amocrm.control.calls_to("POST", "/oauth2/access_token").len() == asked {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stand.terminate(1)?;
    let after = jobs(&stand, pairs).await?;
    assert_ne!(before, after, "the pair amoCRM gave was lost\n{}", stand.logs());
    let states = jobs(&stand, "SELECT state FROM install_tokens").await?;
    assert_eq!(states, ["good"]);
    Ok(())
}
