//! Usage and revenue by month, from figures that a job computes.

use std::collections::BTreeMap;

use flysk_domain::Clock as _;
use flysk_domain::admin::WidgetFigure;
use flysk_domain::id::{VendorId, WidgetId};
use flysk_jobs::platform::upkeep::RollUpWidgets;
use flysk_store::portal::figures;
use flysk_suite::environment::ACCOUNT;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::super::bought;
use super::harness::{Member, Portal, code_in};
use crate::harness::PRICE;
use crate::refunds::refund;

/// Price of three seats for a month, kopecks, and the part of it that is given back.
const MONTH: i64 = 149_700;
const RETURNED: i64 = 50_000;
/// The part of a package's price that is given back, kopecks.
const RETURNED_OF_PACKAGE: i64 = 10_000;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn figures_are_those_of_the_vendors_widget(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let (vendor, other) = (portal.vendor("romashka").await, portal.vendor("lopukh").await);
    let member = portal.member(vendor, "vera@romashka.example").await;
    assert!(member.page("/portal/usage").await.contains("Сначала зарегистрируйте виджет"));
    let widget = portal.give_widget(vendor).await;
    assert!(member.page("/portal/usage").await.contains("Показателей ещё нет"));
    let app = &portal.panel.app;
    app.paid().await;
    for _ in 0..2 {
        app.enqueue(&RollUpWidgets {}).await;
        app.run_due_jobs().await;
    }
    let page = member.page(&format!("/portal/usage?widget={widget}")).await.replace('\u{a0}', " ");
    let month = app.clock.now().format("%m.%Y").to_string();
    assert!(page.contains(&month) && page.contains(&format!("{} ₽", PRICE / 100)), "{page}");
    let mut conn = app.conn().await;
    let since = app.clock.now().date_naive() - chrono::Days::new(2);
    let stored = figures::list_since(&mut conn, vendor, widget, since).await.unwrap();
    let amount = |figure| stored.iter().filter(|row| row.figure == figure).map(|row| row.amount).max();
    assert_eq!(amount(WidgetFigure::CoinRevenue), Some(PRICE));
    assert_eq!(amount(WidgetFigure::InstallsActive), Some(1));
    assert!(figures::list_since(&mut conn, other, widget, since).await.unwrap().is_empty());
    // A widget that lost its last install has none, not yesterday's number.
    sqlx::query("UPDATE installs SET status = 'uninstalled'").execute(&app.pool).await.unwrap();
    app.enqueue(&RollUpWidgets {}).await;
    app.run_due_jobs().await;
    let stored = figures::list_since(&mut conn, vendor, widget, since).await.unwrap();
    let last = stored.iter().rfind(|row| row.figure == WidgetFigure::InstallsActive).unwrap();
    assert_eq!(last.amount, 0);
}

/// The vendor's backend charges a minute; returns what it cost, micro-Flycoins.
async fn charge_a_minute(member: &Member<'_>, widget: WidgetId) -> i64 {
    let page = member.shown(&format!("/portal/widgets/{widget}/rotate-token"), &[("keep_hours", "1")]).await;
    let app = &member.portal.panel.app;
    let lines = json!([{ "service": "flysense.recognition", "quantity": 60 }]);
    let request = app.http.post(format!("{}/v1/backend/flycoins/charges", app.url));
    let request =
        request.header("X-Project-Token", code_in(&page, "fpt_")).header("Idempotency-Key", "minute");
    let answer = request.json(&json!({ "account_id": ACCOUNT, "lines": lines })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    answer.json::<Value>().await.unwrap()["charged_micro"].as_i64().unwrap()
}

/// Computes the figures; returns those of the last days.
async fn computed(portal: &Portal, vendor: VendorId, widget: WidgetId) -> BTreeMap<WidgetFigure, i64> {
    let app = &portal.panel.app;
    app.enqueue(&RollUpWidgets {}).await;
    app.run_due_jobs().await;
    let since = app.clock.now().date_naive() - chrono::Days::new(2);
    let stored = figures::list_since(&mut *app.conn().await, vendor, widget, since).await.unwrap();
    let mut days: BTreeMap<WidgetFigure, Vec<i64>> = BTreeMap::new();
    for row in stored {
        days.entry(row.figure).or_default().push(row.amount);
    }
    days.into_iter().map(|(figure, amounts)| (figure, figure.over(amounts.into_iter()))).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn what_was_sold_given_back_and_charged_is_counted_by_its_kind(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let app = &portal.panel.app;
    let package = app.paid().await;
    let anna = portal.panel.sign_in("anna", "billing").await;
    let (invoice, _) = bought::paid(&portal.panel, &anna, "1").await;
    let part = [("roubles", "500"), ("seen", "0"), ("reason", "Не подошло")];
    anna.act(&format!("/invoices/{invoice}/refund"), &part).await;
    refund(app, package, Some(RETURNED_OF_PACKAGE)).await.unwrap();
    app.run_due_jobs().await;
    let widget = portal.give_widget(vendor).await;
    let charged = charge_a_minute(&member, widget).await;

    let figures = computed(&portal, vendor, widget).await;
    let wanted = [
        (WidgetFigure::InstallsNew, 1),
        (WidgetFigure::InstallsActive, 1),
        (WidgetFigure::SubscriptionsActive, 1),
        (WidgetFigure::SubscriptionRevenue, MONTH),
        (WidgetFigure::SubscriptionRefunds, RETURNED),
        (WidgetFigure::CoinRevenue, PRICE),
        (WidgetFigure::CoinRefunds, RETURNED_OF_PACKAGE),
        (WidgetFigure::CoinsSpent, charged),
    ];
    assert!(charged > 0);
    assert_eq!(figures, BTreeMap::from(wanted));
    let page = member.page(&format!("/portal/usage?widget={widget}")).await.replace('\u{a0}', " ");
    for told in ["1 497 ₽", "500 ₽", "100 ₽"] {
        assert!(page.contains(told), "{told}: {page}");
    }
}
