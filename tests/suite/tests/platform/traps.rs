//! What amoCRM's token endpoint may say, and the traps others fell into: which test plays which.
//!
//! Error bodies of the token endpoint, and what follows from them:
//!
//! | answer | played by |
//! | --- | --- |
//! | 400 code expired, used, undecryptable; invalid account | [`a_code_that_is_refused_ends_in_a_way_out`]; real ones: `callback::a_code_is_tried_for_twenty_minutes_and_then_it_is_dead`, `callback::a_code_whose_answer_was_lost_ends_in_a_reconnect` |
//! | 400 about `client_id`, `client_secret`; redirect URI not associated | [`our_own_mistake_is_repaired_while_the_code_lives`], `refusals::nothing_but_a_refusal_of_the_grant_disturbs_a_customer` |
//! | 401 revoked, not linked, expired; undecryptable refresh token | `refusals::every_definite_refusal_asks_for_a_reconnect` |
//! | 401 without a hint | `refusals::a_secret_we_lost_is_our_problem_and_its_repair_brings_everything_back` |
//! | 402 | `refusals::nothing_but_a_refusal_of_the_grant_disturbs_a_customer`, [`an_unpaid_account_is_told_so_and_keeps_its_tokens`] |
//! | 403 with a page, 429 | `refusals::nothing_but_a_refusal_of_the_grant_disturbs_a_customer`, `callback::a_code_is_tried_for_twenty_minutes_and_then_it_is_dead` |
//! | 404 or 401 while the account was renamed | `vault::a_renamed_account_is_found_again`, [`a_refusal_at_a_renamed_account_is_asked_again_at_its_new_host`] |
//! | 404 at a host that is right | [`an_account_that_is_gone_disturbs_nobody_for_good`] |
//! | no answer, 5xx, an unreadable 200 | `refusals::nothing_but_a_refusal_of_the_grant_disturbs_a_customer`, `vault::a_lost_answer_is_doubt_and_a_definite_refusal_is_a_reconnect` |
//!
//! Known traps:
//!
//! | trap | played by |
//! | --- | --- |
//! | two workers refresh at once | `vault::of_many_who_want_a_token_one_asks_amocrm`, `storm` |
//! | crash between amoCRM's answer and our commit | `crashes` |
//! | several processes share one integration, or somebody else spent our pair | [`a_pair_that_was_spent_elsewhere_is_flagged`] |
//! | three months of silence | [`a_pair_nobody_uses_is_renewed_every_week`] |
//! | redirect URI differs by a slash | [`our_own_mistake_is_repaired_while_the_code_lives`] |
//! | domain lost after a refresh; account renamed | `vault::a_renamed_account_is_found_again` |
//! | install request lost | `settings::a_handshake_says_everything_a_widget_needs` |
//! | a second administrator installs | [`the_newest_of_two_administrators_grants_counts`] |
//! | somebody without rights grants access | [`a_grant_without_rights_is_told_until_an_administrator_grants`], [`a_grant_without_rights_is_passed_on_as_amocrm_says_it`] |
//! | disabling kills tokens, enabling sends a new code | `lifecycle::a_disabled_integration_is_uninstalled_and_comes_back_as_it_was` |
//! | 403 page mistaken for loss of access | `gateway::a_block_is_remembered_and_not_hammered` |
//! | login page instead of JSON | [`a_login_page_is_no_answer_of_the_api`] |
//! | allow-list of addresses (code 113) | [`an_account_that_allows_listed_addresses_only_is_not_taken_for_a_block`] |
//! | unpaid account | [`an_unpaid_account_is_told_so_and_keeps_its_tokens`] |
//! | archived and deleted accounts | [`an_account_that_is_gone_disturbs_nobody_for_good`] |
//!
//! And `FlySense`'s, in the suite `calls`:
//!
//! | trap | played by |
//! | --- | --- |
//! | hook disabled after an outage | `hook_repairs::a_hook_that_is_missing_or_disabled_is_repaired_and_its_calls_are_found` |
//! | hooks lost or late | `lost_calls::calls_whose_hook_was_lost_are_found_each_on_its_own_thread`, `lost_calls::reading_the_log_twice_and_a_hook_that_comes_late_request_nothing_twice` |
//! | our own note triggers our own hook | `notes::notes_that_are_no_calls_start_nothing` |
//! | local date strings in hooks | `notes::local_dates_of_a_hook_are_not_believed` |
//! | one call on two entities | `notes::a_call_on_two_cards_is_transcribed_once` |
//!
//! For no machine:
//!
//! | trap | why |
//! | --- | --- |
//! | technical accounts | a matter of onboarding, for no machine |

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::id::AccountId;
use flysk_jobs::oauth::RefreshDue;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::platform::installs;
use flysk_store::platform::tokens::{self, PairState};
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::stand::{ACCOUNT, CLIENT_ID, CLIENT_SECRET, PUBLIC_ORIGIN, USER};
use flysk_vault::{Need, VaultError};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::house::{House, on, read, trace};

const TOKENS: &str = "/oauth2/access_token";

fn problem(status: u16, hint: Option<&str>) -> Act {
    let mut body = json!({ "title": "…", "status": status, "detail": "…",
        "type": "https://developers.amocrm.ru/v3/errors/OAuthProblemJson" });
    if let Some(hint) = hint {
        body["hint"] = hint.into();
    }
    answer(status, "application/problem+json", &body.to_string())
}

fn answer(status: u16, content_type: &str, body: &str) -> Act {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Act::Answer { status, headers, body: body.to_owned() }
}

async fn gateway(house: &House, method: Method, path: &str) -> (StatusCode, String, Value) {
    let request = house.http.request(method.clone(), format!("{}/v1/amocrm{path}", house.api_url));
    let request =
        request.header("X-Project-Token", &house.project_token).header("X-Account-Id", ACCOUNT.to_string());
    let request = if method == Method::GET { request } else { request.json(&json!([])) };
    let answer = request.send().await.unwrap();
    let whose = answer.headers()["x-flysk-answer"].to_str().unwrap().to_owned();
    let (status, body) = read(answer).await;
    (status, whose, body)
}

async fn patience(house: &House) {
    for _ in 0..6 {
        house.run_due_jobs().await;
        house.advance(TimeDelta::minutes(1));
    }
}

async fn state(house: &House) -> PairState {
    tokens::find(on(&mut house.conn().await), house.install_id().await).await.unwrap().unwrap().state
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_code_that_is_refused_ends_in_a_way_out(pool: MySqlPool) {
    let house = House::build(pool).await;
    for (n, hint) in [
        "Authorization code has expired",
        "Authorization code has been revoked",
        "Cannot decrypt the authorization code",
        "Invalid account",
    ]
    .into_iter()
    .enumerate()
    {
        house.amocrm.control.script(Script::next(TOKENS, problem(400, Some(hint))));
        house.install().await;
        house.advance(TimeDelta::minutes(5));
        house.run_due_jobs().await;
        assert_eq!(house.token_requests(), n + 1, "{hint}: it is not tried again");
        let (_, shaken) = house.admin(Method::POST, "/v1/handshake", None).await;
        assert_eq!(shaken["status"], "reconnect", "{hint}");
        assert!(shaken["connect_url"].is_string(), "{hint}");
    }
    house.install().await;
    assert_eq!(house.status().await, "active");
}

/// A redirect URI that differs by a slash, a wrong secret: amoCRM says so, we repair it, the code is still good.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn our_own_mistake_is_repaired_while_the_code_lives(pool: MySqlPool) {
    let house = House::build(pool).await;
    let mut conn = house.conn().await;
    let widget = house.widget().await;
    let redirect = |uri: String| Changes { redirect_uri: Some(uri), ..Changes::default() };
    let slash = redirect(format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback/"));
    widgets::update(on(&mut conn), widget.id, &slash, house.clock.now()).await.unwrap();
    house.vault.change_client_secret(on(&mut conn), &widget, &"stale".to_owned().into()).await.unwrap();
    house.install().await;
    // One mistake after the other: first the secret, then the slash.
    let (stale, secret) = (house.widget().await, CLIENT_SECRET.to_owned().into());
    house.vault.change_client_secret(on(&mut conn), &stale, &secret).await.unwrap();
    patience(&house).await;
    assert!(house.jobs(JobState::Dead).await.is_empty() && house.token_requests() >= 2);
    let right = redirect(format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback"));
    widgets::update(on(&mut conn), widget.id, &right, house.clock.now()).await.unwrap();
    patience(&house).await;
    assert_eq!(house.status().await, "active");
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_refusal_at_a_renamed_account_is_asked_again_at_its_new_host(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.state.rename(ACCOUNT, "newname").unwrap();
    house.amocrm.control.script(Script::next(TOKENS, problem(401, Some("Token has been revoked"))));
    let id = house.install_id().await;
    let renewed = house.vault.renew(id, Need::NewerThan(house.clock.now()), &trace()).await;
    assert!(renewed.is_ok(), "{renewed:?}");
    assert_eq!(house.status().await, "active");
    assert_eq!(house.pauth().await.1["base_domain"], "newname.amocrm.ru");
}

/// A deleted account answers 404, a dismissed one nothing at all: it is looked at again, and nothing is thrown away.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_account_that_is_gone_disturbs_nobody_for_good(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let id = house.install_id().await;
    for act in [answer(404, "text/html", "<html>404</html>"), problem(404, None)] {
        house.amocrm.control.script(Script::next(TOKENS, act));
        let outcome = house.vault.renew(id, Need::NewerThan(house.clock.now()), &trace()).await;
        assert!(matches!(outcome, Err(VaultError::NotNow { .. })), "{outcome:?}");
        assert_eq!((house.status().await, state(&house).await), ("active", PairState::Good));
        house.advance(TimeDelta::hours(1) + TimeDelta::seconds(1));
    }
    assert!(house.vault.renew(id, Need::NewerThan(house.clock.now()), &trace()).await.is_ok());
}

/// Somebody with a copy of our database spends the refresh token: the next renewal says so, and the customer is asked.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_pair_that_was_spent_elsewhere_is_flagged(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let id = house.install_id().await;
    let pair = tokens::find(on(&mut house.conn().await), id).await.unwrap().unwrap();
    let place = flysk_vault::places::refresh_token(id);
    let refresh = house.vault.keyring().open(&pair.refresh_sealed, &place).unwrap();
    let body = json!({ "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "refresh_token",
        "refresh_token": secrecy::ExposeSecret::expose_secret(&refresh),
        "redirect_uri": format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback") });
    let theirs = house.http.post(format!("{}{TOKENS}", house.amocrm.url)).header("Host", "demo.amocrm.ru");
    assert_eq!(theirs.json(&body).send().await.unwrap().status(), StatusCode::OK);
    let outcome = house.vault.renew(id, Need::NewerThan(house.clock.now()), &trace()).await;
    assert!(matches!(outcome, Err(VaultError::Refused(_))), "{outcome:?}");
    assert_eq!((house.status().await, state(&house).await), ("reconnect", PairState::Refused));
}

/// A widget that is switched off needs no token, and its pair must not die of that.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_pair_nobody_uses_is_renewed_every_week(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let off = json!({ "account_id": ACCOUNT, "on": false });
    assert_eq!(house.backend(Method::PUT, "/v1/backend/switch", Some(off)).await.0, StatusCode::OK);
    house.amocrm.control.clear_calls();
    for day in 1..=15 {
        house.advance(TimeDelta::days(1));
        let mut unit = house.engine.outbox().begin(trace()).await.unwrap();
        unit.enqueue(&RefreshDue {}).await.unwrap();
        unit.commit().await.unwrap();
        house.run_due_jobs().await;
        house.advance(TimeDelta::minutes(9));
        house.run_due_jobs().await;
        assert_eq!(house.token_requests(), usize::from(day > 6) + usize::from(day > 13), "day {day}");
    }
    assert_eq!((house.status().await, state(&house).await), ("inactive", PairState::Good));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn the_newest_of_two_administrators_grants_counts(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let (first, _) = (house.install_id().await, house.pauth().await);
    house.amocrm.state.change_account(ACCOUNT, |account| account.users[1].is_admin = true).unwrap();
    let outcome = house.amocrm.state.install(CLIENT_ID, ACCOUNT, Some(USER)).await.unwrap();
    assert_eq!(outcome.status, Some(200));
    house.run_due_jobs().await;
    assert_eq!(house.install_id().await, first, "one install, whoever granted");
    let pair = tokens::find(on(&mut house.conn().await), first).await.unwrap().unwrap();
    assert_eq!((pair.pair, pair.state), (2, PairState::Good));
    let (status, _, account) = gateway(&house, Method::GET, "/api/v4/account").await;
    assert_eq!((status, &account["current_user_id"]), (StatusCode::OK, &json!(USER)));
    assert_eq!(house.told(), ["install", "activate"], "nothing changed for the vendor");
}

/// An ordinary user's grant works with that user's rights; what amoCRM refuses comes back as amoCRM says it.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_grant_without_rights_is_passed_on_as_amocrm_says_it(pool: MySqlPool) {
    let house = House::installed(pool).await;
    granted_by_the_user(&house).await;
    let (status, whose, _) = gateway(&house, Method::GET, "/api/v4/users").await;
    assert_eq!((status, whose.as_str()), (StatusCode::FORBIDDEN, "amocrm"));
    assert_eq!(house.status().await, "active");
}

/// The people in the account are told what is missing, and an administrator gets the way to repair it.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_grant_without_rights_is_told_until_an_administrator_grants(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let shaken = async || house.admin(Method::POST, "/v1/handshake", None).await.1;
    assert_eq!((&shaken().await["warning"], &shaken().await["connect_url"]), (&Value::Null, &Value::Null));
    granted_by_the_user(&house).await;
    let told = shaken().await;
    assert!(told["warning"].as_str().unwrap().contains("без прав администратора"), "{told}");
    assert!(told["connect_url"].is_string() && told["status"] == "active", "{told}");
    let theirs = house.ask(Method::POST, "/v1/handshake", ("X-Auth-Token", &house.token(USER)), None).await.1;
    assert!(theirs["warning"].is_string() && theirs["connect_url"].is_null(), "{theirs}");
    house.advance(TimeDelta::minutes(1));
    house.install().await;
    assert_eq!(shaken().await["warning"], Value::Null);
}

/// The widget works whether or not somebody can say whose rights it has.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn rights_that_cannot_be_found_out_disturb_nobody(pool: MySqlPool) {
    let house = House::build(pool).await;
    house.amocrm.control.script(Script::next("/api/v4/users/*", answer(502, "text/html", "<html>")));
    house.install().await;
    let (_, shaken) = house.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!((&shaken["status"], &shaken["warning"]), (&json!("active"), &Value::Null));
}

/// The user who granted access was dismissed: amoCRM shows a page to log in, which is no answer for a backend.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_login_page_is_no_answer_of_the_api(pool: MySqlPool) {
    let house = House::installed(pool).await;
    granted_by_the_user(&house).await;
    house.amocrm.state.change_account(ACCOUNT, |account| account.users[1].is_active = false).unwrap();
    let (status, whose, problem) = gateway(&house, Method::GET, "/api/v4/account").await;
    assert_eq!((status, whose.as_str()), (StatusCode::BAD_GATEWAY, "flysk"), "{problem}");
    assert_eq!(problem["code"], "upstream_unavailable");
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_account_that_allows_listed_addresses_only_is_not_taken_for_a_block(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let body = r#"{"title":"Forbidden","status":403,"detail":"IP is not allowed","error_code":113}"#;
    let act = answer(403, "application/problem+json", body);
    house.amocrm.control.script(Script::next("/api/v4/leads", act));
    let (status, whose, told) = gateway(&house, Method::GET, "/api/v4/leads").await;
    assert_eq!((status, whose.as_str(), &told["error_code"]), (StatusCode::FORBIDDEN, "amocrm", &json!(113)));
    let (status, ..) = gateway(&house, Method::GET, "/api/v4/account").await;
    assert_eq!(status, StatusCode::OK, "the account is not left alone for it");
}

/// Reads go on for 30 days, writes fail at once, and the pair is kept alive for the day the account is paid.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_unpaid_account_is_told_so_and_keeps_its_tokens(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let now = house.clock.now();
    house.amocrm.state.change_account(ACCOUNT, |account| account.unpaid_since = Some(now)).unwrap();
    let (status, whose, _) = gateway(&house, Method::POST, "/api/v4/leads/notes").await;
    assert_eq!((status, whose.as_str()), (StatusCode::PAYMENT_REQUIRED, "amocrm"));
    assert_eq!(gateway(&house, Method::GET, "/api/v4/account").await.0, StatusCode::OK);
    house.advance(TimeDelta::days(31));
    assert_eq!(gateway(&house, Method::GET, "/api/v4/account").await.0, StatusCode::PAYMENT_REQUIRED);
    assert_eq!((house.status().await, state(&house).await), ("active", PairState::Good));
    house.amocrm.state.change_account(ACCOUNT, |account| account.unpaid_since = None).unwrap();
    house.advance(TimeDelta::days(1));
    assert_eq!(gateway(&house, Method::GET, "/api/v4/account").await.0, StatusCode::OK);
}

/// An ordinary user's code replaces the administrator's pair.
async fn granted_by_the_user(house: &House) {
    let (_, shaken) = house.admin(Method::POST, "/v1/handshake", None).await;
    assert!(shaken["session"].is_object());
    let code = house.amocrm.state.issue_code(CLIENT_ID, ACCOUNT, Some(USER)).unwrap();
    let mut url: url::Url = format!("{}/oauth/amocrm/callback", house.api_url).parse().unwrap();
    url.query_pairs_mut().extend_pairs([
        ("code", code.as_str()),
        ("referer", "demo.amocrm.ru"),
        ("client_id", CLIENT_ID),
        ("from_widget", "1"),
    ]);
    assert_eq!(house.http.get(url).send().await.unwrap().status(), StatusCode::OK);
    house.run_due_jobs().await;
    let widget = house.widget().await;
    let install = installs::find_in_account(on(&mut house.conn().await), widget.id, AccountId(ACCOUNT)).await;
    assert_eq!(install.unwrap().unwrap().status.as_str(), "active");
}
