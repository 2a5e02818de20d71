//! Seats that users occupy, in the panel.

use flysk_domain::Clock as _;
use flysk_domain::id::UserId;
use flysk_services::subscriptions::{settings_of, take_seat};
use flysk_store::platform::subscriptions as store;
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::USER;
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{Panel, value_of};
use super::subscriptions::{start_with_a_month, subscription};
use crate::harness::trace;

/// A user takes a seat, as a handshake does.
pub(super) async fn sit(panel: &Panel, user: u64) {
    let (clock, widget) = (&panel.app.clock, panel.app.widget().await);
    let id = subscription(panel).await.id;
    let mut unit = panel.app.executor.outbox().begin(trace()).await.unwrap();
    let row = store::lock_subscription(&mut unit, id).await.unwrap();
    let seat = take_seat(&mut unit, clock, &settings_of(&widget), &row, UserId(user)).await.unwrap();
    assert!(seat.is_some(), "{user}");
    unit.commit().await.unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_sees_who_sits_and_frees_a_seat_with_a_reason(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let path = start_with_a_month(&panel, &signed).await;
    assert!(!signed.page(&path).await.contains("Занятые места"), "the widget gives no seats to users");
    let billing = json!({ "subscriptions": { "seats_per_user": true } });
    let changes = Changes { billing: Some(Some(billing)), ..Changes::default() };
    let (widget, now) = (panel.app.widget().await.id, panel.app.clock.now());
    widgets::update(&mut *panel.app.conn().await, widget, &changes, now).await.unwrap();
    assert!(signed.page(&path).await.contains("Место займёт первый пользователь"));
    sit(&panel, USER).await;
    let page = signed.page(&path).await;
    assert!(page.contains("Занятые места") && page.contains(&format!("{path}/free-seat")), "{page}");

    let (free, user) = (format!("{path}/free-seat"), USER.to_string());
    signed.refused(&free, &[("user", "кто-то"), ("reason", "x")], 422).await;
    signed.refused(&free, &[("user", "9"), ("reason", "Нет места")], 409).await;
    signed.act(&free, &[("user", &user), ("reason", "Сотрудник уволен")]).await;
    signed.refused(&free, &[("user", &user), ("reason", "Ещё раз")], 409).await;
    let row = panel.record_of("subscription.free_seat").await;
    assert!(row.state_after.unwrap().contains(&user), "the record names the user");
    let page = signed.page(&path).await;
    for part in ["место освобождено", "Сотрудник уволен", "operator:anna"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

/// The settings of seats are fields of the widget's form, and not part of its JSON.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn seats_per_user_are_set_by_fields_of_the_widgets_form(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let widget = panel.app.widget().await;
    let path = format!("/widgets/{}", widget.id);
    let update = format!("{path}/update");
    let page = signed.page(&path).await;
    assert!(page.contains("Места занимают пользователи"), "{page}");
    let seen = value_of(&page, "seen");
    let form = |days: &'static str, billing: &'static str| {
        [
            ("name", "FlySense"),
            ("redirect_uri", widget.redirect_uri.as_str()),
            ("event_url", ""),
            ("trial_days", "14"),
            ("uses_flycoins", "yes"),
            ("seats_per_user", "yes"),
            ("seat_idle_days", days),
            ("billing", billing),
            ("seen", seen.as_str()),
            ("reason", "Места по людям"),
        ]
    };
    for (days, billing, told) in [
        ("0", "", "от 1 до 366"),
        ("367", "", "от 1 до 366"),
        ("скоро", "", "Место свободно"),
        ("30", r#"{"subscriptions": {"seats_per_user": false}}"#, "уберите их из JSON"),
    ] {
        let page = signed.refused(&update, &form(days, billing), 422).await;
        assert!(page.contains(told), "{days} {billing}: {page}");
    }
    panel.app.clock.advance(chrono::Duration::seconds(1));
    signed.act(&update, &form("30", r#"{"subscriptions": {"grace_days": 5}}"#)).await;
    let stored = panel.app.widget().await;
    let settings = settings_of(&stored);
    assert_eq!((settings.seats_per_user, settings.seat_idle_days, settings.grace_days), (true, Some(30), 5));
    let page = signed.page(&path).await;
    let billing = page.split_once("name=\"billing\"").and_then(|(_, rest)| rest.split_once("</textarea>"));
    let billing = billing.map(|(text, _)| text).unwrap();
    assert!(billing.contains("grace_days") && !billing.contains("seat_idle_days"), "{billing}");
    assert_eq!(value_of(&page, "seat_idle_days"), "30");
}
