//! Who occupies seats, and freeing one.

use flysk_domain::id::UserId;
use flysk_store::platform::subscriptions::set_seat_name;
use flysk_store::platform::widgets::Changes;
use flysk_suite::environment::{ACCOUNT, ADMIN, USER};
use reqwest::StatusCode;
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{TestPage, assert_says};
use crate::browser::Browser;
use crate::harness::GOOD_CARD;

/// The widget gives its seats to users, and an administrator and a user have sat down.
async fn seat_users(page: &TestPage) {
    let billing = json!({ "subscriptions": { "seats_per_user": true } });
    page.update_widget(&Changes { billing: Some(Some(billing)), ..Changes::default() }).await;
    for user in [ADMIN, USER] {
        assert_eq!(page.handshake(ACCOUNT, user).await["subscription"]["has_seat"], true);
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn everybody_sees_who_sits_and_administrators_free_a_seat(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, GOOD_CARD).await;
    assert!(!page.overview().await.contains("id=\"seats\""), "the widget gives no seats to users");
    let billing = json!({ "subscriptions": { "seats_per_user": true } });
    page.update_widget(&Changes { billing: Some(Some(billing)), ..Changes::default() }).await;
    assert_eq!(page.handshake(ACCOUNT, USER).await["subscription"]["has_seat"], true);

    let visit = page.visit(ADMIN).await;
    let shown = visit.shown("").await;
    assert_says(&shown, &["Занято мест: 2, всего 3 места", &format!("Пользователь {USER}<"), "(это вы)"]);
    let quote = visit.done("/quotes", &[("change", "seats"), ("seats", "1")]).await;
    visit.done(&format!("{quote}/apply"), &[]).await;
    assert_says(&visit.shown("").await, &["С 28.02.2027 мест станет меньше, и этого места не будет"]);

    let free = format!("/seats/{USER}/free");
    for _ in 0..2 {
        assert_eq!(visit.done(&free, &[]).await, "?done=seat-freed");
    }
    let shown = visit.shown("?done=seat-freed").await;
    assert_says(&shown, &["Место свободно", "Занято мест: 1, всего 3 места"]);
    assert!(!shown.contains("мест станет меньше"), "one seat is enough for who is left");
    let other = page.visit(USER).await;
    let shown = other.shown("").await;
    assert_says(&shown, &["Занято мест: 2", "(это вы)"]);
    assert!(!shown.contains("/free\""), "only administrators free seats");
    // The page of such a user has no form, and so no token; one of an administrator is of another visit.
    let token = visit.token().await;
    let refused = other.post_as_is(&format!("/seats/{ADMIN}/free"), &[("token", &token)]).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_administrator_frees_a_seat_by_its_users_name_in_a_browser(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, GOOD_CARD).await;
    seat_users(&page).await;
    let mut conn = page.sandbox.pool.acquire().await.unwrap();
    set_seat_name(&mut conn, page.subscription, UserId(USER), "Борис Смирнов").await.unwrap();
    drop(conn);
    let browser = Browser::start().await;
    browser.client.goto(&page.link(ADMIN).await).await.unwrap();
    assert!(browser.text("#seats h2").await.contains("Занято мест: 2, всего 3"));
    let row = format!("#seats li[data-user='{USER}']");
    assert!(browser.text(&row).await.contains("Борис Смирнов"));
    assert!(browser.text(&format!("#seats li[data-user='{ADMIN}']")).await.contains("(это вы)"));
    browser.picture("subscription-seats-of-users").await;
    browser.click(&format!("{row} button")).await;
    assert!(browser.text("#notice").await.contains("Место свободно"));
    assert!(browser.text("#seats h2").await.contains("Занято мест: 1, всего 3"));
    browser.is_content().await;
    browser.client.clone().close().await.unwrap();
}
