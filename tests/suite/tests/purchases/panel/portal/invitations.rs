//! Invitations: the letter, its link that works once, an end, a revocation, another invitation, the command.

use chrono::Duration;
use flysk_store::portal::{invitations, users};
use reqwest::StatusCode;
use sqlx::MySqlPool;

use super::harness::{PASSWORD, Portal, cookie_of};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_invites_and_the_link_works_once(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let operator = portal.panel.sign_in("anna", "operator").await;
    let path = format!("/vendors/{vendor}/invite");
    let fields = [("email", "Vera@Romashka.Example"), ("reason", "Договор 7")];
    portal.panel.sign_in("boris", "billing").await.refused(&path, &fields, 403).await;
    operator.refused(&path, &[("email", "nobody"), ("reason", "x")], 422).await;
    operator.act(&path, &fields).await;
    let link = portal.link().await;
    let letter = portal.mail.state.letters().pop().unwrap();
    assert_eq!(letter.recipients, ["vera@romashka.example"]);
    assert!(letter.subject().contains("ООО «romashka»") && letter.field("List-Unsubscribe").is_empty());
    assert!(operator.page(&format!("/vendors/{vendor}")).await.contains("отправлено"));
    // Looking at the link uses nothing up.
    for _ in 0..2 {
        let page = portal.panel.app.http.get(format!("{}{link}", portal.panel.url)).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        assert!(page.text().await.unwrap().contains("vera@romashka.example"));
    }
    assert_eq!(portal.accept(&link, "short").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let accepted = portal.accept(&link, PASSWORD).await;
    assert_eq!(accepted.status(), StatusCode::SEE_OTHER);
    assert_eq!(portal.accept(&link, PASSWORD).await.status(), StatusCode::CONFLICT, "it works once");
    let cookie = cookie_of(&accepted);
    let answer = portal.panel.get_as(&cookie, "/portal").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "the second factor is missing");
    let member = portal.enrol(&cookie, "vera@romashka.example").await;
    assert!(member.page("/portal").await.contains("ООО «romashka»"));
    assert_eq!(member.recovery_codes.len(), 10);
    for action in ["vendor_user.invite", "vendor_user.accept", "vendor_user.enrol"] {
        portal.panel.record_of(action).await;
    }
    assert!(operator.page(&format!("/vendors/{vendor}")).await.contains("Вера Ромашкина"));
    let ticket = link.split("invitation=").nth(1).unwrap();
    assert!(!format!("{:?}", portal.panel.audit().await).contains(ticket));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn of_two_who_accept_at_once_one_is_let_in(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    portal.invite(vendor, "vera@romashka.example").await;
    let link = portal.link().await;
    let (first, second) = tokio::join!(portal.accept(&link, PASSWORD), portal.accept(&link, PASSWORD));
    let mut statuses = [first.status().as_u16(), second.status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invitation_that_is_over_revoked_replaced_or_made_up_lets_nobody_in(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let operator = portal.panel.sign_in("anna", "operator").await;
    portal.invite(vendor, "vera@romashka.example").await;
    let replaced = portal.link().await;
    let revoked = portal.invite(vendor, "vera@romashka.example").await.to_string();
    let link = portal.link().await;
    assert_eq!(portal.accept(&replaced, PASSWORD).await.status(), StatusCode::CONFLICT);
    let revoke = [("revoked", revoked.as_str()), ("reason", "Ошиблись адресом")];
    let path = format!("/vendors/{vendor}/revoke-invitation");
    let other = portal.vendor("lopukh").await;
    operator.refused(&format!("/vendors/{other}/revoke-invitation"), &revoke, 409).await;
    operator.act(&path, &revoke).await;
    operator.refused(&path, &revoke, 409).await;
    assert_eq!(portal.panel.record_of("vendor_user.revoke_invitation").await.reason, "Ошиблись адресом");
    assert_eq!(portal.accept(&link, PASSWORD).await.status(), StatusCode::CONFLICT);
    portal.invite(vendor, "vera@romashka.example").await;
    let late = portal.link().await;
    portal.panel.app.clock.advance(Duration::days(7) + Duration::seconds(1));
    assert_eq!(portal.accept(&late, PASSWORD).await.status(), StatusCode::CONFLICT);
    let made_up = format!("/portal/invitation?invitation={revoked}");
    assert_eq!(portal.accept(&made_up, PASSWORD).await.status(), StatusCode::NOT_FOUND);
    let found = users::find_by_email(&mut *portal.panel.app.conn().await, "vera@romashka.example").await;
    assert!(found.unwrap().is_none());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn another_invitation_replaces_password_and_second_factor(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let (vendor, other) = (portal.vendor("romashka").await, portal.vendor("lopukh").await);
    let member = portal.member(vendor, "vera@romashka.example").await;
    let operator = portal.panel.sign_in("anna", "operator").await;
    let fields = [("email", "vera@romashka.example"), ("reason", "Потеряла телефон")];
    let page = operator.refused(&format!("/vendors/{other}/invite"), &fields, 422).await;
    assert!(page.contains("другого продавца"), "{page}");
    operator.act(&format!("/vendors/{vendor}/invite"), &fields).await;
    let new = "совсем другой пароль";
    let accepted = portal.accept(&portal.link().await, new).await;
    assert_eq!(accepted.status(), StatusCode::SEE_OTHER);
    assert_eq!(member.status("/portal").await, 303, "the former session ended");
    let renewed = portal.enrol(&cookie_of(&accepted), "vera@romashka.example").await;
    assert_ne!(renewed.secret, member.secret);
    renewed.page("/portal").await;
    assert_eq!(portal.give_password("vera@romashka.example", PASSWORD).await.status().as_u16(), 422);
    assert_eq!(portal.give_password("VERA@romashka.example", new).await.status().as_u16(), 303);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_command_invites_and_prints_the_link_if_it_is_asked_to(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let app = &portal.panel.app;
    let invite = ["vendor:invite", "romashka", "vera@romashka.example"];
    let quiet = app.worker(&invite).await.told();
    assert!(quiet.contains("is invited until") && !quiet.contains("/portal/invitation"), "{quiet}");
    let printed = app.worker(&[&invite[..], &["--print-link"]].concat()).await.told();
    let link = printed.lines().find(|line| line.contains("/portal/invitation")).unwrap();
    let answer = portal.accept(link, PASSWORD).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let listed = invitations::list_of_vendor(&mut *app.conn().await, vendor, 10).await.unwrap();
    assert_eq!(listed.len(), 2);
    let rows = portal.panel.audit().await;
    let told: Vec<_> = rows.iter().filter(|row| row.action == "vendor_user.invite").collect();
    assert!(told.len() == 2 && told.iter().all(|row| row.operator_login == "flysk-worker"), "{told:?}");
    let missing = app.worker(&["vendor:invite", "nobody", "x@y.example"]).await.refused(1);
    assert!(missing.contains("no vendor has the code `nobody`"), "{missing}");
}
