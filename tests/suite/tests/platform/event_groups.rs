//! Deliveries that run at the same time and are recorded together.

use std::time::Duration;

use chrono::{SubsecRound as _, TimeDelta};
use flysk_domain::Clock as _;
use flysk_domain::id::{AccountId, EventId, InstallId, JobId};
use flysk_domain::platform::events::EventKind;
use flysk_jobs::platform::lifecycle::DeliverEvent;
use flysk_queue::executor::ExecutionResult;
use flysk_queue::{JobError, JobOutcome};
use flysk_simulators::{Act, Script};
use flysk_store::platform::events::{self, Event, EventState};
use flysk_store::platform::widgets;
use sqlx::MySqlPool;

use super::harness::{TestApp, WAIT_TIMEOUT, trace};

/// Concurrent deliveries to one endpoint.
const PERMITS: usize = 8;

fn ill() -> Act {
    Act::Answer { status: 500, headers: Vec::new(), body: String::new() }
}

/// Queues events of different installs of the widget; returns their jobs.
async fn queue_events(app: &TestApp, count: usize) -> Vec<JobId> {
    let widget_id = app.widget().await.id;
    let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
    let mut jobs = Vec::new();
    for _ in 0..count {
        let event = Event {
            id: EventId::generate(&app.clock),
            widget_id,
            number: widgets::next_event_number(&mut unit, widget_id).await.unwrap(),
            install_id: InstallId::generate(&app.clock),
            sequence: 1,
            kind: EventKind::Activate,
            account_id: AccountId(7),
            host: "other.amocrm.ru".to_owned(),
            state: EventState::Waiting,
            attempts: 0,
            happened_at: app.clock.now().trunc_subsecs(6),
            data: None,
        };
        events::insert(&mut unit, &event).await.unwrap();
        jobs.push(unit.enqueue(&DeliverEvent { event_id: event.id }).await.unwrap().unwrap());
    }
    unit.commit().await.unwrap();
    jobs
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

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn deliveries_that_run_together_are_each_recorded_once(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let jobs = queue_events(&app, 3 * PERMITS).await;
    for (round, jobs) in (1..).zip(jobs.chunks(PERMITS)) {
        if round == 3 {
            app.vendor.control.script(Script::next("/events", ill()));
        }
        let runs = jobs.iter().map(|job| app.executor.execute(*job));
        for run in futures::future::join_all(runs).await {
            let ended = run.unwrap();
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
    assert_eq!(of("delivered", 1, "204"), 3 * PERMITS - 1, "{events:?}");
    assert_eq!(of("waiting", 1, "500"), 1, "{events:?}");

    app.advance(TimeDelta::seconds(10));
    app.run_due_jobs().await;
    let events = recorded(&app).await;
    assert!(events.contains(&("delivered".to_owned(), 2, "500,204".to_owned())), "{events:?}");
    assert!(events.iter().all(|(state, ..)| state == "delivered"));
}

/// The record of a delivery lets the next event of its install go. Another process may have that event's job locked; deliveries that
/// are recorded together with this one are recorded all the same, and their events are not sent again.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
#[ignore = "long: waits twice for a row that stays locked"]
async fn a_row_that_stays_locked_keeps_no_other_delivery_from_its_end(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let jobs = queue_events(&app, PERMITS).await;
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
    sqlx::query("SELECT id FROM jobs WHERE id = ? FOR UPDATE")
        .bind(behind.to_string())
        .fetch_one(&mut *elsewhere)
        .await
        .unwrap();

    let runs = futures::future::join_all(jobs.iter().map(|job| app.executor.execute(*job))).await;
    let done = |run: &ExecutionResult| *run == ExecutionResult::Finished(Ok(JobOutcome::Done));
    let count = runs.iter().filter(|run| run.as_ref().is_ok_and(done)).count();
    assert_eq!(count, PERMITS - 1, "{runs:?}");
    elsewhere.rollback().await.unwrap();

    app.advance(TimeDelta::minutes(1));
    app.run_due_jobs().await;
    let events = recorded(&app).await;
    assert!(events.iter().all(|event| *event == ("delivered".to_owned(), 1, "204".to_owned())), "{events:?}");
}

/// The worker was thought dead while the backend took its time: the interrupted attempt is logged, and its answer is not.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_run_that_lost_its_job_does_not_record_its_delivery(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.vendor.control.clear_calls();
    let jobs = queue_events(&app, 1).await;
    app.vendor.control.script(Script { delay_ms: 1_500, ..Script::next("/events", Act::Serve) });
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
