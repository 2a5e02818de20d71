//! Thousands of renewals with faults thrown in at random, over many accounts at once.
//!
//! After each round every pair is good or says that it is not; a pair that calls itself good can be renewed; and of any
//! number of callers one asked amoCRM.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::id::{AccountId, InstallId};
use flysk_simulators::{Act, Script};
use flysk_store::platform::installs;
use flysk_store::platform::tokens::{self, PairState};
use flysk_suite::stand::{CLIENT_ID, account_next_door};
use flysk_vault::{Need, Renewal, VaultError};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sqlx::MySqlPool;

use super::house::{House, on, trace};

const TOKENS: &str = "/oauth2/access_token";
const ACCOUNTS: u64 = 40;
/// Installs renewed at once.
const AT_ONCE: usize = 20;
const CALLERS: usize = 3;
const SEED: u64 = 20_261_125;

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn two_thousand_renewals_leave_no_pair_silently_dead(pool: MySqlPool) {
    storm(pool, 2_000).await;
}

/// Some minutes: `cargo xtask test -p flysk-suite --test platform -- --ignored hundred_thousand`.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
#[ignore = "takes minutes"]
async fn a_hundred_thousand_renewals_leave_no_pair_silently_dead(pool: MySqlPool) {
    storm(pool, 100_000).await;
}

/// What became of renewals.
#[derive(Debug, Default)]
struct Tally {
    renewed: usize,
    in_doubt: usize,
    refused: usize,
    put_off: usize,
}

async fn storm(pool: MySqlPool, renewals: usize) {
    let mut chance = StdRng::seed_from_u64(SEED);
    let house = House::build(pool).await;
    let mut installs = BTreeMap::new();
    for n in 0..ACCOUNTS {
        let account = 40_000_000 + n;
        house.amocrm.state.add_account(account_next_door(account, &format!("storm{n}"), 7_000 + n)).unwrap();
        installs.insert(account, install(&house, account).await);
    }
    let accounts: Vec<u64> = installs.keys().copied().collect();
    let mut tally = Tally::default();
    let mut done = 0;
    while done < renewals {
        let chosen: Vec<u64> = accounts.choose_multiple(&mut chance, AT_ONCE).copied().collect();
        throw_in_faults(&house, &mut chance);
        // Longer than nobody asks after a failure.
        house.advance(TimeDelta::seconds(11));
        house.amocrm.control.clear_calls();
        let wish = Need::NewerThan(house.clock.now());
        let outcomes = join_all(chosen.iter().map(|account| renew(&house, installs[account], wish))).await;
        house.amocrm.control.clear_scripts();
        one_call_each(&house, &outcomes, done);
        for (account, outcome) in chosen.iter().zip(&outcomes) {
            settle(&house, *account, installs[account], outcome, &mut tally).await;
        }
        done += chosen.len();
    }
    assert!(
        tally.refused > 0 && tally.in_doubt > 0 && tally.put_off > 0,
        "faults were not played: {tally:?}"
    );
    assert!(tally.renewed > renewals / 2, "{tally:?}");
    // Whoever calls itself good is: each can be renewed once more.
    house.advance(TimeDelta::minutes(2));
    for (account, id) in installs {
        if state(&house, id).await == PairState::Good {
            let wish = Need::NewerThan(house.clock.now());
            let last = house.vault.renew(id, wish, &trace()).await;
            assert!(matches!(last, Ok(Renewal::Renewed(_))), "{account}: {last:?}");
        }
    }
}

/// Several callers want one pair renewed; what the one who asked got.
async fn renew(house: &House, id: InstallId, wish: Need) -> Result<Renewal, VaultError> {
    let trace = trace();
    let all = join_all((0..CALLERS).map(|_| house.vault.renew(id, wish, &trace))).await;
    let renewed = all.iter().filter(|outcome| matches!(outcome, Ok(Renewal::Renewed(_)))).count();
    assert!(renewed <= 1, "{id}: {all:?}");
    // Whoever comes after one that failed asks again; what it came to in the end counts.
    let weight = |outcome: &Result<Renewal, VaultError>| match outcome {
        Ok(Renewal::Renewed(_)) => 4,
        Err(VaultError::Refused(_)) => 3,
        Err(VaultError::InDoubt(_)) => 2,
        Err(VaultError::NotNow { .. }) => 1,
        _ => 0,
    };
    all.into_iter().max_by_key(weight).expect("somebody asked")
}

fn throw_in_faults(house: &House, chance: &mut StdRng) {
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
        house.amocrm.control.script(script);
    }
}

/// A rotation is a call that amoCRM served; no pair was rotated twice in a round.
fn one_call_each(house: &House, outcomes: &[Result<Renewal, VaultError>], done: usize) {
    let mut served: BTreeMap<String, usize> = BTreeMap::new();
    for call in house.amocrm.control.calls_to("POST", TOKENS) {
        if call.status == Some(200) {
            *served.entry(call.header("host").unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    assert!(served.values().all(|calls| *calls == 1), "after {done}: {served:?}");
    let renewed = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Renewal::Renewed(_)))).count();
    assert_eq!(served.len(), renewed, "after {done}: an answer was lost without a word");
}

async fn settle(
    house: &House,
    account: u64,
    id: InstallId,
    outcome: &Result<Renewal, VaultError>,
    tally: &mut Tally,
) {
    let status = installs::find(on(&mut house.conn().await), id).await.unwrap().unwrap().status;
    match (outcome, status.as_str(), state(house, id).await) {
        (Ok(Renewal::Renewed(_)), "active", PairState::Good) => tally.renewed += 1,
        (Err(VaultError::InDoubt(_)), "active", PairState::InDoubt) => tally.in_doubt += 1,
        (Err(VaultError::NotNow { .. }), "active", PairState::Good | PairState::InDoubt) => {
            tally.put_off += 1;
        }
        (Err(VaultError::Refused(_)), "reconnect", PairState::Refused) => {
            tally.refused += 1;
            // The customer's administrator helps.
            assert_eq!(install(house, account).await, id);
        }
        strange => panic!("account {account}: {strange:?}"),
    }
}

async fn install(house: &House, account: u64) -> InstallId {
    let outcome = house.amocrm.state.install(CLIENT_ID, account, None).await.unwrap();
    assert_eq!(outcome.status, Some(200));
    house.run_due_jobs().await;
    let widget = house.widget().await;
    let found = installs::find_in_account(on(&mut house.conn().await), widget.id, AccountId(account)).await;
    let install = found.unwrap().expect("it is installed");
    assert_eq!(install.status.as_str(), "active", "account {account}");
    install.id
}

async fn state(house: &House, id: InstallId) -> PairState {
    tokens::find(on(&mut house.conn().await), id).await.unwrap().unwrap().state
}
