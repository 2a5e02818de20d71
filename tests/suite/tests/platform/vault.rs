//! Access tokens: issued, renewed by one process at a time, never lost unnoticed.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use flysk_clients::flysk_api::{Caller, Config, FlyskApi};
use flysk_clients::http::HttpOptions;
use flysk_domain::Clock;
use flysk_domain::id::{AccountId, InstallId};
use flysk_jobs::platform::oauth::{RefreshDue, RefreshToken};
use flysk_simulators::amocrm::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_store::platform::tokens::{self, PairState};
use flysk_store::platform::{accounts, token_audit};
use flysk_suite::environment::ACCOUNT;
use flysk_tokens::{AccessToken, Freshness, Renewal, TokenRequester, VaultError};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{TestApp, as_conn, trace};

const TOKENS: &str = "/oauth2/access_token";
const HOUR: std::time::Duration = std::time::Duration::from_hours(1);

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_install_ends_with_a_valid_token_and_two_events(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    assert_eq!(app.status().await, "active");
    assert_eq!(app.delivered_events(), ["install", "activate"]);
    let (status, access) = app.pauth().await;
    assert_eq!(status, StatusCode::OK, "{access}");
    assert_eq!(access["base_domain"], "demo.amocrm.ru");
    let bearer = access["access_token"].as_str().unwrap().to_owned();
    let account = app.http.get(format!("{}/api/v4/account", app.amocrm.url));
    let account = account.header("Host", "demo.amocrm.ru").bearer_auth(bearer).send().await.unwrap();
    assert_eq!(account.status(), StatusCode::OK);
    let reads =
        token_audit::list_latest(as_conn(&mut app.conn().await), app.install_id().await, 10).await.unwrap();
    let who: Vec<(&str, &str)> =
        reads.iter().map(|read| (read.reader.as_str(), read.purpose.as_str())).collect();
    assert_eq!(who, [("backend:flysense", "background"), ("flysk", "oauth.exchange_code")]);
}

/// amoCRM refuses a token that looks valid. The platform is told, and renews the token before its time.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refused_token_is_renewed_early_and_at_most_once_in_ten_minutes(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let platform = FlyskApi::new(Config {
        base_url: app.api_url.parse().unwrap(),
        project_token: app.project_token.clone().into(),
        http: HttpOptions::default(),
    });
    let (platform, caller) = (platform.unwrap(), Caller::Account(AccountId(ACCOUNT)));
    let first = platform.pauth(&caller, None).await.unwrap().access_token;
    app.amocrm.control.clear_calls();
    let after_refusal = async |refused: &SecretString| {
        let access = platform.pauth_after_refusal(&caller, refused, None).await.unwrap();
        access.access_token.expose_secret().to_owned()
    };
    assert_eq!(after_refusal(&first).await, first.expose_secret(), "it was issued a moment ago");
    app.advance(TimeDelta::minutes(11));
    let second = after_refusal(&first).await;
    assert_ne!(second, first.expose_secret());
    for refused in [&first, &SecretString::from(second.as_str())] {
        assert_eq!(after_refusal(refused).await, second);
    }
    assert_eq!(app.token_requests(), 1);
    let body = json!({ "account_id": ACCOUNT, "refused_token_sha256": "not a hash" });
    let (status, _) = app.backend(Method::POST, "/v1/pauth", Some(body)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

/// A renewal on demand and ten concurrent jobs cause exactly one call.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn of_concurrent_renewals_one_calls_amocrm(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.control.clear_calls();
    app.advance(TimeDelta::hours(24));
    let id = app.install_id().await;
    let trace = trace();
    let requester = TokenRequester::flysk("test");
    let callers = (0..20).map(|_| app.vault.access_token(id, Freshness::ValidFor(HOUR), &requester, &trace));
    let tokens: BTreeSet<String> = join_all(callers)
        .await
        .into_iter()
        .map(|token| token.unwrap().secret.expose_secret().to_owned())
        .collect();
    assert_eq!((tokens.len(), app.token_requests()), (1, 1));
}

/// For any response of amoCRM that is not a rejection, one caller calls it; the others are told when to retry.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn of_concurrent_renewals_that_fail_temporarily_one_calls_amocrm(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let id = app.install_id().await;
    for (status, headers, pause) in [
        (403, vec![("content-type".to_owned(), "text/html".to_owned())], TimeDelta::hours(1)),
        (429, vec![("retry-after".to_owned(), "90".to_owned())], TimeDelta::seconds(90)),
        (402, Vec::new(), TimeDelta::hours(6)),
        (404, Vec::new(), TimeDelta::hours(1)),
        (401, Vec::new(), TimeDelta::minutes(5)),
    ] {
        app.advance(TimeDelta::hours(24));
        app.amocrm.control.clear_calls();
        let body = if status == 401 { "{}".to_owned() } else { String::new() };
        let act = Act::Answer { status, headers, body };
        app.amocrm.control.script(Script::next(TOKENS, act).times(99));
        let (trace, requester) = (trace(), TokenRequester::flysk("test"));
        let wants = || app.vault.access_token(id, Freshness::ValidFor(HOUR), &requester, &trace);
        let outcomes = join_all((0..20).map(|_| wants())).await;
        assert!(outcomes.iter().all(Result::is_err), "{status}: {outcomes:?}");
        assert_eq!(app.token_requests(), 1, "{status}");
        app.advance(pause - TimeDelta::seconds(5));
        let early = wants().await;
        assert!(matches!(early, Err(VaultError::NotNow { after: Some(_), .. })), "{status}: {early:?}");
        assert_eq!(due(&app).await, [], "{status}: the pair is not due for renewal");
        assert_eq!(app.token_requests(), 1, "{status}");
        app.amocrm.control.clear_scripts();
        app.advance(TimeDelta::seconds(6));
        assert_eq!(due(&app).await, [id], "{status}");
        assert!(wants().await.is_ok(), "{status}");
    }
    assert_eq!((app.status().await, state(&app).await), ("active", PairState::Good));
}

async fn due(app: &TestApp) -> Vec<InstallId> {
    let (now, all) = (app.clock.now(), app.clock.now() + TimeDelta::hours(2));
    tokens::list_due(as_conn(&mut app.conn().await), now, all, now, 9).await.unwrap()
}

/// Token requests of all accounts share one rate limit. A caller that cannot wait is told when to retry, and no
/// token is spent.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn renewals_share_the_rate_limit_of_token_requests(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.control.clear_calls();
    let slow = app.vault.clone().with_rate_limit(app.executor.app().limits.clone(), 1);
    let id = app.install_id().await;
    let calm = trace();
    let renew = || slow.renew(id, Freshness::IssuedAfter(app.clock.now()), &calm);
    let (need, requester) = (Freshness::IssuedAfter(app.clock.now()), TokenRequester::flysk("test"));
    let waited = slow.access_token(id, need, &requester, &calm).await;
    assert!(waited.is_ok(), "{waited:?}");
    let crowded = renew().await;
    assert!(matches!(crowded, Err(VaultError::NotNow { after: Some(_), .. })), "{crowded:?}");
    assert_eq!((app.token_requests(), state(&app).await), (1, PairState::Good));
    let need = Freshness::IssuedAfter(app.clock.now());
    let waited = slow.access_token(id, need, &TokenRequester::flysk("test"), &calm).await;
    assert!(waited.is_ok(), "{waited:?}");
    assert_eq!(app.token_requests(), 2);
}

/// A renewal that is rejected after its lease expired must not mark a newer pair as lost.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_late_rejection_does_not_affect_a_newer_pair(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (id, wish) = (app.install_id().await, Freshness::IssuedAfter(app.clock.now()));
    app.amocrm.control.clear_calls();
    let body = r#"{"hint":"Token has been revoked","status":401}"#.to_owned();
    let headers = vec![("content-type".to_owned(), "application/problem+json".to_owned())];
    app.amocrm.control.script(Script::next(TOKENS, Act::Answer { status: 401, headers, body }).held());
    let vault = app.vault.clone();
    let late = tokio::spawn(async move { vault.renew(id, wish, &trace()).await });
    while app.token_requests() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    app.advance(TimeDelta::minutes(2));
    let newer = app.vault.renew(id, wish, &trace()).await.unwrap().into_access_token();
    app.amocrm.control.release();
    let told = late.await.unwrap().unwrap().into_access_token();
    assert_eq!(secret(&told), secret(&newer));
    assert_eq!((app.status().await, state(&app).await), ("active", PairState::Good));
}

fn secret(token: &AccessToken) -> String {
    token.secret.expose_secret().to_owned()
}

/// Grants from before 21 August 2024 lack the API host that knows the account's current subdomain; the next token
/// contains it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_stores_the_api_host_of_an_old_grant(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    sqlx::query("UPDATE accounts SET api_domain = NULL").execute(&app.pool).await.unwrap();
    let id = app.install_id().await;
    app.vault.renew(id, Freshness::IssuedAfter(app.clock.now()), &trace()).await.unwrap();
    let install = app.the_install().await;
    let account = accounts::find(as_conn(&mut app.conn().await), install.crm, install.account_id).await;
    assert!(account.unwrap().unwrap().api_domain.is_some());
}

/// The pair exists nowhere else: whatever its claims are, it is stored.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_pair_whose_claim_is_no_host_is_stored_without_the_claim(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (id, install) = (app.install_id().await, app.the_install().await);
    let long = format!("{}.amocrm.ru", "a".repeat(300));
    for (generation, api_domain) in (2..).zip(["апи.amocrm.ru", long.as_str(), "evil.example", "\0"]) {
        let claims = json!({ "account_id": ACCOUNT, "api_domain": api_domain }).to_string();
        let access = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let body = json!({ "token_type": "Bearer", "expires_in": 86_400, "access_token": access,
            "refresh_token": format!("def{generation}") });
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        let answer = Act::Answer { status: 200, headers, body: body.to_string() };
        app.amocrm.control.script(Script::next(TOKENS, answer));
        let renewed = app.vault.renew(id, Freshness::IssuedAfter(app.clock.now()), &trace()).await;
        assert_eq!(secret(&renewed.unwrap().into_access_token()), access);
        let mut conn = app.conn().await;
        let pair = tokens::find(as_conn(&mut conn), id).await.unwrap().unwrap();
        assert_eq!((pair.generation, pair.state), (generation, PairState::Good), "{api_domain}");
        let account = accounts::find(as_conn(&mut conn), install.crm, install.account_id).await;
        assert_eq!(account.unwrap().unwrap().api_domain.as_deref(), Some("api-b.amocrm.ru"));
        app.advance(TimeDelta::minutes(1));
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_schedule_renews_only_pairs_that_expire_soon(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.control.clear_calls();
    let tick = async || {
        let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
        unit.enqueue(&RefreshDue {}).await.unwrap();
        unit.commit().await.unwrap();
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(9));
        app.run_due_jobs().await;
    };
    tick().await;
    assert_eq!(app.token_requests(), 0);
    app.advance(TimeDelta::hours(22));
    tick().await;
    tick().await;
    assert_eq!(app.token_requests(), 1);
}

/// A lost response leaves the pair in doubt; amoCRM's response to the spent token then decides.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_lost_response_is_in_doubt_and_a_definite_rejection_needs_a_reconnect(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let id = app.install_id().await;
    app.amocrm.control.script(Script::next(TOKENS, Act::ServeThenCut));
    let wish = Freshness::IssuedAfter(app.clock.now());
    let lost = app.vault.renew(id, wish, &trace()).await;
    assert!(matches!(lost, Err(VaultError::InDoubt(_))), "{lost:?}");
    assert_eq!((app.status().await, state(&app).await), ("active", PairState::InDoubt));
    app.advance(TimeDelta::seconds(11));
    let refused = app.vault.renew(id, wish, &trace()).await;
    assert!(matches!(refused, Err(VaultError::Refused(_))), "{refused:?}");
    assert_eq!((app.status().await, state(&app).await), ("reconnect", PairState::Refused));
    app.run_due_jobs().await;
    assert_eq!(app.delivered_events(), ["install", "activate", "deactivate"]);
    app.install().await;
    assert_eq!(app.status().await, "active");
    assert_eq!(app.delivered_events().last().map(String::as_str), Some("activate"));
}

/// If amoCRM accepts a replay of the spent token, the customer is not affected.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_lost_response_can_be_replayed(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.state.set_behaviour(Behaviour { refresh_grace_ms: 60_000, ..Behaviour::default() });
    app.amocrm.control.script(Script::next(TOKENS, Act::ServeThenCut));
    let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
    let job = RefreshToken { install_id: app.install_id().await, requested_at: app.clock.now() };
    unit.enqueue(&job).await.unwrap();
    unit.commit().await.unwrap();
    app.run_due_jobs().await;
    app.advance(TimeDelta::seconds(11));
    app.run_due_jobs().await;
    assert_eq!((app.status().await, state(&app).await), ("active", PairState::Good));
}

/// A process that crashed between its intent and amoCRM's response blocks others no longer than its lease.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_lease_of_a_crashed_renewal_expires(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let id = app.install_id().await;
    let mut conn = app.conn().await;
    let pair = tokens::find(as_conn(&mut conn), id).await.unwrap().unwrap();
    let until = app.clock.now() + TimeDelta::minutes(1);
    tokens::take_lease(as_conn(&mut conn), &pair, PairState::Refreshing, "dead", until).await.unwrap();
    let wish = Freshness::IssuedAfter(app.clock.now());
    assert!(matches!(app.vault.renew(id, wish, &trace()).await, Err(VaultError::Busy { .. })));
    app.advance(TimeDelta::minutes(2));
    let renewed = app.vault.renew(id, wish, &trace()).await;
    assert!(matches!(renewed, Ok(Renewal::Renewed(_))), "{renewed:?}");
    // The first process resumes and must write nothing but its own pair.
    let late =
        tokens::give_up_lease(as_conn(&mut conn), id, pair.fence + 1, PairState::Refused, "late", None)
            .await
            .unwrap();
    assert!(!late);
    assert_eq!(state(&app).await, PairState::Good);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renamed_account_is_found_again(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.state.rename(flysk_suite::environment::ACCOUNT, "newname").unwrap();
    app.advance(TimeDelta::hours(24));
    let (status, access) = app.pauth().await;
    assert_eq!((status, &access["base_domain"]), (StatusCode::OK, &"newname.amocrm.ru".into()), "{access}");
    assert_eq!(app.status().await, "active");
}

/// A page reports its account's host: a new subdomain is known as soon as a page is opened, which costs no token.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_page_of_a_renamed_account_reports_its_new_subdomain(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.control.clear_calls();
    app.amocrm.state.rename(flysk_suite::environment::ACCOUNT, "newname").unwrap();
    let body = || serde_json::json!({ "token": app.token(flysk_suite::environment::ADMIN) });
    for _ in 0..3 {
        let (_, access) = app.backend(reqwest::Method::POST, "/v1/pauth", Some(body())).await;
        assert_eq!(access["base_domain"], "newname.amocrm.ru", "{access}");
    }
    let look_ups = app.amocrm.control.calls_to("GET", "/oauth2/account/current/subdomain").len();
    assert_eq!((look_ups, app.token_requests()), (1, 0));
}

/// Hundreds of renewals with random faults: in the end every pair is valid or its install is flagged, and no
/// response was used twice.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn no_pair_is_lost_unnoticed(pool: MySqlPool) {
    use rand::{Rng, SeedableRng};
    let mut chance = rand::rngs::StdRng::seed_from_u64(1_122);
    let app = TestApp::installed(pool).await;
    let page = || Act::Answer { status: 502, headers: Vec::new(), body: "bad gateway".to_owned() };
    let (mut rounds, mut reconnects) = (0, 0);
    while rounds < 300 {
        rounds += 1;
        match chance.random_range(0..10) {
            0 => app.amocrm.control.script(Script::next(TOKENS, Act::ServeThenCut)),
            1 => app.amocrm.control.script(Script::next(TOKENS, Act::Cut)),
            2 => app.amocrm.control.script(Script::next(TOKENS, page())),
            _ => {}
        }
        app.advance(TimeDelta::seconds(11));
        let wish = Freshness::IssuedAfter(app.clock.now());
        let id = app.install_id().await;
        let trace = trace();
        let all = join_all((0..3).map(|_| app.vault.renew(id, wish, &trace))).await;
        let renewed = all.iter().filter(|outcome| matches!(outcome, Ok(Renewal::Renewed(_)))).count();
        assert!(renewed <= 1, "round {rounds}: {all:?}");
        app.amocrm.control.clear_scripts();
        match (app.status().await, state(&app).await) {
            ("active", PairState::Good | PairState::InDoubt) => {}
            ("reconnect", PairState::Refused) => {
                reconnects += 1;
                app.install().await;
            }
            strange => panic!("round {rounds}: {strange:?} after {all:?}"),
        }
    }
    assert!(reconnects > 0, "no round lost a pair: the faults were not played");
    app.advance(TimeDelta::seconds(11));
    let last =
        app.vault.renew(app.install_id().await, Freshness::IssuedAfter(app.clock.now()), &trace()).await;
    let flagged = app.status().await == "reconnect";
    assert!(last.is_ok() || flagged, "{last:?}");
}

async fn state(app: &TestApp) -> PairState {
    tokens::find(as_conn(&mut app.conn().await), app.install_id().await).await.unwrap().unwrap().state
}
