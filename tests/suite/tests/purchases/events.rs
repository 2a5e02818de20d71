//! Events about purchases.

use flysk_domain::Clock as _;
use flysk_domain::platform::events::EventKind;
use flysk_store::platform::events::{self, EventFilter, EventState};
use flysk_store::platform::widgets::{self, Changes};
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, PRICE, TestApp};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_paid_purchase_is_told_once(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let kinds = vec![EventKind::FlycoinsPurchased];
    let changes = Changes { event_kinds: Some(Some(kinds)), ..Changes::default() };
    let (widget, now) = (app.widget().await, app.clock.now());
    widgets::update(&mut *app.conn().await, widget.id, &changes, now).await.unwrap();
    let purchase = app.paid().await;
    app.run_due_jobs().await;
    let filter = EventFilter { kind: Some(EventKind::FlycoinsPurchased), ..EventFilter::default() };
    let told = events::list_after(&mut *app.conn().await, widget.id, &filter, 0, 10).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].state, EventState::Unaddressed, "the widget has no URL");
    let data = told[0].data.as_ref().unwrap().to_value().unwrap();
    assert_eq!(
        data,
        json!({ "purchase_id": purchase.to_string(), "price_kopecks": PRICE, "coins_micro": COINS,
                "bonus_micro": BONUS, "available_micro": COINS + BONUS })
    );
}
