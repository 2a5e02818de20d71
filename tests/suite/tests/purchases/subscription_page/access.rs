//! Who gets in, and what is refused.

use chrono::TimeDelta;
use flysk_sandbox::CLIENT_ID;
use flysk_store::platform::widgets::Changes;
use flysk_suite::environment::{ACCOUNT, ADMIN, USER, another_account};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_SECURITY_POLICY, COOKIE};
use sqlx::MySqlPool;

use super::harness::{TestPage, Visit, assert_says};
use crate::harness::GOOD_CARD;

const OTHER_ACCOUNT: u64 = 41_000_001;
const OTHER_ADMIN: u64 = 41_000_002;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_link_lives_an_hour_and_a_visit_four(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let link = page.link(ADMIN).await;
    let visit = page.visit(ADMIN).await;
    let answer = visit.get("").await;
    let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
    let text = answer.text().await.unwrap();
    for foreign in ["http://", "https://", "@import", "url("] {
        assert!(!text.contains(foreign), "{foreign}");
    }
    let enter = async |url: &str| page.http.get(url).send().await.unwrap();
    let forged = link.replace("ticket=", "ticket=x");
    assert_eq!(enter(&forged).await.status(), StatusCode::UNAUTHORIZED);
    page.sandbox.clock.advance(TimeDelta::minutes(61));
    assert_eq!(enter(&link).await.status(), StatusCode::UNAUTHORIZED);
    visit.shown("").await;
    page.sandbox.clock.advance(TimeDelta::hours(4));
    assert_says(&visit.refused("", StatusCode::UNAUTHORIZED).await, &["Откройте страницу из виджета"]);
}

/// The link and the cookie of one page do not open the other.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_visit_to_the_subscription_does_not_open_the_wallet(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    page.update_widget(&Changes { uses_flycoins: Some(true), ..Changes::default() }).await;
    let shaken = page.handshake(ACCOUNT, USER).await;
    assert!(shaken["billing_urls"]["flycoins"].is_null(), "{shaken}");
    let link = shaken["billing_urls"]["subscription"].as_str().unwrap().to_owned();
    let other = link.replace("/billing/subscription", "/billing/flycoins");
    assert_eq!(page.http.get(&other).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let visit = page.enter(&link).await;
    let url = format!("{}{}", page.sandbox.api_url, visit.path.replace("subscription", "flycoins"));
    let answer = page.http.get(url).header(COOKIE, &visit.cookie).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let coins = page.handshake(ACCOUNT, ADMIN).await["billing_urls"]["flycoins"].as_str().unwrap().to_owned();
    let swapped = coins.replace("/billing/flycoins", "/billing/subscription");
    assert_eq!(page.http.get(&swapped).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_that_sells_no_subscriptions_has_no_page(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let visit = page.visit(ADMIN).await;
    let token = visit.token().await;
    page.update_widget(&Changes { uses_subscriptions: Some(false), ..Changes::default() }).await;
    let shaken = page.handshake(ACCOUNT, ADMIN).await;
    assert!(shaken["billing_urls"]["subscription"].is_null(), "{shaken}");
    let told = visit.refused("", StatusCode::CONFLICT).await;
    assert_says(&told, &["не продаётся по подписке"]);
    assert!(!told.contains("Тариф"), "{told}");
    let answer = visit.post_as_is("/cancel", &[("token", token.as_str())]).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert!(!page.row().await.unwrap().subscription.cancels);
}

/// Charges are postponed meanwhile, and resume with the sale: who has agreed to them must be able to end them (376-FZ).
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn who_bought_can_unlink_and_cancel_after_the_sale_has_ended_but_buys_nothing(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, GOOD_CARD).await;
    page.update_widget(&Changes { uses_subscriptions: Some(false), ..Changes::default() }).await;
    let shaken = page.handshake(ACCOUNT, USER).await;
    assert!(
        shaken["billing_urls"]["subscription"].is_null(),
        "only administrators have something to end: {shaken}"
    );
    let visit = page.visit(ADMIN).await;
    let shown = visit.shown("").await;
    assert_says(
        &shown,
        &["больше не продаётся по подписке", "id=\"unlink\"", "Отменить подписку", "id=\"history\""],
    );
    for sold in ["id=\"plans\"", "id=\"changes\"", "id=\"open-invoice\"", "спишем"] {
        assert!(!shown.contains(sold), "{sold} in {shown}");
    }
    let invoice = page.invoices().await.unwrap().remove(0).id;
    assert_says(&visit.shown(&format!("/invoices/{invoice}")).await, &["Оплачен"]);
    let told = visit.fails("/quotes", &[("change", "renew")], StatusCode::CONFLICT).await;
    assert_says(&told, &["не продаётся по подписке"]);
    page.advance_to("2027-03-05", "12:00:00").await;
    assert_eq!(page.calls("Charge"), 0, "charges are postponed");
    let visit = page.visit(ADMIN).await;
    visit.done("/card/unlink", &[]).await;
    assert_eq!(page.row().await.unwrap().card_id, None);
    visit.done("/cancel", &[]).await;
    assert_eq!(page.row().await.unwrap().subscription.state.to_string(), "cancelled");
    page.update_widget(&Changes { uses_subscriptions: Some(true), ..Changes::default() }).await;
    page.advance_days(10).await;
    assert_eq!(page.calls("Charge"), 0, "nothing resumes");
}

/// Forms of another site, of another visit, and forms that are not ours.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_forged_form_changes_nothing(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, GOOD_CARD).await;
    let (visit, other) = (page.visit(ADMIN).await, page.visit(ADMIN).await);
    let foreign = other.token().await;
    let before = page.row().await.unwrap();
    let plan = page.plan.to_string();
    let start: Vec<(&str, &str)> = vec![("change", "renew"), ("plan", plan.as_str())];
    let forms: [(&str, Vec<(&str, &str)>); 6] = [
        ("/quotes", start),
        ("/cancel", Vec::new()),
        ("/restore", Vec::new()),
        ("/card/unlink", Vec::new()),
        ("/pending/seats/withdraw", Vec::new()),
        ("/invoices/inv_01J00000000000000000000000/discard", Vec::new()),
    ];
    for (rest, fields) in forms {
        for token in [foreign.as_str(), "", "forged"] {
            let mut sent = fields.clone();
            sent.push(("token", token));
            let answer = visit.post_as_is(rest, &sent).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{rest}");
            assert_says(&answer.text().await.unwrap(), &["Форма устарела"]);
        }
        let own = visit.token().await;
        for more in [("unknown", "1"), ("token", own.as_str())] {
            let mut sent = fields.clone();
            sent.extend([("token", own.as_str()), more]);
            assert_eq!(
                visit.post_as_is(rest, &sent).await.status(),
                StatusCode::BAD_REQUEST,
                "{rest} {more:?}"
            );
        }
    }
    let url = format!("{}{}/cancel", page.sandbox.api_url, visit.path);
    let empty = page.http.post(url).header(COOKIE, &visit.cookie).send().await.unwrap();
    assert_eq!(empty.status(), StatusCode::BAD_REQUEST);
    assert_eq!(page.row().await.unwrap(), before);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn another_account_sees_and_changes_only_its_own(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let ours = page.visit(ADMIN).await;
    let plan = page.plan.to_string();
    let start = [("change", "start"), ("plan", plan.as_str()), ("seats", "3"), ("months", "1")];
    let pending = ours.done("/quotes", &start).await;
    let payment = ours.order(&start, true).await;
    let invoice = page.invoices().await.unwrap().remove(0).id;

    let account = another_account(OTHER_ACCOUNT, "other", OTHER_ADMIN);
    page.sandbox.amocrm.state.add_account(account).unwrap();
    page.sandbox.amocrm.state.install(CLIENT_ID, OTHER_ACCOUNT, None).await.unwrap();
    page.sandbox.run_due().await.unwrap();
    let shaken = page.handshake(OTHER_ACCOUNT, OTHER_ADMIN).await;
    let theirs = page.enter(shaken["billing_urls"]["subscription"].as_str().unwrap()).await;
    assert_says(&theirs.shown("").await, &["Соседи", "Пробный период"]);

    for rest in [pending.clone(), format!("/invoices/{invoice}"), payment] {
        let told = theirs.refused(&rest, StatusCode::NOT_FOUND).await;
        assert_says(&told, &["Такой страницы нет"]);
    }
    theirs.fails(&format!("{pending}/apply"), &[], StatusCode::NOT_FOUND).await;
    let offer = [("email", "a@b.ru"), ("offer", "x")];
    theirs.fails(&format!("/invoices/{invoice}/payments"), &offer, StatusCode::NOT_FOUND).await;
    let back = theirs.done(&format!("/invoices/{invoice}/discard"), &[]).await;
    theirs.refused(&back, StatusCode::NOT_FOUND).await;
    assert_eq!(page.invoices().await.unwrap().remove(0).state.to_string(), "open");
    // Their cookie does not open our page.
    let mixed = Visit { path: ours.path.clone(), ..theirs };
    mixed.refused("", StatusCode::UNAUTHORIZED).await;
}
