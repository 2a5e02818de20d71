//! Calls whose hook never came: found in the account's log, once.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::id::AccountId;
use flysk_jobs::calls::{ReconcileAccount, ReconcileDue};
use flysk_simulators::amocrm::EntityType::{Companies, Contacts, Leads};
use flysk_simulators::{Act, Script};
use flysk_store::flysense::accounts;
use flysk_store::jobs::JobState;
use flysk_suite::stand::ACCOUNT;
use sqlx::MySqlPool;

use crate::house::House;

const EVENTS: &str = "/api/v4/events";

fn job() -> ReconcileAccount {
    ReconcileAccount::up_to_now(AccountId(ACCOUNT))
}

/// On any kind of card; a missed call has nothing to hear, and what its hook brought is left alone.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn calls_whose_hook_was_lost_are_found_each_on_its_own_thread(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let told = house.call(Leads, 30, false);
    while house.requested().await.0 != [told] {
        // The hook really travels.
        tokio::time::sleep(Duration::from_millis(20)).await;
        house.run_due_jobs().await;
    }
    let lost =
        [house.silent_call(Leads, 42), house.silent_call(Contacts, 7), house.silent_call(Companies, 9)];
    house.silent_call(Leads, 0);
    house.advance(TimeDelta::minutes(1));
    house.run(&job()).await;
    let (notes, threads) = house.requested().await;
    assert_eq!(notes, [&[told], lost.as_slice()].concat());
    assert_eq!(threads, 4, "each call is followed by an id of its own");
    assert!(house.account().await.reconciled_until.is_some());
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn reading_the_log_twice_and_a_hook_that_comes_late_request_nothing_twice(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let note = house.silent_call(Leads, 42);
    house.advance(TimeDelta::minutes(1));
    house.run(&job()).await;
    house.advance(TimeDelta::minutes(10));
    house.run(&job()).await;
    house.amocrm.state.fire_again(ACCOUNT, &[note]).unwrap();
    while house.jobs(JobState::Done).await.iter().all(|job| job.kind != "calls.ingest_note") {
        tokio::time::sleep(Duration::from_millis(20)).await;
        house.run_due_jobs().await;
    }
    assert_eq!(house.requested().await.0, [note]);
    let fetches =
        house.jobs(JobState::Queued).await.iter().filter(|job| job.kind == "calls.fetch_recording").count();
    assert_eq!(fetches, 1);
}

/// More calls than a page holds: each page is a job of its own, and the window is noted with the last.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_long_log_is_read_page_by_page(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let lost: Vec<u64> = (0..130).map(|_| house.silent_call(Leads, 42)).collect();
    house.advance(TimeDelta::minutes(1));
    house.run(&job()).await;
    assert_eq!(house.requested().await.0, lost);
    let runs =
        house.jobs(JobState::Done).await.iter().filter(|job| job.kind == "calls.reconcile_account").count();
    assert_eq!(runs, 2);
}

/// A worker that dies between the log and the notes: nothing is noted as read, and the next one does it all.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_worker_that_dies_half_way_loses_and_doubles_nothing(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let lost = [house.silent_call(Leads, 42), house.silent_call(Contacts, 7)];
    house.advance(TimeDelta::minutes(1));
    house.amocrm.control.clear_calls();
    house.amocrm.control.script(Script::next("/api/v4/contacts/notes", Act::Hang));
    house.enqueue(&job()).await;
    let [dying] = house.due().await.try_into().unwrap();
    tokio::select! {
        performed = house.engine.perform(dying.id) => panic!("it should hang: {performed:?}"),
        () = async {
            while house.asked("GET", "/api/v4/contacts/notes") == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        } => {}
    }
    assert_eq!(house.requested().await.0, lost[..1], "the lead's call was requested before");
    assert_eq!(house.account().await.reconciled_until, None);
    house.advance(TimeDelta::minutes(2));
    assert_eq!(house.engine.rescue_once().await.unwrap(), 1);
    house.advance(TimeDelta::minutes(1));
    house.run_due_jobs().await;
    assert_eq!(house.requested().await.0, lost);
    assert!(house.account().await.reconciled_until.is_some());
}

/// An account that amoCRM shut: nothing is requested, nothing dies, and nothing is noted as read.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_account_that_shows_no_log_is_asked_again_at_the_next_tick(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let note = house.silent_call(Leads, 42);
    house.advance(TimeDelta::minutes(1));
    let unpaid = Act::Answer { status: 402, headers: Vec::new(), body: r#"{"status":402}"#.to_owned() };
    house.amocrm.control.script(Script::next(EVENTS, unpaid));
    house.run(&job()).await;
    assert_eq!(house.requested().await.0, Vec::<u64>::new());
    assert!(house.jobs(JobState::Dead).await.is_empty());
    assert_eq!(house.account().await.reconciled_until, None);
    house.run(&ReconcileDue {}).await;
    house.advance(TimeDelta::minutes(9));
    house.run_due_jobs().await;
    assert_eq!(house.requested().await.0, [note]);
}

/// Pages for people, broken connections, entries of shapes nobody knows, notes that are not there.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_amocrm_that_is_slow_or_lies_only_delays_it(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let note = house.silent_call(Leads, 42);
    house.advance(TimeDelta::minutes(1));
    let page = |headers: &[(&str, &str)], body: &str| Act::Answer {
        status: 200,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.to_owned(),
    };
    let html = page(&[("content-type", "text/html")], "<html>");
    let odd = r#"{"_embedded":{"events":[{"id":1},{"entity_id":7,"entity_type":"lead","created_at":1,
        "value_after":[{"note":{"id":424242}}]},{"entity_id":7,"entity_type":"spaceship","created_at":1}]}}"#;
    house.amocrm.control.script(Script::next(EVENTS, html));
    house.amocrm.control.script(Script::next(EVENTS, Act::Cut));
    house.run(&job()).await;
    for _ in 0..3 {
        house.advance(TimeDelta::minutes(10));
        house.run_due_jobs().await;
    }
    assert_eq!(house.requested().await.0, [note]);
    house.amocrm.control.script(Script::next(EVENTS, page(&[("content-type", "application/hal+json")], odd)));
    house.run(&job()).await;
    assert_eq!(house.requested().await.0, [note], "a note that is not there is no call");
    assert!(house.jobs(JobState::Dead).await.is_empty());
}

/// Calls from before FlySense was there, or while it was switched off, are nobody's wish.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn only_calls_since_the_wish_for_transcripts_are_looked_for(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let mut conn = house.pool.acquire().await.unwrap();
    let prefer = async |conn: &mut flysk_store::Conn, auto| {
        let now = flysk_domain::Clock::now(&house.clock);
        accounts::set_preferences(conn, AccountId(ACCOUNT), auto, "operator", now).await.unwrap();
    };
    prefer(&mut conn, false).await;
    house.silent_call(Leads, 42);
    house.advance(TimeDelta::minutes(5));
    house.run(&job()).await;
    assert_eq!(house.requested().await.0, Vec::<u64>::new());
    prefer(&mut conn, true).await;
    house.advance(TimeDelta::seconds(5));
    let wanted = house.silent_call(Leads, 42);
    house.advance(TimeDelta::minutes(5));
    house.run(&job()).await;
    assert_eq!(house.requested().await.0, [wanted], "what was said before the switch stays unheard");
}
