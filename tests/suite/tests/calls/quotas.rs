//! Quotas of outside services, kept over all workers together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use flysk_jobs::runtime::limits::{Limits, Rate, Room, Stood};
use flysk_jobs::{Keys, connect_redis};
use flysk_runtime::config::{Env, Redis};
use flysk_simulators::Control;
use flysk_suite::stand::{Options, Stand};
use secrecy::ExposeSecret;

use crate::stand;

/// Limits as one more worker process has them.
async fn worker(prefix: &str) -> anyhow::Result<Limits> {
    let url = Redis::from_env(&Env::from_process().with("FLYSK_REDIS_PREFIX", prefix))?.url;
    Ok(Limits::new(connect_redis(url.expose_secret()).await?, Keys::new(prefix)))
}

fn prefix() -> String {
    format!("quotas-{:016x}", rand::random::<u64>())
}

/// The requests to a path that came in its busiest second, when and where to.
fn busiest_second(control: &Control, path: &str) -> Vec<(DateTime<Utc>, String)> {
    let calls = control.calls().into_iter().filter(|call| call.path.starts_with(path));
    let mut calls: Vec<_> = calls.map(|call| (call.at, call.path)).collect();
    calls.sort_unstable();
    let second = |from: usize| -> &[(DateTime<Utc>, String)] {
        let until = calls[from].0 + TimeDelta::seconds(1);
        &calls[from..calls.partition_point(|(at, _)| *at < until)]
    };
    (0..calls.len()).map(second).max_by_key(|second| second.len()).unwrap_or_default().to_vec()
}

/// Four workers ask as fast as they can: they get no more than the quota, and little of it is left unused.
#[tokio::test(flavor = "multi_thread")]
async fn four_workers_share_one_rate() -> anyhow::Result<()> {
    let (prefix, rate) = (prefix(), Rate::new("shared", 20, Duration::from_secs(1)));
    let until = Instant::now() + Duration::from_millis(3_500);
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..4 {
        let (limits, rate) = (worker(&prefix).await?, rate.clone());
        workers.spawn(async move {
            let mut taken = 0_usize;
            while Instant::now() < until {
                match limits.take(&rate, "one-account", &format!("{number}.{taken}")).await? {
                    None => taken += 1,
                    Some(wait) => tokio::time::sleep(wait.min(Duration::from_millis(50))).await,
                }
            }
            anyhow::Ok(taken)
        });
    }
    let mut taken = 0;
    while let Some(of_worker) = workers.join_next().await {
        taken += of_worker??;
    }
    assert!((60..=80).contains(&taken), "{taken} in three and a half seconds of 20 each");
    Ok(())
}

/// An account with a hundred waiting jobs does not stand before another's first.
#[tokio::test(flavor = "multi_thread")]
async fn each_account_has_a_turn_before_anybodys_second() -> anyhow::Result<()> {
    let limits = worker(&prefix()).await?;
    let rate = Rate::new("turns", 2, Duration::from_millis(500));
    let mut waits = BTreeMap::new();
    for job in 0..100 {
        limits.take(&rate, "busy", &format!("busy.{job}")).await?;
    }
    for job in ["quiet.0", "busy.40"] {
        let tenant = job.split('.').next().unwrap_or_default();
        let asked = Instant::now();
        while let Some(wait) = limits.take(&rate, tenant, job).await? {
            if job == "busy.40" && asked.elapsed() > Duration::from_secs(2) {
                break;
            }
            tokio::time::sleep(wait.min(Duration::from_millis(20))).await;
        }
        waits.insert(job, asked.elapsed());
    }
    assert!(waits["quiet.0"] < Duration::from_millis(1_200), "{waits:?}");
    assert!(waits["busy.40"] > Duration::from_secs(2), "{waits:?}");
    Ok(())
}

/// Requests whose callers gave up waiting do not stand before those who came after them.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_away_leaves_the_line() -> anyhow::Result<()> {
    let limits = worker(&prefix()).await?;
    let rate = Rate::new("abandoned", 2, Duration::from_millis(500));
    for job in ["a", "b"] {
        anyhow::ensure!(limits.take(&rate, "account", job).await?.is_none());
    }
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (limits, rate) = (limits.clone(), rate.clone());
        waiting.spawn(async move {
            limits.stand(&rate, "account", &format!("gone.{number}"), Duration::from_mins(1)).await
        });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    waiting.shutdown().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stood = limits.stand(&rate, "account", "patient", Duration::from_secs(1)).await?;
    anyhow::ensure!(matches!(stood, Stood::Served(waited) if waited <= rate.window), "{stood:?}");
    Ok(())
}

/// So many at once, whoever they are; a place whose holder died is free in the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_holds_so_many_over_all_workers() -> anyhow::Result<()> {
    let prefix = prefix();
    let (one, two) = (worker(&prefix).await?, worker(&prefix).await?);
    let room = Room {
        name: "models".to_owned(),
        places: 2,
        kept_for: Duration::from_millis(800),
        closes_after: None,
    };
    assert!(one.enter(&room, "a").await? && two.enter(&room, "b").await?);
    assert!(!one.enter(&room, "c").await? && !two.enter(&room, "c").await?);
    assert!(two.enter(&room, "a").await?, "who is in stays in");
    two.leave(&room, "b").await;
    assert!(one.enter(&room, "c").await?);
    let asked = Instant::now();
    while !two.enter(&room, "d").await? {
        anyhow::ensure!(asked.elapsed() < Duration::from_secs(5), "the dead keep their places");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Two worker processes and a pile of calls: amoCRM and SpeechKit, which refuse what is over their quotas, are asked
/// no more than they allow.
#[tokio::test(flavor = "multi_thread")]
async fn two_workers_stay_within_the_quotas_of_amocrm_and_speechkit() -> anyhow::Result<()> {
    let mut stand = stand().await?;
    stand.start_worker()?;
    let client = stand.client()?;
    let url = stand.outside.recording_url("sales-mono-8k.mp3");
    let notes: Vec<u64> =
        (0..20).map(|_| stand.outside.call_arrives(Some(url.clone()), 42)).collect::<Result<_, _>>()?;
    for note in notes {
        let call = client.wait_for_end(note, Duration::from_mins(3)).await?;
        anyhow::ensure!(call.state == "done", "{}\n{}", call.raw, stand.logs());
    }
    // FlySense's line; what the platform asks when an install is made is not in it.
    let notes = busiest_second(&stand.outside.amocrm.control, "/api/v4/leads/");
    assert!((1..=7).contains(&notes.len()), "amoCRM was asked more within a second: {notes:?}");
    let looks = busiest_second(&stand.outside.operations.control, "/operations/");
    assert!((1..=5).contains(&looks.len()), "SpeechKit was asked more within a second: {looks:?}");
    Ok(())
}

/// The hour's quota of recognitions is one for all workers: what is over it waits for the window, and no attempt of it
/// is used up.
#[tokio::test(flavor = "multi_thread")]
async fn recognitions_over_the_hours_quota_wait_for_the_next_window() -> anyhow::Result<()> {
    let mut options = Options::with_fixtures(0.02)?;
    options.more.insert("FLYSK_SPEECHKIT_SUBMITS_PER_HOUR".to_owned(), "3".to_owned());
    let mut stand = Stand::start(options).await?;
    stand.install().await?;
    stand.start_worker()?;
    let url = stand.outside.recording_url("sales-mono-8k.mp3");
    for _ in 0..6 {
        stand.outside.call_arrives(Some(url.clone()), 42)?;
    }
    stand.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'done'", 3).await?;
    stand
        .wait_for(
            "SELECT COUNT(*) FROM jobs WHERE kind = 'calls.start_recognition' AND state = 'queued' AND attempt = 0
                 AND run_at > UTC_TIMESTAMP(6) + INTERVAL 50 MINUTE",
            3,
        )
        .await?;
    assert_eq!(stand.outside.speechkit.control.calls_to("POST", "/stt/v3/recognizeFileAsync").len(), 3);
    stand.stop()
}
