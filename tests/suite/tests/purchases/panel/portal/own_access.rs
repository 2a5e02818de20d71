//! The own access of a vendor's user: password, recovery codes, sessions, each with a row in the audit log.

use reqwest::StatusCode;
use sqlx::MySqlPool;

use super::super::harness::value_of;
use super::harness::{Member, PASSWORD, Portal, cookie_of};

const OTHER_PASSWORD: &str = "другой конь с другим аккумулятором";

/// Signs in with password and a code; returns the cookie, or the status of the refusal.
async fn signed_in(portal: &Portal, member: &Member<'_>, password: &str, code: &str) -> Result<String, u16> {
    let answer = portal.give_password(&member.email, password).await;
    if answer.status() != StatusCode::SEE_OTHER {
        return Err(answer.status().as_u16());
    }
    let waiting = cookie_of(&answer);
    let form = portal.panel.get_as(&waiting, "/portal/sign-in/code").await.text().await.unwrap();
    let csrf = value_of(&form, "csrf");
    let fields = [("csrf", csrf.as_str()), ("code", code)];
    let answer = portal.panel.post_as(Some(&waiting), "/portal/sign-in/code", &fields).await;
    match answer.status() {
        StatusCode::SEE_OTHER => Ok(cookie_of(&answer)),
        status => Err(status.as_u16()),
    }
}

/// Whether a session opens a page.
async fn is_open(portal: &Portal, cookie: &str) -> bool {
    portal.panel.get_as(cookie, "/portal/me").await.status() == StatusCode::OK
}

/// The only row of the audit log for an act names the user.
async fn is_recorded(portal: &Portal, action: &str) {
    let row = portal.panel.record_of(action).await;
    assert_eq!(
        (row.operator_login.as_str(), row.subject_kind.as_str()),
        ("vera@romashka.example", "vendor_user")
    );
    let told = format!("{row:?}");
    assert!(!told.contains("аккумулятор"), "{told}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_new_password_ends_the_other_sessions_and_the_former_one(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let other = signed_in(&portal, &member, PASSWORD, &member.recovery_codes[0]).await.unwrap();
    is_recorded(&portal, "vendor_user.sign_in").await;
    for (password, again) in [("коротко", "коротко"), (OTHER_PASSWORD, PASSWORD), ("", "")] {
        let fields = [("password", password), ("password_again", again)];
        member.refused("/portal/me/password", &fields, 422).await;
    }
    let fields = [("password", OTHER_PASSWORD), ("password_again", OTHER_PASSWORD)];
    assert_eq!(member.act("/portal/me/password", &fields).await, "/portal/me");
    is_recorded(&portal, "vendor_user.change_password").await;
    assert!(is_open(&portal, &member.cookie).await && !is_open(&portal, &other).await);
    let refused = signed_in(&portal, &member, PASSWORD, &member.recovery_codes[1]).await;
    assert_eq!(refused, Err(422));
    signed_in(&portal, &member, OTHER_PASSWORD, &member.recovery_codes[1]).await.unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn new_recovery_codes_replace_the_former_ones(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let page = member.shown("/portal/me/recovery-codes", &[]).await;
    is_recorded(&portal, "vendor_user.renew_recovery_codes").await;
    let codes: Vec<&str> =
        page.split("<pre>").nth(1).unwrap().split("</pre>").next().unwrap().lines().collect();
    assert_eq!(codes.len(), member.recovery_codes.len());
    assert_eq!(signed_in(&portal, &member, PASSWORD, &member.recovery_codes[0]).await, Err(422));
    signed_in(&portal, &member, PASSWORD, codes[0]).await.unwrap();
    assert_eq!(signed_in(&portal, &member, PASSWORD, codes[0]).await, Err(422), "each once");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn another_session_is_ended_once(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let other = signed_in(&portal, &member, PASSWORD, &member.recovery_codes[0]).await.unwrap();
    let page = member.page("/portal/me").await;
    let session = page.split("action=\"/portal/me/sessions/").nth(1).unwrap().split('/').next().unwrap();
    let end = format!("/portal/me/sessions/{session}/end");
    assert_eq!(member.act(&end, &[]).await, "/portal/me");
    assert!(is_open(&portal, &member.cookie).await && !is_open(&portal, &other).await);
    is_recorded(&portal, "vendor_user.end_session").await;
    member.refused(&end, &[], 409).await;
}
