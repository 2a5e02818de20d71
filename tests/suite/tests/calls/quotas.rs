//! Quotas of outside services, enforced across all workers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use flysk_config::{Env, Redis};
use flysk_queue::limits::{ConcurrencyLimit, RateLimit, RateLimiter, WaitOutcome};
use flysk_queue::{RedisKeys, connect_redis};
use flysk_simulators::Control;
use flysk_suite::environment::{Environment, Options};
use secrecy::ExposeSecret;

use crate::start_env;

/// The rate limiter of one more worker process.
async fn worker(prefix: &str) -> anyhow::Result<RateLimiter> {
    let url = Redis::from_env(&Env::from_process().with("FLYSK_REDIS_PREFIX", prefix))?.url;
    Ok(RateLimiter::new(connect_redis(url.expose_secret()).await?, RedisKeys::new(prefix)))
}

fn prefix() -> String {
    format!("quotas-{:016x}", rand::random::<u64>())
}

/// Requests to a path in its busiest second, as (time, path).
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

/// Four workers call as fast as they can: together they stay within the rate limit and leave little of it unused.
#[tokio::test(flavor = "multi_thread")]
async fn four_workers_share_one_rate_limit() -> anyhow::Result<()> {
    let (prefix, rate) = (prefix(), RateLimit::new("shared", 20, Duration::from_secs(1)));
    let until = Instant::now() + Duration::from_millis(3_500);
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..4 {
        let (limits, rate) = (worker(&prefix).await?, rate.clone());
        workers.spawn(async move {
            let mut taken = 0_usize;
            while Instant::now() < until {
                match limits.try_acquire(&rate, "one-account", &format!("{number}.{taken}")).await? {
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

/// An account with 100 waiting jobs does not delay the first job of another account.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_jobs_are_taken_round_robin_across_accounts() -> anyhow::Result<()> {
    let limits = worker(&prefix()).await?;
    let rate = RateLimit::new("turns", 2, Duration::from_millis(500));
    let mut waits = BTreeMap::new();
    for job in 0..100 {
        limits.try_acquire(&rate, "busy", &format!("busy.{job}")).await?;
    }
    for job in ["quiet.0", "busy.40"] {
        let tenant = job.split('.').next().unwrap_or_default();
        let asked = Instant::now();
        while let Some(wait) = limits.try_acquire(&rate, tenant, job).await? {
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

/// Requests whose callers gave up do not delay later ones.
#[tokio::test(flavor = "multi_thread")]
async fn callers_that_give_up_leave_the_queue() -> anyhow::Result<()> {
    let limits = worker(&prefix()).await?;
    let rate = RateLimit::new("abandoned", 2, Duration::from_millis(500));
    for job in ["a", "b"] {
        anyhow::ensure!(limits.try_acquire(&rate, "account", job).await?.is_none());
    }
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (limits, rate) = (limits.clone(), rate.clone());
        waiting.spawn(async move {
            limits.acquire_timeout(&rate, "account", &format!("gone.{number}"), Duration::from_mins(1)).await
        });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    waiting.shutdown().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stood = limits.acquire_timeout(&rate, "account", "patient", Duration::from_secs(1)).await?;
    anyhow::ensure!(matches!(stood, WaitOutcome::Acquired(waited) if waited <= rate.window), "{stood:?}");
    Ok(())
}

/// A concurrency limit across workers; the permit of a dead holder expires.
#[tokio::test(flavor = "multi_thread")]
async fn a_concurrency_limit_applies_across_all_workers() -> anyhow::Result<()> {
    let prefix = prefix();
    let (one, two) = (worker(&prefix).await?, worker(&prefix).await?);
    let room = ConcurrencyLimit {
        name: "models".to_owned(),
        permits: 2,
        permit_ttl: Duration::from_millis(800),
        close_when_held_longer_than: None,
    };
    assert!(one.acquire_permit(&room, "a").await? && two.acquire_permit(&room, "b").await?);
    assert!(!one.acquire_permit(&room, "c").await? && !two.acquire_permit(&room, "c").await?);
    assert!(two.acquire_permit(&room, "a").await?, "who is in stays in");
    two.release_permit(&room, "b").await;
    assert!(one.acquire_permit(&room, "c").await?);
    let asked = Instant::now();
    while !two.acquire_permit(&room, "d").await? {
        anyhow::ensure!(asked.elapsed() < Duration::from_secs(5), "the dead keep their places");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Two worker processes and many calls: requests to amoCRM and SpeechKit, which reject requests over their
/// quotas, stay within them.
#[tokio::test(flavor = "multi_thread")]
async fn two_workers_stay_within_the_quotas_of_amocrm_and_speechkit() -> anyhow::Result<()> {
    let mut env = start_env().await?;
    env.start_worker()?;
    let client = env.client()?;
    let url = env.simulators.recording_url("sales-mono-8k.mp3");
    let notes: Vec<u64> =
        (0..20).map(|_| env.simulators.call_arrives(Some(url.clone()), 42)).collect::<Result<_, _>>()?;
    for note in notes {
        let call = client.wait_for_end(note, Duration::from_mins(3)).await?;
        anyhow::ensure!(call.state == "done", "{}\n{}", call.raw, env.logs());
    }
    // FlySense's rate limit; the platform's requests during an install are not part of it.
    let notes = busiest_second(&env.simulators.amocrm.control, "/api/v4/leads/");
    assert!((1..=7).contains(&notes.len()), "amoCRM got more requests within a second: {notes:?}");
    let looks = busiest_second(&env.simulators.operations.control, "/operations/");
    assert!((1..=5).contains(&looks.len()), "SpeechKit got more requests within a second: {looks:?}");
    Ok(())
}

/// The hourly quota of recognitions applies across all workers: calls over it wait for the next window and lose
/// no attempt.
#[tokio::test(flavor = "multi_thread")]
async fn recognitions_over_the_hours_quota_wait_for_the_next_window() -> anyhow::Result<()> {
    let mut options = Options::with_fixtures(0.02)?;
    options.more.insert("FLYSK_SPEECHKIT_SUBMITS_PER_HOUR".to_owned(), "3".to_owned());
    let mut env = Environment::start(options).await?;
    env.install().await?;
    env.start_worker()?;
    let url = env.simulators.recording_url("sales-mono-8k.mp3");
    for _ in 0..6 {
        env.simulators.call_arrives(Some(url.clone()), 42)?;
    }
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'done'", 3).await?;
    env
        .wait_for(
            "SELECT COUNT(*) FROM jobs WHERE kind = 'calls.start_recognition' AND state = 'queued' AND attempt = 0
                 AND run_at > UTC_TIMESTAMP(6) + INTERVAL 50 MINUTE",
            3,
        )
        .await?;
    assert_eq!(env.simulators.speechkit.control.calls_to("POST", "/stt/v3/recognizeFileAsync").len(), 3);
    env.stop()
}
