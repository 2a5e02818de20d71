//! Calls with lost webhooks are found in the account's event list, once.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::flysense::roles::Role;
use flysk_domain::id::AccountId;
use flysk_jobs::flysense::calls::{ReconcileAccount, ReconcileDue};
use flysk_simulators::amocrm::EntityType::{Companies, Contacts, Leads};
use flysk_simulators::{Act, Script};
use flysk_store::flysense::accounts;
use flysk_store::jobs::JobState;
use flysk_suite::environment::ACCOUNT;
use sqlx::MySqlPool;

use crate::harness::TestApp;

const EVENTS: &str = "/api/v4/events";

fn job() -> ReconcileAccount {
    ReconcileAccount::up_to_now(AccountId(ACCOUNT))
}

/// Calls on all types of entities are found. A missed call has no recording, and calls whose webhook arrived are
/// not requested again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn calls_with_lost_webhooks_are_found_with_separate_correlation_ids(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let told = app.call(Leads, 30, false);
    while app.requested().await.0 != [told] {
        // The webhook is delivered over HTTP.
        tokio::time::sleep(Duration::from_millis(20)).await;
        app.run_due_jobs().await;
    }
    let lost = [app.silent_call(Leads, 42), app.silent_call(Contacts, 7), app.silent_call(Companies, 9)];
    app.silent_call(Leads, 0);
    app.advance(TimeDelta::minutes(1));
    app.run(&job()).await;
    let (notes, threads) = app.requested().await;
    assert_eq!(notes, [&[told], lost.as_slice()].concat());
    assert_eq!(threads, 4, "each call is followed by an id of its own");
    assert!(app.account().await.reconciled_until.is_some());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn repeated_reads_and_late_webhooks_request_nothing_twice(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let note = app.silent_call(Leads, 42);
    app.advance(TimeDelta::minutes(1));
    app.run(&job()).await;
    app.advance(TimeDelta::minutes(10));
    app.run(&job()).await;
    app.amocrm.state.fire_again(ACCOUNT, &[note]).unwrap();
    while app.jobs(JobState::Done).await.iter().all(|job| job.kind != "calls.ingest_note") {
        tokio::time::sleep(Duration::from_millis(20)).await;
        app.run_due_jobs().await;
    }
    assert_eq!(app.requested().await.0, [note]);
    let fetches =
        app.jobs(JobState::Queued).await.iter().filter(|job| job.kind == "calls.fetch_recording").count();
    assert_eq!(fetches, 1);
}

/// More calls than fit on a page: each page is a separate job, and the window is recorded with the last.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_long_event_list_is_read_page_by_page(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let lost: Vec<u64> = (0..130).map(|_| app.silent_call(Leads, 42)).collect();
    app.advance(TimeDelta::minutes(1));
    app.run(&job()).await;
    assert_eq!(app.requested().await.0, lost);
    let runs =
        app.jobs(JobState::Done).await.iter().filter(|job| job.kind == "calls.reconcile_account").count();
    assert_eq!(runs, 2);
}

/// A worker crashes between the event list and the notes: nothing is recorded as read, and the next one repeats
/// it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_worker_crash_half_way_loses_and_duplicates_nothing(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let lost = [app.silent_call(Leads, 42), app.silent_call(Contacts, 7)];
    app.advance(TimeDelta::minutes(1));
    app.amocrm.control.clear_calls();
    app.amocrm.control.script(Script::next("/api/v4/contacts/notes", Act::Hang));
    app.enqueue(&job()).await;
    let [dying] = app.due().await.try_into().unwrap();
    tokio::select! {
        performed = app.executor.execute(dying.id) => panic!("it should hang: {performed:?}"),
        () = async {
            while app.asked("GET", "/api/v4/contacts/notes") == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        } => {}
    }
    assert_eq!(app.requested().await.0, lost[..1], "the lead's call was requested before");
    assert_eq!(app.account().await.reconciled_until, None);
    app.advance(TimeDelta::minutes(2));
    assert_eq!(app.executor.rescue_once().await.unwrap(), 1);
    app.advance(TimeDelta::minutes(1));
    app.run_due_jobs().await;
    assert_eq!(app.requested().await.0, lost);
    assert!(app.account().await.reconciled_until.is_some());
}

/// An account blocked by amoCRM: nothing is requested, no job dies, and nothing is recorded as read.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_blocked_account_is_read_again_at_the_next_tick(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let note = app.silent_call(Leads, 42);
    app.advance(TimeDelta::minutes(1));
    let unpaid = Act::Answer { status: 402, headers: Vec::new(), body: r#"{"status":402}"#.to_owned() };
    app.amocrm.control.script(Script::next(EVENTS, unpaid));
    app.run(&job()).await;
    assert_eq!(app.requested().await.0, Vec::<u64>::new());
    assert!(app.jobs(JobState::Dead).await.is_empty());
    assert_eq!(app.account().await.reconciled_until, None);
    app.run(&ReconcileDue {}).await;
    app.advance(TimeDelta::minutes(9));
    app.run_due_jobs().await;
    assert_eq!(app.requested().await.0, [note]);
}

/// amoCRM refuses a token that looks valid: the platform is told, and the next attempt has another one.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refused_token_is_replaced_before_the_next_attempt(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let note = app.silent_call(Leads, 42);
    // The token is not among the youngest, which are not renewed.
    app.advance(TimeDelta::minutes(11));
    app.amocrm.control.clear_calls();
    let refused = Act::Answer {
        status: 401,
        headers: vec![("content-type".to_owned(), "application/problem+json".to_owned())],
        body: r#"{"title":"Unauthorized","status":401}"#.to_owned(),
    };
    app.amocrm.control.script(Script::next(EVENTS, refused));
    app.run(&job()).await;
    assert_eq!(app.asked("POST", "/oauth2/access_token"), 1);
    assert_eq!(app.requested().await.0, Vec::<u64>::new());
    app.advance(TimeDelta::minutes(10));
    app.run_due_jobs().await;
    assert_eq!(app.requested().await.0, [note]);
    let calls = app.amocrm.control.calls_to("GET", EVENTS);
    let bearers: Vec<Option<&str>> = calls.iter().map(|call| call.header("authorization")).collect();
    assert_eq!(bearers.len(), 2);
    assert_ne!(bearers[0], bearers[1]);
}

/// HTML pages, broken connections, entries of unknown shapes, missing notes.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn invalid_responses_of_amocrm_only_delay_the_search(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let note = app.silent_call(Leads, 42);
    app.advance(TimeDelta::minutes(1));
    let page = |headers: &[(&str, &str)], body: &str| Act::Answer {
        status: 200,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.to_owned(),
    };
    let html = page(&[("content-type", "text/html")], "<html>");
    let odd = r#"{"_embedded":{"events":[{"id":1},{"entity_id":7,"entity_type":"lead","created_at":1,
        "value_after":[{"note":{"id":424242}}]},{"entity_id":7,"entity_type":"spaceship","created_at":1}]}}"#;
    app.amocrm.control.script(Script::next(EVENTS, html));
    app.amocrm.control.script(Script::next(EVENTS, Act::Cut));
    app.run(&job()).await;
    for _ in 0..3 {
        app.advance(TimeDelta::minutes(10));
        app.run_due_jobs().await;
    }
    assert_eq!(app.requested().await.0, [note]);
    app.amocrm.control.script(Script::next(EVENTS, page(&[("content-type", "application/hal+json")], odd)));
    app.run(&job()).await;
    assert_eq!(app.requested().await.0, [note], "a note that is not there is no call");
    assert!(app.jobs(JobState::Dead).await.is_empty());
}

/// Calls from before FlySense was installed, or while it was switched off, are not requested.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn only_calls_since_transcription_was_enabled_are_found(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let mut conn = app.pool.acquire().await.unwrap();
    let prefer = async |conn: &mut flysk_store::Conn, auto| {
        let now = flysk_domain::Clock::now(&app.clock);
        accounts::set_preferences(conn, AccountId(ACCOUNT), auto, Role::Operator, now).await.unwrap();
    };
    prefer(&mut conn, false).await;
    app.silent_call(Leads, 42);
    app.advance(TimeDelta::minutes(5));
    app.run(&job()).await;
    assert_eq!(app.requested().await.0, Vec::<u64>::new());
    prefer(&mut conn, true).await;
    app.advance(TimeDelta::seconds(5));
    let wanted = app.silent_call(Leads, 42);
    app.advance(TimeDelta::minutes(5));
    app.run(&job()).await;
    assert_eq!(app.requested().await.0, [wanted], "calls before the switch are not requested");
}
