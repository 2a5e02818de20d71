//! Webhooks that were deleted, disabled, or use a key that is being rotated out.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::flysense::account::{AccountStatus, HooksState};
use flysk_domain::id::AccountId;
use flysk_jobs::flysense::calls::ReconcileAccount;
use flysk_jobs::flysense::hooks::{CheckHooks, CheckHooksDue};
use flysk_simulators::amocrm::{Behaviour, EntityType, Plan};
use flysk_simulators::{Act, Script};
use flysk_store::flysense::accounts;
use flysk_store::jobs::JobState;
use flysk_suite::environment::ACCOUNT;
use sqlx::MySqlPool;

use crate::harness::{NEW_RING, TestApp};

const HOOKS: &str = "/api/v4/webhooks";
const CHECK: CheckHooks = CheckHooks { account_id: AccountId(ACCOUNT) };

/// A missing or disabled webhook, and a POST that does or does not enable it: afterwards there is one valid
/// webhook, and the calls of the meantime are found.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_hook_that_is_missing_or_disabled_is_repaired_and_its_calls_are_found(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let destination = app.hooks()[0].destination.clone();
    for (round, posts_enable) in [(0, false), (1, false), (2, true)] {
        let behaviour = app.amocrm.state.behaviour();
        app.amocrm.state.set_behaviour(Behaviour { post_enables_hook: posts_enable, ..behaviour });
        if round == 0 {
            app.amocrm.state.remove_hook(ACCOUNT, &destination).unwrap();
        } else {
            app.amocrm.state.disable_hook(ACCOUNT, &destination).unwrap();
        }
        let missed = app.call(EntityType::Leads, 42, false);
        app.advance(TimeDelta::minutes(1));
        app.run(&CHECK).await;
        let hooks = app.hooks();
        assert_eq!(hooks.len(), 1, "round {round}");
        assert!(hooks[0].destination == destination && !hooks[0].disabled, "round {round}");
        assert_eq!(hooks[0].settings.len(), 4);
        assert!(app.requested().await.0.contains(&missed), "round {round}: the log was not read");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_valid_hook_is_read_once_and_not_changed(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.control.clear_calls();
    app.run(&CHECK).await;
    app.run(&CHECK).await;
    assert_eq!((app.asked("GET", HOOKS), app.asked("POST", HOOKS), app.asked("DELETE", HOOKS)), (2, 0, 0));
    app.run(&CheckHooksDue {}).await;
    app.advance(TimeDelta::minutes(51));
    app.run_due_jobs().await;
    assert_eq!(app.asked("GET", HOOKS), 3, "the tick looks at every active account");
}

/// nginx blocks our address for the account: one job detects it, and no other calls amoCRM.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_block_applies_to_every_job_of_the_account(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.control.clear_calls();
    app.amocrm.state.change_account(ACCOUNT, |account| account.blocked = true).unwrap();
    app.run(&CHECK).await;
    app.run(&ReconcileAccount::up_to_now(AccountId(ACCOUNT))).await;
    assert_eq!((app.asked("GET", HOOKS), app.asked("GET", "/api/v4/events")), (1, 0));
    app.amocrm.state.change_account(ACCOUNT, |account| account.blocked = false).unwrap();
    app.advance(TimeDelta::minutes(16));
    app.run_due_jobs().await;
    assert_eq!(app.asked("GET", "/api/v4/events"), 0, "it is left alone for an hour");
    assert!(app.jobs(JobState::Dead).await.is_empty());
}

/// A worker crashes after it deleted the webhook and before it subscribed again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_repair_that_crashes_half_way_is_repeated(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let destination = app.hooks()[0].destination.clone();
    app.amocrm.state.disable_hook(ACCOUNT, &destination).unwrap();
    app.amocrm.control.clear_calls();
    // The first POST leaves the webhook disabled, the one after the DELETE gets no response.
    app.amocrm.control.script(Script {
        skip: 1,
        method: Some("POST".to_owned()),
        ..Script::next(HOOKS, Act::Hang)
    });
    app.enqueue(&CHECK).await;
    let [dying] = app.due().await.try_into().unwrap();
    tokio::select! {
        performed = app.executor.execute(dying.id) => panic!("it should hang: {performed:?}"),
        () = async {
            while app.asked("POST", HOOKS) < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        } => {}
    }
    assert!(app.hooks().is_empty());
    app.advance(TimeDelta::minutes(2));
    assert_eq!(app.executor.rescue_once().await.unwrap(), 1);
    app.advance(TimeDelta::minutes(1));
    app.run_due_jobs().await;
    assert!(app.hooks().len() == 1 && !app.hooks()[0].disabled);
}

/// A plan without webhooks is recorded and causes no failure; the account's calls are found in the event list.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_plan_without_hooks_is_recorded_and_calls_are_found_anyway(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let destination = app.hooks()[0].destination.clone();
    app.amocrm.state.change_account(ACCOUNT, |account| account.plan = Plan::Basic).unwrap();
    app.amocrm.state.remove_hook(ACCOUNT, &destination).unwrap();
    app.run(&CHECK).await;
    assert_eq!(app.account().await.hooks_state, HooksState::Refused);
    assert!(app.jobs(JobState::Dead).await.is_empty());
    app.amocrm.state.change_account(ACCOUNT, |account| account.plan = Plan::Extended).unwrap();
    app.run(&CHECK).await;
    assert_eq!(app.account().await.hooks_state, HooksState::Subscribed);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_amocrm_that_fails_or_returns_a_page_is_called_again(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let destination = app.hooks()[0].destination.clone();
    app.amocrm.state.remove_hook(ACCOUNT, &destination).unwrap();
    let page = Act::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: "<html>".to_owned(),
    };
    app.amocrm.control.script(Script::next(HOOKS, page));
    app.amocrm.control.script(Script::next(HOOKS, Act::ServeThenCut));
    app.run(&CHECK).await;
    for _ in 0..3 {
        app.advance(TimeDelta::minutes(11));
        app.run_due_jobs().await;
    }
    assert_eq!(app.hooks().len(), 1);
    assert!(app.jobs(JobState::Dead).await.is_empty());
}

/// A new current key: the webhook's address changes, deliveries to both addresses are accepted meanwhile, and in
/// the end nothing depends on the old key.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn hooks_move_to_the_new_key_and_none_is_lost(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let old = app.hooks()[0].destination.clone();
    assert_eq!(app.account().await.hooks_key.as_deref(), Some("k1"));
    let rotated = app.executor_with_ring(NEW_RING).await;
    let mut conn = app.pool.acquire().await.unwrap();
    let behind = accounts::list_hooks_under_other_keys(&mut conn, "k2", None, 10).await.unwrap();
    assert_eq!(behind, [AccountId(ACCOUNT)]);
    app.amocrm.control.clear_calls();
    app.enqueue(&CHECK).await;
    app.run_due_jobs_on(&rotated).await;
    let hooks = app.hooks();
    assert!(hooks.len() == 1 && hooks[0].destination != old, "the old address is taken out");
    let order: Vec<String> = app
        .amocrm
        .control
        .calls()
        .into_iter()
        .filter(|call| call.path == HOOKS && call.method != "GET")
        .map(|call| call.method)
        .collect();
    assert_eq!(order, ["POST", "DELETE"], "the new address is subscribed before the old one is deleted");
    assert!(accounts::list_hooks_under_other_keys(&mut conn, "k2", None, 10).await.unwrap().is_empty());
    // Moved once: the next check only reads.
    app.amocrm.control.clear_calls();
    app.enqueue(&CHECK).await;
    app.run_due_jobs_on(&rotated).await;
    assert_eq!((app.asked("POST", HOOKS), app.asked("DELETE", HOOKS)), (0, 0));
}

/// All attempts to deliver `deactivate` may fail, as in an outage of the API. Otherwise people stay bound to an account that is gone, and
/// its erasure waits in vain.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_deactivation_whose_event_was_lost_is_found_by_the_check(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let uninstalled = "UPDATE installs SET status = 'uninstalled', disconnected_at = NOW(6)";
    sqlx::query(uninstalled).execute(&app.pool).await.unwrap();
    let told = app.account().await;
    assert_eq!(told.status, AccountStatus::Active, "no event was delivered");
    app.run(&CHECK).await;
    let found = app.account().await;
    assert_eq!((found.status, found.hooks_state), (AccountStatus::Inactive, HooksState::Unsubscribed));
    let followed =
        "SELECT COUNT(*) FROM jobs WHERE kind = 'activation.follow_deactivation' AND state = 'done'";
    let followed: i64 = sqlx::query_scalar(followed).fetch_one(&app.pool).await.unwrap();
    assert_eq!(followed, 1);

    // It was installed again, and the event of this came while the platform was asked.
    let (mut conn, now) = (app.pool.acquire().await.unwrap(), app.clock.now());
    let (id, host, sequence) = (AccountId(ACCOUNT), &told.host, told.last_event + 3);
    let active = AccountStatus::Active;
    assert!(accounts::note_event(&mut conn, id, told.install_id, host, active, sequence, now).await.unwrap());
    assert!(!accounts::deactivate(&mut conn, id, told.last_event, now).await.unwrap());
    drop(conn);
    assert_eq!(app.account().await.status, AccountStatus::Active);
}
