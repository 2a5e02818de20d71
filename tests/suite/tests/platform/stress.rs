//! Thousands of concurrent renewals over many accounts, with random faults.
//!
//! After each round every pair is either valid or flagged; a pair that counts as valid can be renewed; and of any
//! number of callers, one called amoCRM.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, InstallId};
use flysk_simulators::{Act, Script};
use flysk_store::platform::installs;
use flysk_store::platform::tokens::{self, PairState};
use flysk_suite::environment::{CLIENT_ID, another_account};
use flysk_tokens::{Freshness, Renewal, VaultError};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sqlx::MySqlPool;

use super::harness::{TestApp, as_conn, trace};

const TOKENS: &str = "/oauth2/access_token";
const ACCOUNT_COUNT: u64 = 40;
/// Installs renewed concurrently.
const CONCURRENT_INSTALLS: usize = 20;
const CALLERS: usize = 3;
const SEED: u64 = 20_261_125;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn two_thousand_renewals_leave_no_pair_silently_dead(pool: MySqlPool) {
    run_load(pool, 2_000).await;
}

/// Takes some minutes: `cargo xtask test -p flysk-suite --test platform -- --ignored hundred_thousand`.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
#[ignore = "takes minutes"]
async fn a_hundred_thousand_renewals_leave_no_pair_silently_dead(pool: MySqlPool) {
    run_load(pool, 100_000).await;
}

/// Outcomes of renewals.
#[derive(Debug, Default)]
struct Load {
    renewed: usize,
    in_doubt: usize,
    refused: usize,
    deferred: usize,
}

async fn run_load(pool: MySqlPool, renewals: usize) {
    let mut chance = StdRng::seed_from_u64(SEED);
    let app = TestApp::build(pool).await;
    let mut installs = BTreeMap::new();
    for n in 0..ACCOUNT_COUNT {
        let account = 40_000_000 + n;
        app.amocrm.state.add_account(another_account(account, &format!("storm{n}"), 7_000 + n)).unwrap();
        installs.insert(account, install(&app, account).await);
    }
    let accounts: Vec<u64> = installs.keys().copied().collect();
    let mut load = Load::default();
    let mut done = 0;
    while done < renewals {
        let chosen: Vec<u64> = accounts.choose_multiple(&mut chance, CONCURRENT_INSTALLS).copied().collect();
        throw_in_faults(&app, &mut chance);
        // Longer than the pause after a failure.
        app.advance(TimeDelta::seconds(11));
        app.amocrm.control.clear_calls();
        let wish = Freshness::IssuedAfter(app.clock.now());
        let outcomes = join_all(chosen.iter().map(|account| renew(&app, installs[account], wish))).await;
        app.amocrm.control.clear_scripts();
        one_call_each(&app, &outcomes, done);
        for (account, outcome) in chosen.iter().zip(&outcomes) {
            check_outcome(&app, *account, installs[account], outcome, &mut load).await;
        }
        done += chosen.len();
    }
    assert!(load.refused > 0 && load.in_doubt > 0 && load.deferred > 0, "faults were not played: {load:?}");
    assert!(load.renewed > renewals / 2, "{load:?}");
    // Every pair that counts as valid is: each can be renewed once more.
    app.advance(TimeDelta::minutes(2));
    for (account, id) in installs {
        if state(&app, id).await == PairState::Good {
            let wish = Freshness::IssuedAfter(app.clock.now());
            let last = app.vault.renew(id, wish, &trace()).await;
            assert!(matches!(last, Ok(Renewal::Renewed(_))), "{account}: {last:?}");
        }
    }
}

/// Several callers want one pair renewed; returns the result of the one that called amoCRM.
async fn renew(app: &TestApp, id: InstallId, wish: Freshness) -> Result<Renewal, VaultError> {
    let trace = trace();
    let all = join_all((0..CALLERS).map(|_| app.vault.renew(id, wish, &trace))).await;
    let renewed = all.iter().filter(|outcome| matches!(outcome, Ok(Renewal::Renewed(_)))).count();
    assert!(renewed <= 1, "{id}: {all:?}");
    // A caller that follows a failed one tries again; the final outcome counts.
    let weight = |outcome: &Result<Renewal, VaultError>| match outcome {
        Ok(Renewal::Renewed(_)) => 4,
        Err(VaultError::Refused(_)) => 3,
        Err(VaultError::InDoubt(_)) => 2,
        Err(VaultError::NotNow { .. }) => 1,
        _ => 0,
    };
    all.into_iter().max_by_key(weight).expect("somebody asked")
}

fn throw_in_faults(app: &TestApp, chance: &mut StdRng) {
    for _ in 0..chance.random_range(0..6) {
        let page = Act::Answer { status: 502, headers: Vec::new(), body: "bad gateway".to_owned() };
        let limit = Act::Answer { status: 429, headers: Vec::new(), body: "slow down".to_owned() };
        let act = match chance.random_range(0..4) {
            0 => Act::ServeThenCut,
            1 => Act::Cut,
            2 => page,
            _ => limit,
        };
        let script = Script { skip: chance.random_range(0..4), ..Script::next(TOKENS, act) };
        app.amocrm.control.script(script);
    }
}

/// A rotation is a call that amoCRM served; no pair was rotated twice in a round.
fn one_call_each(app: &TestApp, outcomes: &[Result<Renewal, VaultError>], done: usize) {
    let mut served: BTreeMap<String, usize> = BTreeMap::new();
    for call in app.amocrm.control.calls_to("POST", TOKENS) {
        if call.status == Some(200) {
            *served.entry(call.header("host").unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    assert!(served.values().all(|calls| *calls == 1), "after {done}: {served:?}");
    let renewed = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Renewal::Renewed(_)))).count();
    assert_eq!(served.len(), renewed, "after {done}: an answer was lost without a word");
}

async fn check_outcome(
    app: &TestApp,
    account: u64,
    id: InstallId,
    outcome: &Result<Renewal, VaultError>,
    load: &mut Load,
) {
    let status = installs::find(as_conn(&mut app.conn().await), id).await.unwrap().unwrap().status;
    match (outcome, status.as_str(), state(app, id).await) {
        (Ok(Renewal::Renewed(_)), "active", PairState::Good) => load.renewed += 1,
        (Err(VaultError::InDoubt(_)), "active", PairState::InDoubt) => load.in_doubt += 1,
        (Err(VaultError::NotNow { .. }), "active", PairState::Good | PairState::InDoubt) => {
            load.deferred += 1;
        }
        (Err(VaultError::Refused(_)), "reconnect", PairState::Refused) => {
            load.refused += 1;
            // The customer's administrator reconnects.
            assert_eq!(install(app, account).await, id);
        }
        strange => panic!("account {account}: {strange:?}"),
    }
}

async fn install(app: &TestApp, account: u64) -> InstallId {
    let outcome = app.amocrm.state.install(CLIENT_ID, account, None).await.unwrap();
    assert_eq!(outcome.status, Some(200));
    app.run_due_jobs().await;
    let widget = app.widget().await;
    let found =
        installs::find_in_account(as_conn(&mut app.conn().await), widget.id, AccountId(account)).await;
    let install = found.unwrap().expect("it is installed");
    assert_eq!(install.status.as_str(), "active", "account {account}");
    install.id
}

async fn state(app: &TestApp, id: InstallId) -> PairState {
    tokens::find(as_conn(&mut app.conn().await), id).await.unwrap().unwrap().state
}
