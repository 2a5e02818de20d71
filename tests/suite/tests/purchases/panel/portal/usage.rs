//! Usage and revenue by month, from figures that a job computes.

use flysk_domain::Clock as _;
use flysk_domain::admin::WidgetFigure;
use flysk_jobs::platform::upkeep::RollUpWidgets;
use flysk_store::portal::figures;
use sqlx::MySqlPool;

use super::harness::Portal;
use crate::harness::PRICE;

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
