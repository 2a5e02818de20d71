//! Tokens: given, renewed by one, never silently lost.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::id::InstallId;
use flysk_jobs::oauth::{RefreshDue, RefreshToken};
use flysk_simulators::amocrm::Quirks;
use flysk_simulators::{Act, Script};
use flysk_store::platform::tokens::{self, PairState};
use flysk_store::platform::{accounts, token_reads};
use flysk_vault::{Held, Need, Reader, Renewal, VaultError};
use futures::future::join_all;
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use sqlx::MySqlPool;

use super::house::{House, on, trace};

const TOKENS: &str = "/oauth2/access_token";
const HOUR: std::time::Duration = std::time::Duration::from_hours(1);

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_install_ends_with_a_live_token_and_two_events(pool: MySqlPool) {
    let house = House::installed(pool).await;
    assert_eq!(house.status().await, "active");
    assert_eq!(house.told(), ["install", "activate"]);
    let (status, access) = house.pauth().await;
    assert_eq!(status, StatusCode::OK, "{access}");
    assert_eq!(access["base_domain"], "demo.amocrm.ru");
    let bearer = access["access_token"].as_str().unwrap().to_owned();
    let account = house.http.get(format!("{}/api/v4/account", house.amocrm.url));
    let account = account.header("Host", "demo.amocrm.ru").bearer_auth(bearer).send().await.unwrap();
    assert_eq!(account.status(), StatusCode::OK);
    let reads =
        token_reads::list_latest(on(&mut house.conn().await), house.install_id().await, 10).await.unwrap();
    let who: Vec<(&str, &str)> =
        reads.iter().map(|read| (read.reader.as_str(), read.purpose.as_str())).collect();
    assert_eq!(who, [("backend:flysense", "background"), ("flysk", "oauth.exchange_code")]);
}

/// A refresh on demand and ten jobs at once cause exactly one call.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn of_many_who_want_a_token_one_asks_amocrm(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.control.clear_calls();
    house.advance(TimeDelta::hours(24));
    let id = house.install_id().await;
    let trace = trace();
    let reader = Reader::flysk("test");
    let callers = (0..20).map(|_| house.vault.access(id, Need::AliveFor(HOUR), &reader, &trace));
    let tokens: BTreeSet<String> = join_all(callers)
        .await
        .into_iter()
        .map(|held| held.unwrap().access_token.expose_secret().to_owned())
        .collect();
    assert_eq!((tokens.len(), house.token_requests()), (1, 1));
}

/// Whatever amoCRM says that is no refusal, it is asked once; the others are told when to come back.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn of_many_whom_amocrm_puts_off_one_asks(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let id = house.install_id().await;
    for (status, headers, pause) in [
        (403, vec![("content-type".to_owned(), "text/html".to_owned())], TimeDelta::hours(1)),
        (429, vec![("retry-after".to_owned(), "90".to_owned())], TimeDelta::seconds(90)),
        (402, Vec::new(), TimeDelta::hours(6)),
        (404, Vec::new(), TimeDelta::hours(1)),
        (401, Vec::new(), TimeDelta::minutes(5)),
    ] {
        house.advance(TimeDelta::hours(24));
        house.amocrm.control.clear_calls();
        let body = if status == 401 { "{}".to_owned() } else { String::new() };
        let act = Act::Answer { status, headers, body };
        house.amocrm.control.script(Script::next(TOKENS, act).times(99));
        let (trace, reader) = (trace(), Reader::flysk("test"));
        let wants = || house.vault.access(id, Need::AliveFor(HOUR), &reader, &trace);
        let outcomes = join_all((0..20).map(|_| wants())).await;
        assert!(outcomes.iter().all(Result::is_err), "{status}: {outcomes:?}");
        assert_eq!(house.token_requests(), 1, "{status}");
        house.advance(pause - TimeDelta::seconds(5));
        let early = wants().await;
        assert!(matches!(early, Err(VaultError::NotNow { after: Some(_), .. })), "{status}: {early:?}");
        assert_eq!(due(&house).await, [], "{status}: it stands before nobody");
        assert_eq!(house.token_requests(), 1, "{status}");
        house.amocrm.control.clear_scripts();
        house.advance(TimeDelta::seconds(6));
        assert_eq!(due(&house).await, [id], "{status}");
        assert!(wants().await.is_ok(), "{status}");
    }
    assert_eq!((house.status().await, state(&house).await), ("active", PairState::Good));
}

async fn due(house: &House) -> Vec<InstallId> {
    let (now, all) = (house.clock.now(), house.clock.now() + TimeDelta::hours(2));
    tokens::list_due(on(&mut house.conn().await), now, all, now, 9).await.unwrap()
}

/// Token requests of all accounts share one pace; whoever cannot wait is told when to come back, and nothing is spent.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn renewals_keep_the_pace_of_all_token_requests(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.control.clear_calls();
    let slow = house.vault.clone().paced(house.engine.app().limits.clone(), 1);
    let id = house.install_id().await;
    let calm = trace();
    let renew = || slow.renew(id, Need::NewerThan(house.clock.now()), &calm);
    let (need, reader) = (Need::NewerThan(house.clock.now()), Reader::flysk("test"));
    let waited = slow.access(id, need, &reader, &calm).await;
    assert!(waited.is_ok(), "{waited:?}");
    let crowded = renew().await;
    assert!(matches!(crowded, Err(VaultError::NotNow { after: Some(_), .. })), "{crowded:?}");
    assert_eq!((house.token_requests(), state(&house).await), (1, PairState::Good));
    let need = Need::NewerThan(house.clock.now());
    let waited = slow.access(id, need, &Reader::flysk("test"), &calm).await;
    assert!(waited.is_ok(), "{waited:?}");
    assert_eq!(house.token_requests(), 2);
}

/// Whoever was refused after its lease had run out must not report a loss that somebody else prevented.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_late_refusal_does_not_outweigh_a_newer_pair(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let (id, wish) = (house.install_id().await, Need::NewerThan(house.clock.now()));
    house.amocrm.control.clear_calls();
    let body = r#"{"hint":"Token has been revoked","status":401}"#.to_owned();
    let headers = vec![("content-type".to_owned(), "application/problem+json".to_owned())];
    house
        .amocrm
        .control
        .script(Script::next(TOKENS, Act::Answer { status: 401, headers, body }).delayed(1_500));
    let vault = house.vault.clone();
    let late = tokio::spawn(async move { vault.renew(id, wish, &trace()).await });
    while house.token_requests() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    house.advance(TimeDelta::minutes(2));
    let newer = house.vault.renew(id, wish, &trace()).await.unwrap().into_held();
    let told = late.await.unwrap().unwrap().into_held();
    assert_eq!(secret(&told), secret(&newer));
    assert_eq!((house.status().await, state(&house).await), ("active", PairState::Good));
}

fn secret(held: &Held) -> String {
    held.access_token.expose_secret().to_owned()
}

/// Grants of before 21 August 2024 do not name the host that tells where an account lives; the next token does.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_renewal_brings_the_host_that_knows_the_accounts_present_one(pool: MySqlPool) {
    let house = House::installed(pool).await;
    sqlx::query("UPDATE accounts SET api_domain = NULL").execute(&house.pool).await.unwrap();
    let id = house.install_id().await;
    house.vault.renew(id, Need::NewerThan(house.clock.now()), &trace()).await.unwrap();
    let install = house.the_install().await;
    let account = accounts::find(on(&mut house.conn().await), install.crm, install.account_id).await;
    assert!(account.unwrap().unwrap().api_domain.is_some());
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn the_schedule_renews_what_dies_soon_and_only_that(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.control.clear_calls();
    let tick = async || {
        let mut unit = house.engine.outbox().begin(trace()).await.unwrap();
        unit.enqueue(&RefreshDue {}).await.unwrap();
        unit.commit().await.unwrap();
        house.run_due_jobs().await;
        house.advance(TimeDelta::minutes(9));
        house.run_due_jobs().await;
    };
    tick().await;
    assert_eq!(house.token_requests(), 0);
    house.advance(TimeDelta::hours(22));
    tick().await;
    tick().await;
    assert_eq!(house.token_requests(), 1);
}

/// A lost answer leaves the pair in doubt; amoCRM's word about the spent token then decides.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_lost_answer_is_doubt_and_a_definite_refusal_is_a_reconnect(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let id = house.install_id().await;
    house.amocrm.control.script(Script::next(TOKENS, Act::ServeThenCut));
    let wish = Need::NewerThan(house.clock.now());
    let lost = house.vault.renew(id, wish, &trace()).await;
    assert!(matches!(lost, Err(VaultError::InDoubt(_))), "{lost:?}");
    assert_eq!((house.status().await, state(&house).await), ("active", PairState::InDoubt));
    house.advance(TimeDelta::seconds(11));
    let refused = house.vault.renew(id, wish, &trace()).await;
    assert!(matches!(refused, Err(VaultError::Refused(_))), "{refused:?}");
    assert_eq!((house.status().await, state(&house).await), ("reconnect", PairState::Refused));
    house.run_due_jobs().await;
    assert_eq!(house.told(), ["install", "activate", "deactivate"]);
    house.install().await;
    assert_eq!(house.status().await, "active");
    assert_eq!(house.told().last().map(String::as_str), Some("activate"));
}

/// If amoCRM lets a spent token be replayed, nobody is disturbed at all.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_lost_answer_may_be_got_again(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.state.set_quirks(Quirks { refresh_grace_ms: 60_000, ..Quirks::default() });
    house.amocrm.control.script(Script::next(TOKENS, Act::ServeThenCut));
    let mut unit = house.engine.outbox().begin(trace()).await.unwrap();
    let job = RefreshToken { install_id: house.install_id().await, wished_at: house.clock.now() };
    unit.enqueue(&job).await.unwrap();
    unit.commit().await.unwrap();
    house.run_due_jobs().await;
    house.advance(TimeDelta::seconds(11));
    house.run_due_jobs().await;
    assert_eq!((house.status().await, state(&house).await), ("active", PairState::Good));
}

/// A process that died between its intent and amoCRM's answer blocks nobody for longer than its lease.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_dead_refreshers_lease_runs_out(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let id = house.install_id().await;
    let mut conn = house.conn().await;
    let pair = tokens::find(on(&mut conn), id).await.unwrap().unwrap();
    let until = house.clock.now() + TimeDelta::minutes(1);
    tokens::take_lease(on(&mut conn), &pair, PairState::Refreshing, "dead", until).await.unwrap();
    let wish = Need::NewerThan(house.clock.now());
    assert!(matches!(house.vault.renew(id, wish, &trace()).await, Err(VaultError::Busy { .. })));
    house.advance(TimeDelta::minutes(2));
    let renewed = house.vault.renew(id, wish, &trace()).await;
    assert!(matches!(renewed, Ok(Renewal::Renewed(_))), "{renewed:?}");
    // The dead one comes back and must write nothing but a pair of its own.
    let late = tokens::give_up_lease(on(&mut conn), id, pair.fence + 1, PairState::Refused, "late", None)
        .await
        .unwrap();
    assert!(!late);
    assert_eq!(state(&house).await, PairState::Good);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_renamed_account_is_found_again(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.state.rename(flysk_suite::stand::ACCOUNT, "newname").unwrap();
    house.advance(TimeDelta::hours(24));
    let (status, access) = house.pauth().await;
    assert_eq!((status, &access["base_domain"]), (StatusCode::OK, &"newname.amocrm.ru".into()), "{access}");
    assert_eq!(house.status().await, "active");
}

/// A page says where its account lives: a new name is known as soon as somebody opens one, and costs no token.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_page_of_a_renamed_account_tells_its_new_name(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.control.clear_calls();
    house.amocrm.state.rename(flysk_suite::stand::ACCOUNT, "newname").unwrap();
    let body = || serde_json::json!({ "token": house.token(flysk_suite::stand::ADMIN) });
    for _ in 0..3 {
        let (_, access) = house.backend(reqwest::Method::POST, "/v1/pauth", Some(body())).await;
        assert_eq!(access["base_domain"], "newname.amocrm.ru", "{access}");
    }
    let look_ups = house.amocrm.control.calls_to("GET", "/oauth2/account/current/subdomain").len();
    assert_eq!((look_ups, house.token_requests()), (1, 0));
}

/// Hundreds of renewals with faults thrown in at random: in the end every pair is good, or its install says
/// that it is not; and no answer was ever spent twice.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn no_pair_dies_silently(pool: MySqlPool) {
    use rand::{Rng, SeedableRng};
    let mut chance = rand::rngs::StdRng::seed_from_u64(1_122);
    let house = House::installed(pool).await;
    let page = || Act::Answer { status: 502, headers: Vec::new(), body: "bad gateway".to_owned() };
    let (mut rounds, mut reconnects) = (0, 0);
    while rounds < 300 {
        rounds += 1;
        match chance.random_range(0..10) {
            0 => house.amocrm.control.script(Script::next(TOKENS, Act::ServeThenCut)),
            1 => house.amocrm.control.script(Script::next(TOKENS, Act::Cut)),
            2 => house.amocrm.control.script(Script::next(TOKENS, page())),
            _ => {}
        }
        house.advance(TimeDelta::seconds(11));
        let wish = Need::NewerThan(house.clock.now());
        let id = house.install_id().await;
        let trace = trace();
        let all = join_all((0..3).map(|_| house.vault.renew(id, wish, &trace))).await;
        let renewed = all.iter().filter(|outcome| matches!(outcome, Ok(Renewal::Renewed(_)))).count();
        assert!(renewed <= 1, "round {rounds}: {all:?}");
        house.amocrm.control.clear_scripts();
        match (house.status().await, state(&house).await) {
            ("active", PairState::Good | PairState::InDoubt) => {}
            ("reconnect", PairState::Refused) => {
                reconnects += 1;
                house.install().await;
            }
            strange => panic!("round {rounds}: {strange:?} after {all:?}"),
        }
    }
    assert!(reconnects > 0, "no round lost a pair: the faults were not played");
    house.advance(TimeDelta::seconds(11));
    let last =
        house.vault.renew(house.install_id().await, Need::NewerThan(house.clock.now()), &trace()).await;
    let flagged = house.status().await == "reconnect";
    assert!(last.is_ok() || flagged, "{last:?}");
}

async fn state(house: &House) -> PairState {
    tokens::find(on(&mut house.conn().await), house.install_id().await).await.unwrap().unwrap().state
}
