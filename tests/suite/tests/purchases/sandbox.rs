//! The sandbox: the product on a clock that stops at every due date.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{AccountId, HoldId, InstallId, LotId, TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::events::{EventKind, Test};
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_jobs::platform::upkeep::{PruneJobs, SealAuditLog, VerifyAuditLog};
use flysk_queue::Job;
use flysk_sandbox::{CLIENT_ID, CLIENT_SECRET, Event, Options, PUBLIC_ORIGIN, Pace, Sandbox};
use flysk_services::events::{NewEvent, emit};
use flysk_services::widgets::Registration;
use flysk_simulators::{Act, Control, Running, Script, vendor};
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand};
use flysk_store::platform::{installs, widgets};
use flysk_suite::environment::{ACCOUNT, connect_as_in_production, seed_amocrm};
use sqlx::MySqlPool;

use super::harness::trace;

fn start() -> DateTime<Utc> {
    "2027-01-31T09:00:00Z".parse().unwrap()
}

async fn sandbox(pool: MySqlPool) -> Sandbox {
    sandbox_with(pool, BTreeMap::new()).await
}

/// The same with additional variables of the product.
async fn sandbox_with(pool: MySqlPool, variables: BTreeMap<String, String>) -> Sandbox {
    let pool = connect_as_in_production(&pool, 20).await.unwrap();
    let options = Options { variables, ..Options::new(pool, start()).unwrap() };
    let sandbox = Sandbox::start(options).await.unwrap();
    seed_amocrm(&sandbox.amocrm.state).unwrap();
    sandbox
}

/// Registers FlySense and installs it; returns its wallet.
async fn install(sandbox: &Sandbox) -> WalletId {
    let wanted = Registration {
        code: "flysense".to_owned(),
        name: "FlySense".to_owned(),
        crm: Crm::Amocrm,
        client_uuid: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned().into(),
        redirect_uri: format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback"),
    };
    let mut conn = sandbox.pool.acquire().await.unwrap();
    let issued = sandbox.executor.app().vault.widgets().register(&mut conn, &wanted).await.unwrap();
    let changes = widgets::Changes { uses_flycoins: Some(true), ..widgets::Changes::default() };
    widgets::update(&mut conn, issued.id, &changes, sandbox.now()).await.unwrap();
    assert_eq!(sandbox.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap().status, Some(200));
    sandbox.run_due().await.unwrap();
    let found = installs::find_in_account(&mut conn, issued.id, AccountId(ACCOUNT)).await.unwrap();
    let wallet = ledger::find_wallet_of_install(&mut conn, found.unwrap().id).await.unwrap();
    wallet.unwrap().id
}

async fn command(sandbox: &Sandbox, wallet: WalletId, command: Command) {
    let mut unit = sandbox.outbox().begin(trace()).await.unwrap();
    let command = LedgerCommand::new(TransactionId::generate(&sandbox.clock), command);
    let done = ledger::apply(&mut unit, wallet, &[command], &sandbox.clock).await.unwrap();
    assert!(matches!(done[0], CommandOutcome::Done(_)), "{done:?}");
    unit.commit().await.unwrap();
}

/// Enqueues a job for a moment of a later day; returns its kind and the moment.
async fn enqueue_on_day<J: Job>(sandbox: &Sandbox, days: i64, job: &J) -> (&'static str, DateTime<Utc>) {
    let due = start() + TimeDelta::days(days) + TimeDelta::seconds(7);
    let mut unit = sandbox.outbox().begin(trace()).await.unwrap();
    unit.enqueue_at(job, due).await.unwrap().expect("no job of the kind waits");
    unit.commit().await.unwrap();
    (J::KIND, due)
}

fn times(events: &[Event], kind: &str) -> Vec<DateTime<Utc>> {
    events.iter().filter(|event| event.what.is_job(kind)).map(|event| event.at).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_clock_stops_at_every_due_date_and_never_jumps_over_one(pool: MySqlPool) {
    let sandbox = sandbox(pool).await;
    // Of different kinds, because at most one job of each waits: until it has run, the schedule adds none.
    let wanted = [
        enqueue_on_day(&sandbox, 3, &PruneJobs {}).await,
        enqueue_on_day(&sandbox, 1, &SealAuditLog {}).await,
        enqueue_on_day(&sandbox, 2, &VerifyAuditLog {}).await,
    ];
    let events = sandbox.advance(TimeDelta::days(3) + TimeDelta::hours(1)).await.unwrap();
    for (kind, due) in wanted {
        assert_eq!(times(&events, kind).first(), Some(&due), "the first run of {kind}: {events:?}");
    }
    assert!(events.is_sorted_by_key(|event| event.at), "{events:?}");
    assert!(sandbox.advance_to(start()).await.is_err(), "a clock does not go back");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_hold_expires_when_its_time_has_come(pool: MySqlPool) {
    let sandbox = sandbox(pool).await;
    let wallet = install(&sandbox).await;
    let lot = LotId::generate(&sandbox.clock);
    let credit =
        Command::Credit { lot, origin: Origin::Package, amount: MicroCoins(5_000_000), expires_at: None };
    command(&sandbox, wallet, credit).await;
    let expires_at = sandbox.now() + TimeDelta::minutes(90);
    let hold =
        Command::Hold { hold: HoldId::generate(&sandbox.clock), amount: MicroCoins(2_000_000), expires_at };
    command(&sandbox, wallet, hold).await;
    let available = async || {
        let mut conn = sandbox.pool.acquire().await.unwrap();
        ledger::find_wallet(&mut conn, wallet).await.unwrap().unwrap().available.0
    };
    sandbox.advance(TimeDelta::minutes(89)).await.unwrap();
    assert_eq!(available().await, 3_000_000);
    let events = sandbox.advance(TimeDelta::minutes(2)).await.unwrap();
    assert_eq!(available().await, 5_000_000);
    let stopped: Vec<_> = events.iter().map(|event| event.at).collect();
    assert!(stopped.contains(&expires_at), "{stopped:?}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn tokens_stay_alive_for_a_month(pool: MySqlPool) {
    let sandbox = sandbox(pool).await;
    install(&sandbox).await;
    let events = sandbox.advance(TimeDelta::days(30)).await.unwrap();
    let refreshes = times(&events, "oauth.refresh_token");
    // One a day, each in one run: no rate limit of real time defers a job of the sandbox.
    assert!((30..=40).contains(&refreshes.len()), "{} renewals", refreshes.len());
    let longest = refreshes.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest < TimeDelta::hours(24), "an access token lives a day: {longest}");
    let mut conn = sandbox.pool.acquire().await.unwrap();
    let states: Vec<String> =
        sqlx::query_scalar("SELECT state FROM install_tokens").fetch_all(&mut *conn).await.unwrap();
    assert_eq!(states, ["good"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_walk_stops_where_work_starts_and_runs_only_the_ticks_that_have_some(pool: MySqlPool) {
    let sandbox = sandbox(pool).await;
    let wallet = install(&sandbox).await;
    let lot = LotId::generate(&sandbox.clock);
    let credit =
        Command::Credit { lot, origin: Origin::Package, amount: MicroCoins(5_000_000), expires_at: None };
    command(&sandbox, wallet, credit).await;
    let expires_at = sandbox.now() + TimeDelta::minutes(90) + TimeDelta::seconds(7);
    let hold =
        Command::Hold { hold: HoldId::generate(&sandbox.clock), amount: MicroCoins(2_000_000), expires_at };
    command(&sandbox, wallet, hold).await;
    let (kind, due) = enqueue_on_day(&sandbox, 3, &PruneJobs {}).await;
    let to = start() + TimeDelta::days(30);
    let events = sandbox.walk_to(to, Pace::EXACT).await.unwrap();
    // At the tick that picks the hold up, a quarter past a minute.
    assert_eq!(times(&events, "flycoins.expire_holds").first(), Some(&(expires_at + TimeDelta::seconds(8))));
    assert_eq!(times(&events, kind).first(), Some(&due), "a job runs at its own time");
    assert_eq!(times(&events, "upkeep.roll_up_figures"), [to], "housekeeping runs once, at the end");
    assert!(events.is_sorted_by_key(|event| event.at), "{events:?}");
    let mut conn = sandbox.pool.acquire().await.unwrap();
    let balance = ledger::find_wallet(&mut conn, wallet).await.unwrap().unwrap().available.0;
    assert_eq!(balance, 5_000_000);
    drop(conn);
    assert!(sandbox.walk(start(), Pace::EXACT).is_err(), "a clock does not go back");
}

/// Installs FlySense, whose events go to this backend from then on.
async fn listen(sandbox: &Sandbox, backend: &Running<vendor::Vendor>) -> InstallId {
    install(sandbox).await;
    let mut conn = sandbox.pool.acquire().await.unwrap();
    let widget = widgets::find_by_code(&mut conn, "flysense").await.unwrap().unwrap().id;
    let url = Some(Some(format!("{}/events", backend.url)));
    let changes = widgets::Changes { event_url: url, ..widgets::Changes::default() };
    widgets::update(&mut conn, widget, &changes, sandbox.now()).await.unwrap();
    let found = installs::find_in_account(&mut conn, widget, AccountId(ACCOUNT)).await.unwrap();
    found.unwrap().id
}

/// Records a test event of the install. Jobs have not run.
async fn send_test(sandbox: &Sandbox, install: InstallId) {
    let mut unit = sandbox.outbox().begin(trace()).await.unwrap();
    let test = NewEvent::new(EventKind::Test, &Test::default()).unwrap();
    emit(&mut unit, &sandbox.clock, install, &[test], sandbox.now()).await.unwrap();
    unit.commit().await.unwrap();
}

/// Whoever waits for jobs may stop waiting while they run.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn jobs_that_are_left_halfway_are_taken_again(pool: MySqlPool) {
    let backend = vendor::start(None, None, Control::default()).await.unwrap();
    let allowed = ("FLYSK_OUTBOUND_ALLOW".to_owned(), backend.addr.to_string());
    let sandbox = sandbox_with(pool, BTreeMap::from([allowed])).await;
    let install = listen(&sandbox, &backend).await;
    send_test(&sandbox, install).await;
    backend.control.script(Script::next("/events", Act::Hang));
    let arrived = async {
        while backend.control.calls_to("POST", "/events").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        settled = sandbox.run_due() => panic!("the backend does not answer: {settled:?}"),
        () = arrived => {}
    }
    let events = sandbox.advance(TimeDelta::minutes(1)).await.unwrap();
    assert!(!times(&events, "lifecycle.deliver_event").is_empty(), "{events:?}");
    assert_eq!(backend.state.received().len(), 1, "another worker has taken it: {events:?}");
}

/// What lets the delivery of an event wait is over after some seconds of real time, in which this clock does not move. A retry waits
/// for its time.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn only_the_retries_of_a_delivery_wait_for_the_clock(pool: MySqlPool) {
    let backend = vendor::start(None, None, Control::default()).await.unwrap();
    let allowed = ("FLYSK_OUTBOUND_ALLOW".to_owned(), backend.addr.to_string());
    let sandbox = sandbox_with(pool, BTreeMap::from([allowed])).await;
    let install = listen(&sandbox, &backend).await;
    let send_test = async || send_test(&sandbox, install).await;
    let kind = "lifecycle.deliver_event";
    let attempts = || backend.control.calls_to("POST", "/events").len();

    // As it is left if the event is recorded while the delivery before it ends: neither transaction sees the other.
    send_test().await;
    let wait = "UPDATE jobs SET run_at = run_at + INTERVAL 10 SECOND, push_at = run_at
                WHERE kind = 'lifecycle.deliver_event' AND state = 'queued'";
    assert_eq!(sqlx::query(wait).execute(&sandbox.pool).await.unwrap().rows_affected(), 1);
    let events = sandbox.run_due().await.unwrap();
    assert_eq!((times(&events, kind), attempts()), (vec![start()], 1));

    let ill = Act::Answer { status: 503, headers: Vec::new(), body: String::new() };
    backend.control.script(Script::next("/events", ill));
    send_test().await;
    sandbox.run_due().await.unwrap();
    let events = sandbox.run_due().await.unwrap();
    assert!(times(&events, kind).is_empty(), "it is not time for the second attempt: {events:?}");
    assert_eq!(attempts(), 2);
    let events = sandbox.advance(TimeDelta::minutes(1)).await.unwrap();
    assert_eq!((times(&events, kind), attempts()), (vec![start() + TimeDelta::seconds(10)], 3));
    assert_eq!(backend.state.received().len(), 2);
}
