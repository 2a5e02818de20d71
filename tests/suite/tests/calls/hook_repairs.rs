//! Subscriptions that went away, were switched off, or are signed with a key that is being given up.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::id::AccountId;
use flysk_jobs::amocrm::{CheckHooks, CheckHooksDue};
use flysk_jobs::calls::ReconcileAccount;
use flysk_simulators::amocrm::{EntityType, Plan, Quirks};
use flysk_simulators::{Act, Script};
use flysk_store::flysense::accounts;
use flysk_store::jobs::JobState;
use flysk_suite::stand::ACCOUNT;
use sqlx::MySqlPool;

use crate::house::{House, NEW_RING};

const HOOKS: &str = "/api/v4/webhooks";
const CHECK: CheckHooks = CheckHooks { account_id: AccountId(ACCOUNT) };

/// Missing or switched off, and whether or not a POST switches on again: afterwards there is one good hook, and
/// the calls of the meantime are found.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_hook_that_is_missing_or_disabled_is_repaired_and_its_calls_are_found(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let destination = house.hooks()[0].destination.clone();
    for (round, posts_enable) in [(0, false), (1, false), (2, true)] {
        let quirks = house.amocrm.state.quirks();
        house.amocrm.state.set_quirks(Quirks { post_enables_hook: posts_enable, ..quirks });
        if round == 0 {
            house.amocrm.state.remove_hook(ACCOUNT, &destination).unwrap();
        } else {
            house.amocrm.state.disable_hook(ACCOUNT, &destination).unwrap();
        }
        let missed = house.call(EntityType::Leads, 42, false);
        house.advance(TimeDelta::minutes(1));
        house.run(&CHECK).await;
        let hooks = house.hooks();
        assert_eq!(hooks.len(), 1, "round {round}");
        assert!(hooks[0].destination == destination && !hooks[0].disabled, "round {round}");
        assert_eq!(hooks[0].settings.len(), 4);
        assert!(house.requested().await.0.contains(&missed), "round {round}: the log was not read");
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_good_hook_is_looked_at_once_and_left_alone(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.control.clear_calls();
    house.run(&CHECK).await;
    house.run(&CHECK).await;
    assert_eq!(
        (house.asked("GET", HOOKS), house.asked("POST", HOOKS), house.asked("DELETE", HOOKS)),
        (2, 0, 0)
    );
    house.run(&CheckHooksDue {}).await;
    house.advance(TimeDelta::minutes(51));
    house.run_due_jobs().await;
    assert_eq!(house.asked("GET", HOOKS), 3, "the tick looks at every active account");
}

/// nginx shuts our address out of the account: one job finds out, and no other asks.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_block_is_told_to_every_job_of_the_account(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.control.clear_calls();
    house.amocrm.state.change_account(ACCOUNT, |account| account.blocked = true).unwrap();
    house.run(&CHECK).await;
    house.run(&ReconcileAccount::up_to_now(AccountId(ACCOUNT))).await;
    assert_eq!((house.asked("GET", HOOKS), house.asked("GET", "/api/v4/events")), (1, 0));
    house.amocrm.state.change_account(ACCOUNT, |account| account.blocked = false).unwrap();
    house.advance(TimeDelta::minutes(16));
    house.run_due_jobs().await;
    assert_eq!(house.asked("GET", "/api/v4/events"), 0, "it is left alone for an hour");
    assert!(house.jobs(JobState::Dead).await.is_empty());
}

/// A worker that dies after it took the hook away and before it set it up again.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_repair_that_dies_half_way_is_done_again(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let destination = house.hooks()[0].destination.clone();
    house.amocrm.state.disable_hook(ACCOUNT, &destination).unwrap();
    house.amocrm.control.clear_calls();
    // The first POST leaves it disabled, the one after the DELETE never gets an answer.
    house.amocrm.control.script(Script {
        skip: 1,
        method: Some("POST".to_owned()),
        ..Script::next(HOOKS, Act::Hang)
    });
    house.enqueue(&CHECK).await;
    let [dying] = house.due().await.try_into().unwrap();
    tokio::select! {
        performed = house.engine.perform(dying.id) => panic!("it should hang: {performed:?}"),
        () = async {
            while house.asked("POST", HOOKS) < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        } => {}
    }
    assert!(house.hooks().is_empty());
    house.advance(TimeDelta::minutes(2));
    assert_eq!(house.engine.rescue_once().await.unwrap(), 1);
    house.advance(TimeDelta::minutes(1));
    house.run_due_jobs().await;
    assert!(house.hooks().len() == 1 && !house.hooks()[0].disabled);
}

/// A plan without hooks: noted, not died of; the account's calls are found in the log.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_plan_without_hooks_is_noted_and_calls_are_found_all_the_same(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let destination = house.hooks()[0].destination.clone();
    house.amocrm.state.change_account(ACCOUNT, |account| account.plan = Plan::Basic).unwrap();
    house.amocrm.state.remove_hook(ACCOUNT, &destination).unwrap();
    house.run(&CHECK).await;
    assert_eq!(house.account().await.hooks_state, "refused");
    assert!(house.jobs(JobState::Dead).await.is_empty());
    house.amocrm.state.change_account(ACCOUNT, |account| account.plan = Plan::Extended).unwrap();
    house.run(&CHECK).await;
    assert_eq!(house.account().await.hooks_state, "subscribed");
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_amocrm_that_fails_or_shows_a_page_is_asked_again(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let destination = house.hooks()[0].destination.clone();
    house.amocrm.state.remove_hook(ACCOUNT, &destination).unwrap();
    let page = Act::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: "<html>".to_owned(),
    };
    house.amocrm.control.script(Script::next(HOOKS, page));
    house.amocrm.control.script(Script::next(HOOKS, Act::ServeThenCut));
    house.run(&CHECK).await;
    for _ in 0..3 {
        house.advance(TimeDelta::minutes(11));
        house.run_due_jobs().await;
    }
    assert_eq!(house.hooks().len(), 1);
    assert!(house.jobs(JobState::Dead).await.is_empty());
}

/// A new key in front of the ring: the address moves, deliveries to either are taken meanwhile, and in the end
/// nothing is left under the old key.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn hooks_move_to_the_new_key_and_none_is_lost_on_the_way(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let old = house.hooks()[0].destination.clone();
    assert_eq!(house.account().await.hooks_key.as_deref(), Some("k1"));
    let rotated = house.engine_with_ring(NEW_RING).await;
    let mut conn = house.pool.acquire().await.unwrap();
    let behind = accounts::list_hooks_under_other_keys(&mut conn, "k2", None, 10).await.unwrap();
    assert_eq!(behind, [AccountId(ACCOUNT)]);
    house.amocrm.control.clear_calls();
    house.enqueue(&CHECK).await;
    house.run_due_jobs_on(&rotated).await;
    let hooks = house.hooks();
    assert!(hooks.len() == 1 && hooks[0].destination != old, "the old address is taken out");
    let order: Vec<String> = house
        .amocrm
        .control
        .calls()
        .into_iter()
        .filter(|call| call.path == HOOKS && call.method != "GET")
        .map(|call| call.method)
        .collect();
    assert_eq!(order, ["POST", "DELETE"], "the new address comes before the old one goes");
    assert!(accounts::list_hooks_under_other_keys(&mut conn, "k2", None, 10).await.unwrap().is_empty());
    // Moved once: the next look only looks.
    house.amocrm.control.clear_calls();
    house.enqueue(&CHECK).await;
    house.run_due_jobs_on(&rotated).await;
    assert_eq!((house.asked("POST", HOOKS), house.asked("DELETE", HOOKS)), (0, 0));
}
