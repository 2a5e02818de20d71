//! Workers that die halfway, and jobs that run twice.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::activation::{Enable, FollowDeactivation, HandleUpdate, ReadUser};
use flysk_services::cancel::cancel;
use flysk_simulators::telegram::Device;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::{JobRow, JobState};
use flysk_suite::environment::ACCOUNT;
use serde_json::json;
use sqlx::MySqlPool;

use crate::harness::{ANNA, TELEGRAM_TOKEN, TestApp};

/// What the person is told when FlySense is switched on.
const ENABLED: &str = "работает в аккаунте";
const ACTIVATIONS: &str = "SELECT COUNT(*) FROM lifecycle_events WHERE type = 'activate'";
const BINDINGS: &str = "SELECT COUNT(*) FROM activation_bindings";

/// The only due job of a kind.
async fn due_of(app: &TestApp, kind: &str) -> JobRow {
    let [job] =
        app.due().await.into_iter().filter(|job| job.kind == kind).collect::<Vec<_>>().try_into().unwrap();
    job
}

/// Runs a job until `reached`, then drops it as a crash would, and lets the rescuer take it back.
async fn die_during(app: &TestApp, job: &JobRow, reached: impl Fn() -> bool) {
    tokio::select! {
        performed = app.executor.execute(job.id) => panic!("it should hang: {performed:?}"),
        () = async {
            while !reached() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        } => {}
    }
    rescue(app).await;
}

/// The rescuer takes back the job of a worker that died, and the job becomes due again.
async fn rescue(app: &TestApp) {
    app.clock.advance(TimeDelta::minutes(2));
    assert_eq!(app.executor.rescue_once().await.unwrap(), 1);
    app.clock.advance(TimeDelta::minutes(1));
}

/// The worker dies after Telegram has accepted the question, and after the platform has switched the widget on. In the
/// end the widget is active, and nothing was done or said twice.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_activation_survives_a_worker_that_dies_after_each_outside_effect(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let link = app.link().await;
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.wait_for_deliveries().await;
    app.executor.execute(due_of(&app, "activation.handle_update").await.id).await.unwrap();
    let send = format!("/bot{TELEGRAM_TOKEN}/sendMessage");
    let sent = || app.telegram.control.calls_to("POST", &send).len();
    app.telegram.control.script(Script::next(send.clone(), Act::ServeThenHang));
    die_during(&app, &due_of(&app, "telegram.send_message").await, || sent() == 1).await;
    app.run_until_idle().await;
    assert_eq!(
        (sent(), app.told(ANNA).len()),
        (1, 1),
        "it is unknown whether the question arrived: it is not repeated"
    );

    app.telegram.state.share_contact(ANNA).unwrap();
    app.wait_for_deliveries().await;
    app.executor.execute(due_of(&app, "activation.handle_update").await.id).await.unwrap();
    let enable = due_of(&app, "activation.enable").await;
    assert!(app.executor.claim(enable.id).await.unwrap().is_some(), "it is due");
    let platform = &app.executor.app().flysense().unwrap().platform;
    platform.switch(ACCOUNT.into(), true, None).await.unwrap();
    let done = || app.told(ANNA).iter().filter(|text| text.contains(ENABLED)).count();
    assert_eq!(
        (&app.activation().await["install_status"], done()),
        (&json!("active"), 0),
        "nobody is told yet"
    );
    rescue(&app).await;
    app.run_until_idle().await;
    app.run_until_idle().await;
    assert_eq!((&app.activation().await["install_status"], done()), (&json!("active"), 1));
    assert_eq!(app.count(ACTIVATIONS).await, 1);
    assert!(app.jobs(JobState::Dead).await.is_empty());
}

/// The name of the user cannot be read for a while: the link works without it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_link_works_while_amocrm_does_not_tell_the_users_name(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.control.clear_calls();
    app.amocrm.control.script(Script::next("/api/v4/users/*", Act::Hang));
    let (status, _) =
        app.ask(flysk_suite::environment::ADMIN, reqwest::Method::POST, "/v1/flysense/activation").await;
    assert_eq!(status.as_u16(), 201);
    let reading = due_of(&app, "activation.read_user").await;
    let asked = || !app.amocrm.control.calls_to("GET", "/api/v4/users/*").is_empty();
    die_during(&app, &reading, asked).await;
    app.run_until_idle().await;
    assert_eq!(app.count("SELECT COUNT(*) FROM activation_links WHERE user_name = 'Анна'").await, 1);
}

/// Each job of a finished activation is enqueued again, as a new job.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn jobs_of_a_finished_activation_that_run_again_bind_and_activate_nothing_twice(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    let told = app.told(ANNA).len();
    let (link, update): (String, String) = (
        sqlx::query_scalar("SELECT CAST(id AS CHAR) FROM activation_links")
            .fetch_one(&app.pool)
            .await
            .unwrap(),
        sqlx::query_scalar("SELECT CAST(MAX(id) AS CHAR) FROM bot_updates")
            .fetch_one(&app.pool)
            .await
            .unwrap(),
    );
    let (link_id, account_id) = (link.parse().unwrap(), ACCOUNT.into());
    app.enqueue(&HandleUpdate { update_id: update.parse().unwrap() }).await;
    app.enqueue(&ReadUser { link_id, account_id }).await;
    app.enqueue(&FollowDeactivation { account_id }).await;
    app.run_until_idle().await;
    assert_eq!(app.told(ANNA).len(), told);
    assert_eq!(app.count(BINDINGS).await, 1, "FlySense is still installed");
    app.enqueue(&Enable { link_id, account_id }).await;
    app.run_until_idle().await;
    assert_eq!(app.activation().await["install_status"], "active");
    assert_eq!((app.count(ACTIVATIONS).await, app.count(BINDINGS).await), (1, 1));
    // Attempts of one job tell the result once; a new job tells it again.
    let texts = app.told(ANNA);
    assert_eq!(texts.len(), told + 1, "{texts:?}");
    assert!(texts.last().unwrap().contains(ENABLED), "{texts:?}");
}

/// Opens a link and sends a contact; returns the jobs of the two updates, in this order.
async fn open_link_and_send_contact(app: &TestApp) -> [JobRow; 2] {
    let link = app.link().await;
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.telegram.state.send_card(ANNA, &flysk_simulators::telegram::Card::Own).unwrap();
    app.wait_for_deliveries().await;
    let mut updates: Vec<JobRow> =
        app.due().await.into_iter().filter(|job| job.kind == "activation.handle_update").collect();
    updates.sort_by_key(|job| job.id);
    updates.try_into().unwrap()
}

/// A contact is not handled before the link that was opened before it, even if its job runs first.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn updates_of_a_dialogue_are_handled_in_order(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let updates = open_link_and_send_contact(&app).await;
    app.executor.execute(updates[1].id).await.unwrap();
    assert_eq!(
        app.count("SELECT COUNT(*) FROM bot_updates WHERE state = 'new'").await,
        2,
        "the contact waits"
    );
    app.executor.execute(updates[0].id).await.unwrap();
    app.run_until_idle().await;
    assert_eq!(app.activation().await["install_status"], "active");
}

/// Otherwise the dialogue would be dead, and its updates would ask five times a second whether they may go on, until the
/// cancelled one is deleted after two days.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_cancelled_update_does_not_hold_up_its_dialogue(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let [opened, _] = open_link_and_send_contact(&app).await;
    let trace = Trace { correlation_id: "activation-test".to_owned(), traceparent: None };
    let mut unit = app.executor.outbox().begin(trace).await.unwrap();
    cancel(&mut unit, opened.id, "cancelled by an operator").await.unwrap();
    unit.commit().await.unwrap();
    app.run_until_idle().await;
    for (statement, updates) in [
        ("SELECT COUNT(*) FROM bot_updates WHERE state = 'new'", 0),
        ("SELECT COUNT(*) FROM bot_updates WHERE state = 'failed'", 1),
        ("SELECT COUNT(*) FROM bot_updates WHERE state = 'handled'", 1),
    ] {
        assert_eq!(app.count(statement).await, updates, "{statement}");
    }
}
