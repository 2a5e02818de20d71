//! Quotas of outside services, enforced across all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use flysk_config::{Env, Redis};
use flysk_queue::limits::{ConcurrencyLimit, LimitHolder, PermitOutcome, RateLimit, RateLimiter};
use flysk_queue::{RedisKeys, connect_redis};
use flysk_simulators::Control;
use flysk_suite::environment::{Environment, Options};
use secrecy::ExposeSecret;

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

/// A waiting time is rounded up to whole ms, and one more.
const ROUNDING: Duration = Duration::from_millis(2);

/// Calls as fast as it can until `left` calls are made by all. Returns when it asked for each call, and when it was granted.
async fn call_until_none_left(
    limits: RateLimiter,
    rate: RateLimit,
    left: Arc<AtomicUsize>,
    number: usize,
) -> anyhow::Result<Vec<(Instant, Instant)>> {
    let mut granted = Vec::new();
    while left.load(Ordering::SeqCst) > 0 {
        let asked = Instant::now();
        match limits.try_acquire(&rate, "one-account", &format!("{number}.{}", granted.len())).await? {
            None => {
                granted.push((asked, Instant::now()));
                let _none_left =
                    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            }
            Some(wait) => {
                anyhow::ensure!(wait <= rate.window + ROUNDING, "a permit is left unused: {wait:?}");
                tokio::time::sleep(wait.min(Duration::from_millis(50))).await;
            }
        }
    }
    Ok(granted)
}

/// Four workers call as fast as they can: together they stay within the rate limit and none waits for longer than a window.
#[tokio::test(flavor = "multi_thread")]
async fn four_workers_share_one_rate_limit() -> anyhow::Result<()> {
    let (prefix, rate) = (prefix(), RateLimit::new("shared", 20, Duration::from_secs(1)));
    let left = Arc::new(AtomicUsize::new(70));
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..4 {
        workers.spawn(call_until_none_left(worker(&prefix).await?, rate.clone(), Arc::clone(&left), number));
    }
    let (mut asked, mut granted) = (Vec::new(), Vec::new());
    while let Some(of_worker) = workers.join_next().await {
        for (from, until) in of_worker?? {
            asked.push(from);
            granted.push(until);
        }
    }
    asked.sort_unstable();
    granted.sort_unstable();
    // Each permit was given between its question and its answer, so the 21st was given a window after the first, however long
    // the answers took.
    for (first, over) in asked.iter().zip(granted.iter().skip(20)) {
        let between = *over - *first;
        assert!(between + ROUNDING >= rate.window, "21 calls within {between:?}");
    }
    assert!(granted.len() >= 70, "{} calls", granted.len());
    Ok(())
}

/// A job that waits as long as it is told gets a permit then.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_time_is_long_enough_and_not_longer_than_a_window() -> anyhow::Result<()> {
    let (limits, rate) = (worker(&prefix()).await?, RateLimit::new("told", 20, Duration::from_secs(1)));
    let ask = |job: usize| {
        let (limits, rate) = (limits.clone(), rate.clone());
        async move {
            let wait = limits.try_acquire(&rate, "one-account", &job.to_string()).await?;
            anyhow::Ok(wait.map(|wait| (job, wait)))
        }
    };
    // At once: however slow the machine, they are all asked within the window.
    let asked = futures::future::try_join_all((0..21).map(&ask)).await?;
    let waiting: Vec<(usize, Duration)> = asked.into_iter().flatten().collect();
    let [(job, wait)] = waiting[..] else { anyhow::bail!("20 of 21 are granted, and not: {waiting:?}") };
    anyhow::ensure!(wait <= rate.window + ROUNDING, "{wait:?}");
    tokio::time::sleep(wait).await;
    anyhow::ensure!(ask(job).await?.is_none(), "it waited in vain");
    Ok(())
}

/// An account with 100 waiting jobs does not delay the first job of another account.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_jobs_are_taken_round_robin_across_accounts() -> anyhow::Result<()> {
    let limits = worker(&prefix()).await?;
    let rate = RateLimit::new("turns", 2, Duration::from_millis(500));
    for job in 0..100 {
        limits.try_acquire(&rate, "busy", &format!("busy.{job}")).await?;
    }
    if let Some(wait) = limits.try_acquire(&rate, "quiet", "quiet.0").await? {
        assert!(wait <= rate.window + ROUNDING, "it waits for others: {wait:?}");
        tokio::time::sleep(wait).await;
        let again = limits.try_acquire(&rate, "quiet", "quiet.0").await?;
        assert!(again.is_none(), "it waited in vain, and waits for {again:?}");
    }
    let wait = limits.try_acquire(&rate, "busy", "busy.40").await?.unwrap_or_default();
    assert!(wait > 10 * rate.window, "its account's jobs before it were passed over: {wait:?}");
    Ok(())
}

/// Requests whose callers gave up do not delay later ones.
#[tokio::test(flavor = "multi_thread")]
async fn callers_that_give_up_leave_the_queue() -> anyhow::Result<()> {
    let prefix = prefix();
    let limits = worker(&prefix).await?;
    // Nobody's turn comes during the test.
    let rate = RateLimit::new("abandoned", 2, Duration::from_mins(10));
    for job in ["a", "b"] {
        anyhow::ensure!(limits.try_acquire(&rate, "account", job).await?.is_none());
    }
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (limits, rate) = (limits.clone(), rate.clone());
        waiting.spawn(async move {
            limits.acquire_timeout(&rate, "account", &format!("gone.{number}"), Duration::from_hours(9)).await
        });
    }
    wait_for_queue(&prefix, 20).await?;
    waiting.shutdown().await;
    wait_for_queue(&prefix, 0).await?;
    let wait = limits.try_acquire(&rate, "account", "patient").await?.unwrap_or_default();
    anyhow::ensure!(wait <= rate.window + ROUNDING, "{wait:?}");
    Ok(())
}

/// Waits until as many callers wait for the limit `abandoned`.
async fn wait_for_queue(prefix: &str, wanted: usize) -> anyhow::Result<()> {
    let key = RedisKeys::new(prefix).key("limit:abandoned:waiting:account");
    let url = Redis::from_env(&Env::from_process().with("FLYSK_REDIS_PREFIX", prefix))?.url;
    let mut redis = connect_redis(url.expose_secret()).await?;
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let waiting: usize = redis::cmd("ZCARD").arg(&key).query_async(&mut redis).await?;
        if waiting == wanted {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "{waiting} callers wait, not {wanted}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A concurrency limit across workers.
#[tokio::test(flavor = "multi_thread")]
async fn a_concurrency_limit_applies_across_all_workers() -> anyhow::Result<()> {
    let prefix = prefix();
    let (one, two) = (worker(&prefix).await?, worker(&prefix).await?);
    let room = room(2, Duration::from_mins(10));
    assert!(one.acquire_permit(&room, "a").await? && two.acquire_permit(&room, "b").await?);
    assert!(!one.acquire_permit(&room, "c").await? && !two.acquire_permit(&room, "c").await?);
    assert!(two.acquire_permit(&room, "a").await?, "who is in stays in");
    two.release_permit(&room, "b").await;
    assert!(one.acquire_permit(&room, "c").await?);
    assert!(!two.acquire_permit(&room, "d").await?);
    Ok(())
}

/// A group gets what its requests would get one after another, each of its own limit. What other workers hold counts.
#[tokio::test(flavor = "multi_thread")]
async fn permits_of_a_group_are_those_of_single_requests() -> anyhow::Result<()> {
    let prefix = prefix();
    let (one, two) = (worker(&prefix).await?, worker(&prefix).await?);
    let of = |name: &str, permits: u32, holder: &str| LimitHolder {
        limit: ConcurrencyLimit { name: name.to_owned(), ..room(permits, Duration::from_mins(10)) },
        holder: holder.to_owned(),
    };
    assert!(two.acquire_permit(&of("pair", 2, "").limit, "elsewhere").await?);
    let group = [
        of("pair", 2, "a"),
        of("single", 1, "a"),
        of("pair", 2, "b"),
        of("single", 1, "a"),
        of("single", 1, "b"),
        of("other", 3, "b"),
        of("none", 0, "b"),
    ];
    let [got, full] = [PermitOutcome::Acquired, PermitOutcome::Full];
    assert_eq!(one.acquire_permits(&group).await?, [got, got, full, got, full, got, full]);
    one.release_permits(&[of("pair", 2, "a"), of("single", 1, "a"), of("single", 1, "nobody")]).await;
    let again = [of("pair", 2, "b"), of("single", 1, "b"), of("pair", 2, "c")];
    assert_eq!(two.acquire_permits(&again).await?, [got, got, full]);
    assert!(one.acquire_permits(&[]).await?.is_empty());
    Ok(())
}

/// Several workers, whose groups name each limit more often than it has permits.
#[tokio::test(flavor = "multi_thread")]
async fn groups_of_several_workers_exceed_no_limit() -> anyhow::Result<()> {
    const LIMITS: usize = 3;
    const PERMITS: usize = 4;
    const ROUNDS: usize = 50;
    let prefix = prefix();
    let held: Arc<[AtomicUsize; LIMITS]> = Arc::default();
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..4 {
        let (limits, held) = (worker(&prefix).await?, Arc::clone(&held));
        workers.spawn(async move {
            let mut granted_count = 0;
            for round in 0..ROUNDS {
                let wanted: Vec<LimitHolder> = (0..LIMITS * (PERMITS + 1))
                    .map(|n| {
                        let name = format!("shared-{}", n % LIMITS);
                        let limit = ConcurrencyLimit { name, ..room(4, Duration::from_mins(10)) };
                        LimitHolder { limit, holder: format!("{number}.{round}.{n}") }
                    })
                    .collect();
                let outcomes = limits.acquire_permits(&wanted).await?;
                let granted = outcomes.iter().enumerate();
                let granted: Vec<usize> =
                    granted.filter(|(_, got)| **got == PermitOutcome::Acquired).map(|(n, _)| n).collect();
                for n in &granted {
                    let before = held[n % LIMITS].fetch_add(1, Ordering::SeqCst);
                    anyhow::ensure!(before < PERMITS, "{before} permits were held");
                }
                tokio::task::yield_now().await;
                for n in &granted {
                    held[n % LIMITS].fetch_sub(1, Ordering::SeqCst);
                }
                let released: Vec<LimitHolder> = granted.iter().map(|n| wanted[*n].clone()).collect();
                limits.release_permits(&released).await;
                granted_count += granted.len();
            }
            anyhow::Ok(granted_count)
        });
    }
    let mut granted_count = 0;
    while let Some(counted) = workers.join_next().await {
        granted_count += counted??;
    }
    anyhow::ensure!(granted_count >= ROUNDS, "only {granted_count} permits were granted");
    Ok(())
}

/// The permit of a dead holder expires.
#[tokio::test(flavor = "multi_thread")]
async fn the_permit_of_a_dead_holder_expires() -> anyhow::Result<()> {
    let prefix = prefix();
    let (one, two) = (worker(&prefix).await?, worker(&prefix).await?);
    let (ttl, asked) = (Duration::from_millis(800), Instant::now());
    let room = room(1, ttl);
    assert!(one.acquire_permit(&room, "dead").await?);
    while !two.acquire_permit(&room, "next").await? {
        anyhow::ensure!(asked.elapsed() < Duration::from_mins(2), "the dead keep their places");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let waited = asked.elapsed();
    anyhow::ensure!(waited + ROUNDING >= ttl, "a permit expired early: {waited:?}");
    Ok(())
}

fn room(permits: u32, permit_ttl: Duration) -> ConcurrencyLimit {
    ConcurrencyLimit { name: "models".to_owned(), permits, permit_ttl, close_when_held_longer_than: None }
}

/// Three worker processes and many calls: requests to amoCRM and SpeechKit, which reject requests over their quotas, stay within
/// them. The workers are allowed less than the quotas, because requests bunch up on a busy machine, but more than a third: workers
/// with a limit each would exceed them.
#[tokio::test(flavor = "multi_thread")]
async fn three_workers_stay_within_the_quotas_of_amocrm_and_speechkit() -> anyhow::Result<()> {
    let mut options = Options::with_fixtures(0.02)?;
    for (name, allowed) in
        [("FLYSK_AMOCRM_REQUESTS_PER_SECOND", "3"), ("FLYSK_SPEECHKIT_STATUS_CHECKS_PER_SECOND", "2")]
    {
        options.more.insert(name.to_owned(), allowed.to_owned());
    }
    let mut env = Environment::start(options).await?;
    env.install().await?;
    for _ in 0..2 {
        env.start_worker()?;
    }
    let client = env.client()?;
    let url = env.simulators.recording_url("sales-mono-8k.mp3");
    let notes: Vec<u64> =
        (0..20).map(|_| env.simulators.call_arrives(Some(url.clone()), 42)).collect::<Result<_, _>>()?;
    for note in notes {
        let call = client.wait_for_end(note, Duration::from_mins(5)).await?;
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
