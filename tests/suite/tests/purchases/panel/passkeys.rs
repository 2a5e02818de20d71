//! Passkeys: registering, signing in, renewing the second factor, removing; and answers that must be refused.

use flysk_domain::admin::{FRESH_PROOF, PASSKEY_CHALLENGE_TTL};
use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::authenticator::Authenticator;
use super::harness::{Credentials, Panel, Signed, cookie_of, value_of};
use super::pages;
use crate::browser::Browser;

/// A form that a script has shown.
const USE_PASSKEY: &str = "form[data-passkey]:not([hidden]) #use-passkey";

async fn options(answer: Response) -> Value {
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

/// Registers a passkey; returns the answer.
async fn register(signed: &Signed<'_>, key: &Authenticator) -> Response {
    let asked = options(signed.post("/me/passkeys/challenge", &[]).await).await;
    let answer = key.create(&asked);
    signed.post("/me/passkeys", &[("name", "Ноутбук"), ("passkey", &answer)]).await
}

/// An operator with a registered passkey.
async fn with_passkey<'a>(panel: &'a Panel, login: &str, id: u8) -> (Signed<'a>, Authenticator) {
    let signed = panel.sign_in(login, "billing").await;
    let key = Authenticator::new(&panel.url, id);
    assert_eq!(register(&signed, &key).await.headers()[LOCATION], "/me");
    (signed, key)
}

/// A session that waits for the second factor.
struct Waiting<'a> {
    panel: &'a Panel,
    cookie: String,
    csrf: String,
}

impl<'a> Waiting<'a> {
    async fn after_password(panel: &'a Panel, credentials: &Credentials) -> Self {
        let cookie = panel.give_password(&credentials.login, &credentials.password).await;
        let form = panel.get_as(&cookie, "/sign-in/code").await.text().await.unwrap();
        assert!(form.contains("action=\"/sign-in/passkey\""), "{form}");
        let csrf = value_of(&form, "csrf");
        Self { panel, cookie, csrf }
    }

    async fn challenge(&self) -> Value {
        let fields = [("csrf", self.csrf.as_str())];
        options(self.panel.post_as(Some(&self.cookie), "/sign-in/passkey/challenge", &fields).await).await
    }

    async fn give(&self, answer: &str) -> Response {
        let fields = [("csrf", self.csrf.as_str()), ("passkey", answer), ("next", "/jobs")];
        self.panel.post_as(Some(&self.cookie), "/sign-in/passkey", &fields).await
    }

    /// Gives an answer that is refused; returns the page.
    async fn is_refused(&self, answer: &str) -> String {
        let answer = self.give(answer).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        answer.text().await.unwrap()
    }
}

/// What the audit log says of the refused answers, the oldest first.
async fn refusals(panel: &Panel) -> Vec<String> {
    let mut rows = panel.audit().await;
    rows.retain(|row| row.action == "operator.refuse_passkey");
    rows.reverse();
    rows.into_iter().map(|row| row.state_after.unwrap()).collect()
}

fn refusal(purpose: &str, cause: &str) -> String {
    json!({ "cause": cause, "purpose": purpose }).to_string()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_passkey_signs_in_renews_the_second_factor_and_is_removed(pool: MySqlPool) {
    let panel = Panel::open_by_name(pool).await;
    let (signed, mut key) = with_passkey(&panel, "anna", 1).await;
    assert!(panel.record_of("operator.add_passkey").await.state_after.unwrap().contains("Ноутбук"));
    assert!(signed.page("/me").await.contains("Ноутбук"));
    let waiting = Waiting::after_password(&panel, &signed.credentials).await;
    let answer = key.get(&waiting.challenge().await);
    let answer = waiting.give(&answer).await;
    assert_eq!(answer.headers()[LOCATION], "/jobs");
    let cookie = cookie_of(&answer);
    assert_ne!(cookie, waiting.cookie, "the cookie is replaced at the step up");
    let signed = Signed { cookie, ..signed };
    panel.app.clock.advance(FRESH_PROOF);
    let id: String =
        sqlx::query_scalar("SELECT id FROM operator_passkeys").fetch_one(&panel.app.pool).await.unwrap();
    let path = format!("/me/passkeys/{id}/remove");
    let page = signed.refused(&path, &[], 403).await;
    assert!(page.contains("name=\"proof_passkey\"") && page.contains("id=\"step-up\""), "{page}");
    let answer = key.get(&options(signed.post("/me/proof/challenge", &[]).await).await);
    let answer = signed.post(&path, &[("proof_passkey", &answer)]).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let signed = Signed { cookie: cookie_of(&answer), ..signed };
    panel.record_of("operator.step_up").await;
    panel.record_of("operator.remove_passkey").await;
    assert!(signed.page("/me").await.contains("Ключей доступа нет"));
    signed.refused("/me/proof/challenge", &[], 422).await;
    assert_eq!(refusals(&panel).await, Vec::<String>::new());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_challenge_is_answered_once_and_within_its_time(pool: MySqlPool) {
    let panel = Panel::open_by_name(pool).await;
    let (signed, mut key) = with_passkey(&panel, "anna", 1).await;
    let first = Waiting::after_password(&panel, &signed.credentials).await;
    let second = Waiting::after_password(&panel, &signed.credentials).await;
    let answer = key.get(&first.challenge().await);
    assert!(second.is_refused(&answer).await.contains("устарел"), "a challenge of another session");
    assert_eq!(first.give(&answer).await.status(), StatusCode::SEE_OTHER);
    second.challenge().await;
    second.is_refused(&answer).await;
    let answer = key.get(&second.challenge().await);
    panel.app.clock.advance(PASSKEY_CHALLENGE_TTL);
    assert!(second.is_refused(&answer).await.contains("устарел"), "its time is over");
    let answer = key.get(&second.challenge().await);
    assert!(second.is_refused("{}").await.contains("не передал ответ"));
    assert!(second.is_refused(&answer).await.contains("устарел"), "a wrong answer uses the challenge up");
    let causes = ["no_challenge", "wrong", "no_challenge", "unreadable", "no_challenge"];
    assert_eq!(refusals(&panel).await, causes.map(|cause| refusal("sign_in", cause)));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn another_origin_another_operators_passkey_and_an_unverified_user_are_refused(pool: MySqlPool) {
    let panel = Panel::open_by_name(pool).await;
    let (signed, mut key) = with_passkey(&panel, "anna", 1).await;
    let (_, mut foreign) = with_passkey(&panel, "boris", 2).await;
    let waiting = Waiting::after_password(&panel, &signed.credentials).await;
    let answer = foreign.get(&waiting.challenge().await);
    waiting.is_refused(&answer).await;
    key.origin = "http://localhost.elsewhere.example".to_owned();
    let answer = key.get(&waiting.challenge().await);
    waiting.is_refused(&answer).await;
    key.origin.clone_from(&panel.url);
    key.verifies_user = false;
    let answer = key.get(&waiting.challenge().await);
    waiting.is_refused(&answer).await;
    assert_eq!(refusals(&panel).await, ["wrong"; 3].map(|cause| refusal("sign_in", cause)));
    key.verifies_user = true;
    let answer = key.get(&waiting.challenge().await);
    assert_eq!(waiting.give(&answer).await.status(), StatusCode::SEE_OTHER);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_signature_counter_that_does_not_grow_is_taken_for_a_copy(pool: MySqlPool) {
    let panel = Panel::open_by_name(pool).await;
    let (signed, mut key) = with_passkey(&panel, "anna", 1).await;
    let waiting = Waiting::after_password(&panel, &signed.credentials).await;
    let answer = key.get(&waiting.challenge().await);
    assert_eq!(waiting.give(&answer).await.status(), StatusCode::SEE_OTHER);
    let waiting = Waiting::after_password(&panel, &signed.credentials).await;
    key.sign_count = 0;
    let answer = key.get(&waiting.challenge().await);
    assert!(waiting.is_refused(&answer).await.contains("есть его копия"));
    assert_eq!(refusals(&panel).await, [refusal("sign_in", "copied")]);
    // Both challenges were made while the counter was 1, so only the first answer with 2 counts.
    let other = Waiting::after_password(&panel, &signed.credentials).await;
    let (first, second) = (waiting.challenge().await, other.challenge().await);
    let first = key.get(&first);
    key.sign_count = 1;
    let second = key.get(&second);
    assert_eq!(waiting.give(&first).await.status(), StatusCode::SEE_OTHER);
    other.is_refused(&second).await;
    assert_eq!(refusals(&panel).await.len(), 2);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_registration_needs_a_fresh_second_factor_and_an_unknown_passkey(pool: MySqlPool) {
    let panel = Panel::open_by_name(pool).await;
    let (signed, key) = with_passkey(&panel, "anna", 1).await;
    let boris = panel.sign_in("boris", "support").await;
    let refused = register(&boris, &key).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().await.unwrap().contains("уже добавлен"));
    let elsewhere = Authenticator::new("https://elsewhere.example", 3);
    let refused = register(&boris, &elsewhere).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refusals(&panel).await, [refusal("register", "wrong")]);
    panel.app.clock.advance(FRESH_PROOF);
    let page = signed.refused("/me/passkeys/challenge", &[], 403).await;
    assert!(page.contains("id=\"step-up\""), "{page}");
    // The form comes without an answer after the second factor was renewed: nothing is registered.
    let code = panel.code(&signed.credentials.secret);
    let answer = signed.post("/me/passkeys", &[("name", "Телефон"), ("proof_code", &code)]).await;
    assert_eq!(answer.headers()[LOCATION], "/me");
    let registered: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM operator_passkeys")
        .fetch_one(&panel.app.pool)
        .await
        .unwrap();
    assert_eq!(registered, 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_reset_removes_passkeys(pool: MySqlPool) {
    let panel = Panel::open_by_name(pool).await;
    let (_signed, _key) = with_passkey(&panel, "anna", 1).await;
    let printed = panel.command(&["operator:reset", "anna"]).await.told();
    let cookie = panel.give_password("anna", printed.lines().last().unwrap().trim()).await;
    let form = panel.get_as(&cookie, "/sign-in/code").await.text().await.unwrap();
    assert!(form.contains("id=\"secret\"") && !form.contains("data-passkey"), "{form}");
    let registered: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM operator_passkeys")
        .fetch_one(&panel.app.pool)
        .await
        .unwrap();
    assert_eq!(registered, 0);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_panel_on_an_address_offers_no_passkeys(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    assert!(!signed.page("/me").await.contains("data-passkey"));
    assert!(signed.refused("/me/passkeys/challenge", &[], 422).await.contains("по имени"));
}

/// Plugs an authenticator with a finger on it into Chromium.
async fn plug_in(browser: &Browser) {
    browser.devtools("WebAuthn.enable", json!({})).await;
    let options = json!({
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": true,
        "hasUserVerification": true,
        "isUserVerified": true,
        "automaticPresenceSimulation": true,
    });
    browser.devtools("WebAuthn.addVirtualAuthenticator", json!({ "options": options })).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_uses_a_passkey_in_a_browser(pool: MySqlPool) {
    let panel = Panel::open_by_name(pool).await;
    let browser = Browser::start().await;
    browser.client.set_window_size(1_360, 900).await.unwrap();
    plug_in(&browser).await;
    let credentials = pages::sign_in(&browser, &panel).await;
    pages::open(&browser, &panel, "/me").await;
    browser.click("[data-act=passkeys] summary").await;
    pages::fill(&browser, "[data-act=passkeys] input[name=name]", "Рабочий ноутбук").await;
    assert_eq!(pages::violations(&browser).await, Vec::<String>::new());
    browser.picture("admin-passkey").await;
    browser.click("[data-act=passkeys] button").await;
    assert_eq!(browser.text("#notice").await, "Ключ доступа добавлен.");
    browser.is_content().await;
    browser.click("#sign-out").await;
    pages::fill(&browser, "input[name=login]", "anna").await;
    pages::fill(&browser, "input[name=password]", &credentials.password).await;
    browser.click("#sign-in").await;
    browser.wait(USE_PASSKEY).await;
    assert_eq!(pages::violations(&browser).await, Vec::<String>::new());
    browser.picture("admin-passkey-sign-in").await;
    browser.click(USE_PASSKEY).await;
    browser.wait("#sign-out").await;
    panel.app.clock.advance(FRESH_PROOF);
    pages::open(&browser, &panel, "/me").await;
    browser.click("[data-act=remove] summary").await;
    browser.click("[data-act=remove] button").await;
    browser.click(USE_PASSKEY).await;
    assert_eq!(browser.text("#notice").await, "Ключ доступа удалён.");
    browser.client.clone().close().await.unwrap();
    assert_eq!(refusals(&panel).await, Vec::<String>::new());
    assert_eq!(panel.audit().await.iter().filter(|row| row.action == "operator.sign_in").count(), 1);
}
