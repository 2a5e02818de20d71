//! Acts with money, secrets and access need a second factor that was given a short time ago.

use flysk_admin::{Access, routes};
use flysk_domain::admin::{FRESH_PROOF, OperatorRole};
use poem::http::Method;
use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode};
use sqlx::MySqlPool;

use super::harness::{Panel, Signed, cookie_of, value_of};

const RETIRE: [(&str, &str); 3] = [("widget", "flysense"), ("code", "start"), ("reason", "Не <b>покупают")];

/// Waits until the second factor is old, and asks for something.
async fn asked<'a>(signed: &Signed<'_>, path: &str, fields: &[(&'a str, &'a str)]) -> String {
    signed.panel.app.clock.advance(FRESH_PROOF);
    let page = signed.refused(path, fields, 403).await;
    assert!(page.contains("id=\"step-up\""), "{page}");
    page
}

async fn send(signed: &Signed<'_>, path: &str, page: &str, code: &str, fields: &[(&str, &str)]) -> Response {
    let csrf = value_of(page, "csrf");
    let mut all = vec![("csrf", csrf.as_str()), ("proof_code", code)];
    all.extend(fields.iter().copied());
    signed.panel.post_as(Some(&signed.cookie), path, &all).await
}

/// Forms of every role that change what a second factor is, renew it, open pages in an account's name, or withdraw a request.
const PROVING: [&str; 6] = [
    "/approvals/:id/decline",
    "/installs/:id/act-as",
    "/me/proof",
    "/me/passkeys",
    "/me/passkeys/challenge",
    "/me/passkeys/:id/remove",
];

/// Forms of the vendors' portal that change no secret, no address and nothing that is sold.
const WITHOUT_PROOF: [&str; 4] = [
    "/portal/sign-out",
    "/portal/me/sessions/:id/end",
    "/portal/widgets/:id/test-event",
    "/portal/events/:id/replay",
];

#[test]
fn every_form_that_does_more_than_support_does_needs_it() {
    for route in routes::table() {
        let is_form = route.method == Method::POST;
        let expected = match route.access {
            Access::Open | Access::SecondFactor | Access::VendorSecondFactor => false,
            Access::Vendor => !WITHOUT_PROOF.contains(&route.path),
            Access::Role(OperatorRole::Support) => PROVING.contains(&route.path),
            Access::Role(_) | Access::Right(_) => true,
        };
        assert_eq!(route.needs_fresh_proof, is_form && expected, "{route:?}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_old_second_factor_is_asked_for_and_the_form_is_performed_with_the_code(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let page = asked(&signed, "/packages/retire", &RETIRE).await;
    assert!(
        page.contains("action=\"/packages/retire\"") && page.contains("Не &#60;b&#62;покупают"),
        "{page}"
    );
    assert_eq!(panel.audit().await.iter().filter(|row| row.action == "package.retire").count(), 0);
    // A wrong code changes nothing and is counted.
    let answer = send(&signed, "/packages/retire", &page, "000000", &RETIRE).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().await.unwrap().contains("id=\"step-up\""));
    let code = panel.code(&signed.credentials.secret);
    let answer = send(&signed, "/packages/retire", &page, &code, &RETIRE).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let renewed = cookie_of(&answer);
    assert_ne!(renewed, signed.cookie);
    panel.record_of("package.retire").await;
    assert_eq!(panel.record_of("operator.step_up").await.operator_login, "anna");
    let former = panel.get_as(&signed.cookie, "/packages").await;
    assert_eq!(former.status(), StatusCode::SEE_OTHER, "the former cookie is worth nothing");
    // Fresh for a while: the next form needs no code.
    let signed = Signed { cookie: renewed, ..signed };
    signed.refused("/packages/retire", &RETIRE, 409).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_used_code_does_not_renew_it_and_guesses_are_locked_out(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let page = asked(&signed, "/packages/retire", &RETIRE).await;
    let mut statuses = Vec::new();
    for _ in 0..=flysk_domain::admin::ACCOUNT_ATTEMPTS {
        statuses.push(send(&signed, "/packages/retire", &page, "000000", &RETIRE).await.status());
    }
    assert_eq!(statuses.last(), Some(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
    let code = panel.code(&signed.credentials.secret);
    let answer = send(&signed, "/packages/retire", &page, &code, &RETIRE).await;
    assert_eq!(
        answer.status(),
        StatusCode::TOO_MANY_REQUESTS,
        "the right code does not help during a lock-out"
    );
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_form_with_a_secret_is_not_kept_but_filled_in_again(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let fields = [("code", "other"), ("client_secret", "topsecret"), ("reason", "Новый")];
    let page = asked(&signed, "/widgets/register", &fields).await;
    assert!(page.contains("action=\"/me/proof\"") && !page.contains("topsecret"), "{page}");
    let code = panel.code(&signed.credentials.secret);
    let answer = send(&signed, "/me/proof", &page, &code, &[("next", &value_of(&page, "next"))]).await;
    assert_eq!(answer.headers()[LOCATION], "/widgets");
    let signed = Signed { cookie: cookie_of(&answer), ..signed };
    let page = signed.refused("/widgets/register", &fields, 422).await;
    assert!(!page.contains("id=\"step-up\""), "{page}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn support_and_pages_need_no_new_code(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    panel.app.begin().await;
    let signed = panel.sign_in("anna", "owner").await;
    panel.app.clock.advance(FRESH_PROOF);
    signed.page("/operators").await;
    let job: String = sqlx::query_scalar("SELECT id FROM jobs WHERE state = 'queued' LIMIT 1")
        .fetch_one(&panel.app.pool)
        .await
        .unwrap();
    signed.act(&format!("/jobs/{job}/cancel"), &[("reason", "Подождём банк")]).await;
}
