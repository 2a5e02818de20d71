//! The state of the subscription in words.

use flysk_store::platform::vendors;
use flysk_store::platform::widgets::Changes;
use flysk_suite::environment::{ACCOUNT, ADMIN, USER};
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{EMPTY_LATER, TestPage, assert_says};
use crate::harness::GOOD_CARD;

fn level(page: &str) -> &str {
    page.split("data-level=\"").nth(1).unwrap().split('"').next().unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_trial_is_told_with_its_last_day_and_with_the_plans(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let shown = page.overview().await;
    assert_eq!(level(&shown), "allowed");
    assert_says(
        &shown,
        &[
            "Подписка на «FlySense»",
            "Демонстрация (demo.amocrm.ru)",
            "Пробный период",
            "Действует до 14.02.2027 включительно: 15 дней, считая сегодняшний.",
            "Потом виджет отключится, если не оформить подписку",
            "<h3>Про</h3>",
            "<h3>Старт</h3>",
            "990 ₽",
            "выгода 16 %",
            "ООО «Акме», ИНН&nbsp;7707083893",
            "help@acme.example",
            "+74951234567",
        ],
    );
    page.advance_to("2027-02-14", "23:59:59").await;
    assert_says(&page.overview().await, &["1 день, считая сегодняшний"]);
    page.advance_to("2027-02-15", "00:00:00").await;
    let shown = page.overview().await;
    assert_eq!(level(&shown), "off");
    assert_says(
        &shown,
        &["Пробный период закончился", "Виджет не работает", "Чтобы продолжить, оформите подписку"],
    );
    let billing = json!({ "subscriptions": { "after_end": "restricted" } });
    page.update_widget(&Changes { billing: Some(Some(billing)), ..Changes::default() }).await;
    let shown = page.overview().await;
    assert_eq!(level(&shown), "restricted");
    assert_says(&shown, &["Виджет только показывает данные"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_active_subscription_tells_what_it_has_and_when_the_card_is_charged(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, GOOD_CARD).await;
    let shown = page.overview().await;
    assert_eq!(level(&shown), "allowed");
    assert_says(
        &shown,
        &[
            "Подписка активна",
            "Оплачена до 27.02.2027 включительно.",
            "28.02.2027 спишем 2 970 ₽ и продлим подписку: карта •••• 0004",
            "<dd>Про</dd>",
            "<dd>3 места</dd>",
            "990 ₽ за место, всего 2 970 ₽",
            "31.01.2027–27.02.2027",
            "id=\"card\"",
            "Оплачен",
        ],
    );
    assert!(!shown.contains("<script"), "nothing is waited for");
}

/// The seller has got a terminal of its own since the card was saved.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_card_of_another_terminal_is_not_promised_to_be_charged(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, GOOD_CARD).await;
    let renews = async || page.handshake(ACCOUNT, USER).await["subscription"]["renews"].clone();
    assert_eq!(renews().await, true);
    let widget = page.row().await.unwrap().widget_id;
    let mut conn = page.sandbox.pool.acquire().await.unwrap();
    let mut vendor = vendors::find_vendor_of_widget(&mut conn, widget).await.unwrap().unwrap();
    vendor.terminal_key = Some("1700000000001OWN".to_owned());
    vendors::update_vendor(&mut conn, &vendor, page.sandbox.now()).await.unwrap();
    drop(conn);
    assert_eq!(renews().await, false);
    let shown = page.overview().await;
    assert_says(
        &shown,
        &[
            "С привязанной карты списать нельзя",
            "Оплатите следующий период до 27.02.2027 включительно.",
            "id=\"card\">Не сработает",
            "id=\"unlink\"",
        ],
    );
    assert!(!shown.contains("28.02.2027 спишем"), "{shown}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unpaid_renewal_tells_its_grace_the_refusal_and_the_next_charge(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, EMPTY_LATER).await;
    page.advance_to("2027-02-28", "09:00:00").await;
    assert_says(
        &page.overview().await,
        &["Продлеваем подписку", "Спишем 2 970 ₽ 28.02.2027", "id=\"open-invoice\""],
    );
    page.advance_to("2027-02-28", "13:00:00").await;
    let shown = page.overview().await;
    assert_eq!(level(&shown), "grace");
    assert_says(
        &shown,
        &[
            "Подписка не оплачена",
            "Льготный период: виджет работает до 13.03.2027 включительно, потом виджет отключится.",
            "На карте недостаточно средств",
            "Следующий период считается с 28.02.2027, а не со дня оплаты.",
            "Спишем 2 970 ₽ 01.03.2027",
            "подписка закончится сразу",
        ],
    );
    page.advance_to("2027-03-14", "09:00:00").await;
    let shown = page.overview().await;
    assert_eq!(level(&shown), "off");
    assert_says(&shown, &["Льготный период закончился. Оплатите счёт", "id=\"open-invoice\""]);
    page.advance_to("2027-04-15", "12:00:00").await;
    let shown = page.overview().await;
    assert_eq!(level(&shown), "off");
    assert_says(&shown, &["Подписка закончилась", "Оформить снова", "<h3>Про</h3>"]);
    assert!(!shown.contains("id=\"open-invoice\""));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn others_than_administrators_see_the_state_and_cannot_change_it(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, GOOD_CARD).await;
    let visit = page.visit(USER).await;
    let shown = visit.shown("").await;
    assert_says(&shown, &["Подписка активна", "3 места", "могут администраторы аккаунта"]);
    for secret in ["<form", "•••• 0004", "id=\"history\"", "/invoices", "Отменить подписку"]
    {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let invoice = page.invoices().await.unwrap().remove(0).id;
    let attempt = page.last_attempt().await.id;
    for rest in [format!("/invoices/{invoice}"), "/invoices".to_owned(), format!("/payments/{attempt}")] {
        let told = visit.refused(&rest, reqwest::StatusCode::FORBIDDEN).await;
        assert_says(&told, &["Нужны права администратора"]);
    }
    // The pages of a user who is not an administrator have no token; one of an administrator is of another visit.
    let token = page.visit(ADMIN).await.token().await;
    for rest in ["/cancel", "/card/unlink", "/restore"] {
        let answer = visit.post_as_is(rest, &[("token", token.as_str())]).await;
        assert_eq!(answer.status(), reqwest::StatusCode::BAD_REQUEST, "{rest}");
    }
    assert!(!page.row().await.unwrap().subscription.cancels);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_trial_of_others_than_administrators_shows_no_forms(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let shown = page.visit(USER).await.shown("").await;
    assert_says(&shown, &["Пробный период", "могут администраторы аккаунта"]);
    assert!(!shown.contains("<form") && !shown.contains("name=\"token\""), "{shown}");
}
