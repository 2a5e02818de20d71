//! Deliveries that run at the same time and are recorded together.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::id::JobId;
use flysk_jobs::platform::lifecycle::DeliverEvent;
use flysk_queue::executor::ExecutionResult;
use flysk_queue::{JobError, JobOutcome};
use flysk_simulators::{Act, Script};
use flysk_store::jobs::{Claim, claim_many};
use flysk_store::platform::events::EventState;
use serde_json::Value;
use sqlx::MySqlPool;

use super::harness::{TestApp, WAIT_TIMEOUT, trace};
use super::stored_events::insert_event;

/// Concurrent deliveries to one endpoint.
const ENDPOINT_PERMITS: usize = 8;

fn ill() -> Act {
    Act::Answer { status: 500, headers: Vec::new(), body: String::new() }
}

/// Queues events of different installs of the widget; returns their jobs.
async fn queue_events(app: &TestApp, count: usize) -> Vec<JobId> {
    let widget_id = app.widget().await.id;
    let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
    let mut jobs = Vec::new();
    for _ in 0..count {
        let event = insert_event(app, &mut unit, widget_id, EventState::Waiting).await;
        jobs.push(unit.enqueue(&DeliverEvent::new(widget_id, event)).await.unwrap().unwrap());
    }
    unit.commit().await.unwrap();
    jobs
}

/// Runs deliveries at the same time until each has ended in another way than by waiting; returns their results in that order.
///
/// On a busy machine some wait: none starts while another one to the endpoint takes longer than a second, and after a failure they go
/// one by one.
async fn run_together(app: &TestApp, jobs: &[JobId]) -> Vec<ExecutionResult> {
    let (mut left, mut ended) = (jobs.to_vec(), Vec::new());
    while !left.is_empty() {
        let runs = futures::future::join_all(left.iter().map(|job| app.executor.execute(*job))).await;
        let mut waiting = Vec::new();
        for (job, run) in left.into_iter().zip(runs) {
            match run.unwrap() {
                ExecutionResult::Finished(Err(JobError::Wait { .. })) => waiting.push(job),
                run => ended.push(run),
            }
        }
        if !waiting.is_empty() {
            app.advance(TimeDelta::minutes(1));
        }
        left = waiting;
    }
    ended
}

/// State, number of attempts and statuses of the attempts of the queued events, in their order.
async fn recorded(app: &TestApp) -> Vec<(String, u32, String)> {
    sqlx::query_as(
        "SELECT e.state, e.attempts,
                CAST((SELECT COALESCE(GROUP_CONCAT(COALESCE(a.status, 'none') ORDER BY a.id), '')
                      FROM lifecycle_attempts a WHERE a.event_id = e.id) AS CHAR) AS statuses
         FROM lifecycle_events e WHERE e.account_id = 7 ORDER BY e.number",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn deliveries_that_run_together_are_each_recorded_once(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let jobs = queue_events(&app, 3 * ENDPOINT_PERMITS).await;
    for (round, jobs) in (1..).zip(jobs.chunks(ENDPOINT_PERMITS)) {
        if round == 3 {
            app.vendor.control.script(Script::next("/events", ill()));
        }
        let running = tokio::time::timeout(Duration::from_mins(1), run_together(&app, jobs)).await;
        for ended in running.expect("they wait for something else") {
            let is_done = ended == ExecutionResult::Finished(Ok(JobOutcome::Done));
            let fails = matches!(ended, ExecutionResult::Finished(Err(JobError::Retry { .. })));
            assert!(is_done || fails && round == 3, "{ended:?}");
        }
    }
    let events = recorded(&app).await;
    let of = |state: &str, attempts: u32, statuses: &str| {
        let expected = (state.to_owned(), attempts, statuses.to_owned());
        events.iter().filter(|event| **event == expected).count()
    };
    assert_eq!(of("delivered", 1, "204"), 3 * ENDPOINT_PERMITS - 1, "{events:?}");
    assert_eq!(of("waiting", 1, "500"), 1, "{events:?}");

    app.advance(TimeDelta::seconds(10));
    app.run_due_jobs().await;
    let events = recorded(&app).await;
    assert!(events.contains(&("delivered".to_owned(), 2, "500,204".to_owned())), "{events:?}");
    assert!(events.iter().all(|(state, ..)| state == "delivered"));
}

/// The record of a delivery lets the next event of its install go. Another process may have that event's job locked: it is due
/// then, and nobody waits for it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_locked_job_of_the_next_event_delays_no_record(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let jobs = queue_events(&app, ENDPOINT_PERMITS).await;
    let first: String = sqlx::query_scalar(
        "SELECT install_id FROM lifecycle_events WHERE account_id = 7 ORDER BY number LIMIT 1",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    let behind = queue_events(&app, 1).await[0];
    sqlx::query("UPDATE lifecycle_events SET install_id = ?, sequence = 2 WHERE account_id = 7 ORDER BY number DESC LIMIT 1")
        .bind(first)
        .execute(&app.pool)
        .await
        .unwrap();
    let mut elsewhere = app.pool.begin().await.unwrap();
    let lock = sqlx::query("SELECT id FROM jobs WHERE id = ? FOR UPDATE").bind(behind.to_string());
    lock.fetch_one(&mut *elsewhere).await.unwrap();

    let running = tokio::time::timeout(Duration::from_secs(8), run_together(&app, &jobs)).await;
    for ended in running.unwrap() {
        assert_eq!(ended, ExecutionResult::Finished(Ok(JobOutcome::Done)));
    }
    elsewhere.rollback().await.unwrap();
    app.run_due_jobs().await;
    let events = recorded(&app).await;
    assert_eq!(events, vec![("delivered".to_owned(), 1, "204".to_owned()); ENDPOINT_PERMITS + 1]);
}

/// Rows of some deliveries stay locked: the deliveries that are recorded together with them are recorded all the same. One wait for
/// each would be longer than a group may take. Their events are not sent again at once, and their jobs keep their attempts.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
#[ignore = "long: waits for rows that stay locked"]
async fn rows_that_stay_locked_keep_no_other_delivery_from_its_end(pool: MySqlPool) {
    const LOCKED: usize = 4;
    let app = TestApp::installed(pool).await;
    app.vendor.control.clear_calls();
    let jobs = queue_events(&app, ENDPOINT_PERMITS).await;
    let mut elsewhere = app.pool.begin().await.unwrap();
    let locked: Vec<String> =
        sqlx::query_scalar("SELECT id FROM lifecycle_events WHERE account_id = 7 ORDER BY number LIMIT 4")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(locked.len(), LOCKED);
    for event in locked {
        let lock = sqlx::query("SELECT id FROM lifecycle_events WHERE id = ? FOR UPDATE").bind(event);
        lock.fetch_one(&mut *elsewhere).await.unwrap();
    }

    let runs = futures::future::join_all(jobs.iter().map(|job| app.executor.execute(*job))).await;
    let count =
        |is: fn(&ExecutionResult) -> bool| runs.iter().filter(|run| run.as_ref().is_ok_and(is)).count();
    let done = count(|run| *run == ExecutionResult::Finished(Ok(JobOutcome::Done)));
    let waiting = count(|run| matches!(run, ExecutionResult::Finished(Err(JobError::Wait { .. }))));
    assert_eq!((done, waiting), (ENDPOINT_PERMITS - LOCKED, LOCKED), "{runs:?}");
    assert_eq!(app.vendor.control.calls_to("POST", "/events").len(), ENDPOINT_PERMITS);
    elsewhere.rollback().await.unwrap();

    app.advance(TimeDelta::minutes(1));
    app.run_due_jobs().await;
    let events = recorded(&app).await;
    assert_eq!(events, vec![("delivered".to_owned(), 1, "204".to_owned()); ENDPOINT_PERMITS]);
    let counted: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE attempt > 1").fetch_one(&app.pool).await.unwrap();
    assert_eq!(counted, 0);
}

/// One row that cannot be decoded fails the read of a whole group. Each of its deliveries is prepared alone then.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_event_that_cannot_be_read_delays_no_other(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let jobs = queue_events(&app, ENDPOINT_PERMITS).await;
    app.register("unreadable", "00000000-0000-4000-8000-0000000000aa").await;
    for change in [
        "UPDATE widgets SET delivery_delays = '[\"soon\"]' WHERE code = 'unreadable'",
        "UPDATE lifecycle_events SET widget_id = (SELECT id FROM widgets WHERE code = 'unreadable')
         WHERE account_id = 7 ORDER BY number LIMIT 1",
    ] {
        sqlx::query(change).execute(&app.pool).await.unwrap();
    }

    let runs = run_together(&app, &jobs).await;
    let count = |is: fn(&ExecutionResult) -> bool| runs.iter().filter(|run| is(run)).count();
    let done = count(|run| *run == ExecutionResult::Finished(Ok(JobOutcome::Done)));
    let failed = count(|run| matches!(run, ExecutionResult::Finished(Err(JobError::Retry { .. }))));
    assert_eq!((done, failed), (ENDPOINT_PERMITS - 1, 1), "{runs:?}");
}

/// Otherwise the backend would seem busy, and then hanging, until the permits expire.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_delivery_that_cannot_be_signed_gives_its_permit_back(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let jobs = queue_events(&app, ENDPOINT_PERMITS + 1).await;
    sqlx::query("UPDATE widgets SET event_secret_sealed = 'nonsense'").execute(&app.pool).await.unwrap();
    for job in jobs {
        let run = app.executor.execute(job).await.unwrap();
        let ExecutionResult::Finished(Err(JobError::Wait { reason, .. })) = &run else { panic!("{run:?}") };
        assert!(reason.contains("event secret"), "{reason}");
    }
}

/// A busy database is not a backend that hangs.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_delivery_whose_credentials_are_not_read_in_time_gives_its_permit_back(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let mut jobs = queue_events(&app, ENDPOINT_PERMITS + 1).await;
    sqlx::query("UPDATE widgets SET former_secrets_until = '2100-01-01'").execute(&app.pool).await.unwrap();
    let mut elsewhere = app.pool.acquire().await.unwrap();
    sqlx::raw_sql("LOCK TABLES former_event_secrets WRITE").execute(&mut *elsewhere).await.unwrap();
    let last = jobs.split_off(ENDPOINT_PERMITS);
    for together in [jobs, last] {
        let runs = futures::future::join_all(together.iter().map(|job| app.executor.execute(*job))).await;
        for run in runs {
            let run = run.unwrap();
            let ExecutionResult::Finished(Err(JobError::Wait { reason, .. })) = &run else {
                panic!("{run:?}")
            };
            assert!(reason.contains("credentials"), "{reason}");
        }
    }
    sqlx::raw_sql("UNLOCK TABLES").execute(&mut *elsewhere).await.unwrap();
}

/// All but the first one wait, however many are prepared together.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn events_of_an_install_that_are_prepared_together_are_sent_in_order(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.vendor.control.clear_calls();
    let jobs = queue_events(&app, ENDPOINT_PERMITS).await;
    // From 2 on: 1 is the sequence that one of them has.
    sqlx::query(
        "UPDATE lifecycle_events e
         JOIN (SELECT MIN(number) AS lowest, MIN(install_id) AS shared FROM lifecycle_events WHERE account_id = 7) f
         SET e.sequence = e.number - f.lowest + 2, e.install_id = f.shared WHERE e.account_id = 7",
    )
    .execute(&app.pool)
    .await
    .unwrap();

    run_together(&app, &jobs).await;
    app.advance(TimeDelta::minutes(2));
    app.run_due_jobs().await;
    let sequence_of = |body: &str| serde_json::from_str::<Value>(body).unwrap()["sequence"].as_u64().unwrap();
    let calls = app.vendor.control.calls_to("POST", "/events");
    let sequences: Vec<u64> = calls.iter().map(|call| sequence_of(&call.body)).collect();
    assert_eq!(sequences, (2..).take(ENDPOINT_PERMITS).collect::<Vec<u64>>());
}

/// Whether a delivery that was claimed ahead had begun when its worker died, nobody knows. It is not an attempt of the event, the
/// first time.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_delivery_that_was_claimed_ahead_keeps_its_schedule_when_the_worker_dies(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let job = queue_events(&app, 1).await[0];
    let now = app.clock.now();
    let claim = Claim { job, starts_now: false };
    let mut tx = app.pool.begin().await.unwrap();
    let until = now + TimeDelta::seconds(30);
    assert_eq!(claim_many(&mut tx, &[claim], "a worker that dies", until, now).await.unwrap().len(), 1);
    tx.commit().await.unwrap();
    app.advance(TimeDelta::seconds(31));
    assert_eq!(app.executor.rescue_once().await.unwrap(), 1);
    assert_eq!(recorded(&app).await, [("waiting".to_owned(), 0, String::new())]);

    assert!(app.executor.claim(job).await.unwrap().is_some(), "due at once; its next worker dies, too");
    app.advance(TimeDelta::seconds(31));
    assert_eq!(app.executor.rescue_once().await.unwrap(), 1);
    assert_eq!(recorded(&app).await, [("waiting".to_owned(), 1, "none".to_owned())]);
    app.advance(TimeDelta::seconds(10));
    app.run_due_jobs().await;
    assert_eq!(recorded(&app).await, [("delivered".to_owned(), 2, "none,204".to_owned())]);
}

/// The worker was thought dead while the backend took its time: the interrupted attempt is logged, and its answer is not.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_run_that_lost_its_job_does_not_record_its_delivery(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.vendor.control.clear_calls();
    let jobs = queue_events(&app, 1).await;
    app.vendor.control.script(Script::next("/events", Act::Serve).held());
    let other = app.worker_in(|env| env).await;
    let rescue = async {
        let sent = async {
            while app.vendor.control.calls_to("POST", "/events").is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT_TIMEOUT, sent).await.unwrap();
        app.advance(TimeDelta::seconds(31));
        assert_eq!(other.rescue_once().await.unwrap(), 1);
        app.vendor.control.release();
    };
    let (run, ()) = tokio::join!(app.executor.execute(jobs[0]), rescue);
    assert!(
        matches!(run.unwrap(), ExecutionResult::Finished(Ok(JobOutcome::Skip(_)))),
        "another run has recorded it"
    );
    assert_eq!(recorded(&app).await, [("waiting".to_owned(), 1, "none".to_owned())]);

    app.advance(TimeDelta::seconds(10));
    app.run_due_jobs().await;
    assert_eq!(recorded(&app).await, [("delivered".to_owned(), 2, "none,204".to_owned())]);
}

/// A replay during an attempt, or the end of the event before, queues a second job of an event. What the slower one hears last does
/// not reopen the event: later events of the install have been sent since.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_late_failure_does_not_reopen_a_delivered_event(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.vendor.control.clear_calls();
    let slow = queue_events(&app, 1).await[0];
    app.vendor.control.script(Script::next("/events", ill()).held());
    let deliver_again = async {
        let sent = async {
            while app.vendor.control.calls_to("POST", "/events").is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WAIT_TIMEOUT, sent).await.unwrap();
        let event: String = sqlx::query_scalar("SELECT id FROM lifecycle_events WHERE account_id = 7")
            .fetch_one(&app.pool)
            .await
            .unwrap();
        let delivery = DeliverEvent::new(app.widget().await.id, event.parse().unwrap());
        let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
        let fast = unit.enqueue(&delivery).await.unwrap().expect("the first job does not wait any more");
        unit.commit().await.unwrap();
        let ended = run_together(&app, &[fast]).await;
        app.vendor.control.release();
        ended
    };
    let (late, ended) = tokio::join!(app.executor.execute(slow), deliver_again);
    assert_eq!(ended, [ExecutionResult::Finished(Ok(JobOutcome::Done))]);
    assert!(matches!(late.unwrap(), ExecutionResult::Finished(Ok(JobOutcome::Skip(_)))));
    assert_eq!(recorded(&app).await, [("delivered".to_owned(), 1, "204".to_owned())]);

    app.advance(TimeDelta::minutes(1));
    app.run_due_jobs().await;
    assert_eq!(app.vendor.control.calls_to("POST", "/events").len(), 2, "it is not sent again");
}
