//! Figures of a day: what waited for days counts on the day on which it was paid or done.

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use flysk_domain::Clock as _;
use flysk_domain::admin::{Figure, WidgetFigure};
use flysk_jobs::platform::upkeep::RollUpFigures;
use flysk_store::admin::figures;
use flysk_store::flysense::transcriptions;
use flysk_store::jobs::JobState;
use flysk_store::platform::transfers;
use flysk_store::portal;
use flysk_suite::environment::ADMIN;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use super::call_audio;
use super::harness::Panel;
use super::transfers::{FIRM, queued};
use crate::transfer_page::take_transfers;

/// Price of the order, kopecks.
const PRICE: i64 = 100_000;
/// Billed audio of the call, seconds.
const SECONDS: u32 = 61;

/// Orders Flycoins by transfer; returns the number of the invoice.
async fn order_by_transfer(panel: &Panel) -> String {
    let payer =
        json!({ "name": "ООО «Ромашка»", "inn": FIRM, "kpp": "770701001", "email": "buh@example.test" });
    let body = json!({ "amount_kopecks": PRICE, "payer": payer });
    let path = "/v1/flycoins/transfer_invoices";
    let (status, made) = panel.app.ask_as(ADMIN, Method::POST, path, Some("late"), Some(body)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{made}");
    let id = made["id"].as_str().unwrap().parse().unwrap();
    let invoice = transfers::find_transfer_invoice(&mut *panel.app.conn().await, id).await;
    invoice.unwrap().unwrap().number.to_string()
}

async fn roll_up(panel: &Panel) {
    panel.app.enqueue(&RollUpFigures {}).await;
    let job = panel.app.jobs_of::<RollUpFigures>(JobState::Queued).await.remove(0);
    panel.app.executor.execute(job.id).await.unwrap();
}

/// A figure of a day, if it was computed.
async fn figure_of(panel: &Panel, figure: Figure, day: NaiveDate) -> Option<i64> {
    let stored = figures::list_since(&mut *panel.app.conn().await, day).await.unwrap();
    stored.iter().find(|row| row.figure == figure && row.day == day).map(|row| row.amount)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn what_is_paid_days_after_its_order_counts_on_the_day_of_the_payment(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    take_transfers(&panel.app).await;
    let number = order_by_transfer(&panel).await;
    let call = call_audio::insert_call(&panel).await;
    let ordered_on = panel.app.clock.now().date_naive();
    roll_up(&panel).await;
    for figure in [Figure::Revenue, Figure::CoinsSold, Figure::SecondsBilled] {
        assert_eq!(figure_of(&panel, figure, ordered_on).await, Some(0), "{figure:?}");
    }

    panel.app.clock.advance(TimeDelta::days(3));
    let anna = panel.sign_in("anna", "billing").await;
    // Another sum than that of the invoice: an operator has to tell what it pays.
    let transfer = queued(&panel, PRICE + 20_000, "17").await;
    let form = [("number", number.as_str()), ("reason", "Письмо клиента")];
    anna.act(&format!("/transfers/{transfer}/match"), &form).await;
    let waited = "UPDATE transcriptions SET state = 'settling' WHERE id = ?";
    sqlx::query(waited).bind(call.to_string()).execute(&panel.app.pool).await.unwrap();
    let now = panel.app.clock.now();
    transcriptions::mark_done(&mut *panel.app.conn().await, call, SECONDS, now).await.unwrap();
    roll_up(&panel).await;

    let today = now.date_naive();
    assert_eq!(figure_of(&panel, Figure::Revenue, today).await, Some(PRICE));
    assert!(figure_of(&panel, Figure::CoinsSold, today).await > Some(0));
    assert_eq!(figure_of(&panel, Figure::SecondsBilled, today).await, Some(i64::from(SECONDS)));
    // The portal's figure of the widget, too.
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let (from, until) = (midnight(today), midnight(today + Days::new(1)));
    let mut conn = panel.app.conn().await;
    let of_widgets = portal::figures::compute(&mut conn, WidgetFigure::CoinRevenue, from, until).await;
    assert_eq!(of_widgets.unwrap(), [(panel.app.widget().await.id.to_string(), PRICE)]);
}
