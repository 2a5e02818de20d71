//! Notices about FlySense's subscription, from the platform's events.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::id::{InstallId, InvoiceId, SubscriptionId};
use flysk_domain::platform::events::{EventKind, SubscriptionChanged};
use flysk_domain::trace::Trace;
use flysk_services::events::{NewEvent, emit};
use flysk_services::mail::invoice_pay_link;
use flysk_store::jobs::JobState;
use flysk_store::platform::widgets::{self, Changes};
use sqlx::MySqlPool;

use crate::harness::{ANNA, TestApp};

/// FlySense, activated, and subscribed to all events; it is noon in the account.
async fn activated(pool: MySqlPool) -> TestApp {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    let mut conn = app.pool.acquire().await.unwrap();
    let widget: String = sqlx::query_scalar("SELECT id FROM widgets").fetch_one(&mut *conn).await.unwrap();
    let kinds = EventKind::ALL.iter().copied().filter(|kind| kind.is_optional()).collect();
    let changes = Changes { event_kinds: Some(Some(kinds)), ..Changes::default() };
    widgets::update(&mut conn, widget.parse().unwrap(), &changes, app.clock.now()).await.unwrap();
    drop(conn);
    at_hour(&app, 12);
    app
}

/// Sets the clock forward to this hour of the next day in Moscow.
fn at_hour(app: &TestApp, hour: u32) {
    let day = (app.clock.now() + TimeDelta::hours(3)).date_naive() + TimeDelta::days(1);
    app.clock.set(day.and_hms_opt(hour, 0, 0).unwrap().and_utc() - TimeDelta::hours(3));
}

/// The platform tells FlySense's backend about the subscription.
async fn happen(app: &TestApp, kinds: &[EventKind]) {
    happen_about(app, kinds, None).await;
}

async fn happen_about(app: &TestApp, kinds: &[EventKind], invoice_id: Option<InvoiceId>) {
    let install: String = sqlx::query_scalar("SELECT id FROM installs").fetch_one(&app.pool).await.unwrap();
    let install: InstallId = install.parse().unwrap();
    let data = SubscriptionChanged {
        subscription_id: SubscriptionId::generate(&app.clock),
        state: "past_due",
        access_level: "grace",
        access_reason: "payment_overdue",
        access_until: Some("2027-01-15T21:00:00Z".parse().unwrap()),
        plan_id: None,
        seats: Some(3),
        months: Some(1),
        period_from: Some("2026-12-01".parse().unwrap()),
        period_until: Some("2027-01-01".parse().unwrap()),
        cancels: false,
        invoice_id,
        days_before: Some(3),
        charges_on: None,
    };
    let events: Vec<NewEvent> = kinds.iter().map(|kind| NewEvent::new(*kind, &data).unwrap()).collect();
    let trace = Trace { correlation_id: "activation-test".to_owned(), traceparent: None };
    let mut unit = app.executor.outbox().begin(trace).await.unwrap();
    let happened_at = app.clock.now();
    emit(&mut unit, &app.clock, install, &events, happened_at).await.unwrap();
    unit.commit().await.unwrap();
    app.run_until_idle().await;
}

/// What the bot has told about the subscription.
fn told(app: &TestApp) -> Vec<String> {
    app.told(ANNA)
        .into_iter()
        .filter(|text| text.contains("одписк") || text.contains("робный период"))
        .collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_event_that_somebody_has_to_act_upon_is_told(pool: MySqlPool) {
    let app = activated(pool).await;
    for (kind, begin) in [
        (
            EventKind::SubscriptionTrialEnding,
            "Пробный период FlySense AI в аккаунте demo.amocrm.ru закончится через 3 дня",
        ),
        (
            EventKind::SubscriptionTrialEnded,
            "Пробный период FlySense AI в аккаунте demo.amocrm.ru закончился",
        ),
        (
            EventKind::SubscriptionRenewalUpcoming,
            "Подписка FlySense AI в аккаунте demo.amocrm.ru: 01.01.2027 начнётся",
        ),
        (
            EventKind::SubscriptionPaymentFailed,
            "Оплата подписки FlySense AI в аккаунте demo.amocrm.ru не прошла. Виджет работает до 16.01.2027.",
        ),
        (EventKind::SubscriptionExpired, "Подписка FlySense AI в аккаунте demo.amocrm.ru закончилась"),
    ] {
        happen(&app, &[kind]).await;
        let last = told(&app).pop().unwrap_or_default();
        assert!(last.starts_with(begin), "{kind}: {last}");
        assert!(last.contains("https://demo.amocrm.ru/settings/widgets/"), "{last}");
    }
    happen(&app, &[EventKind::SubscriptionRenewed, EventKind::SubscriptionChanged]).await;
    assert_eq!(told(&app).len(), 5, "nobody has to do anything");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_failed_payment_is_told_in_both_messengers_with_a_button_that_pays_the_invoice(pool: MySqlPool) {
    let app = activated(pool).await;
    let link = app.link().await;
    app.max.state.open_link(ANNA, &link.max).unwrap();
    app.run_until_idle().await;
    app.max.state.share_contact(ANNA).unwrap();
    app.run_until_idle().await;
    at_hour(&app, 12);
    let invoice = InvoiceId::generate(&app.clock);
    happen_about(&app, &[EventKind::SubscriptionPaymentFailed], Some(invoice)).await;
    let worker = app.executor.app();
    let url = invoice_pay_link(&worker.config().http.public_url, &worker.keyring, invoice);
    for lines in [app.telegram.state.chat(ANNA).unwrap(), app.max.state.chat(ANNA).unwrap()] {
        let last = lines.last().unwrap();
        assert!(last.text.starts_with("Оплата подписки FlySense AI"), "{last:?}");
        let button = last.link.as_ref().expect("a button");
        assert_eq!((button.label.as_str(), button.url.as_str()), ("Оплатить счёт", url.as_str()));
    }
    let readable = app.count("SELECT COUNT(*) FROM bot_messages WHERE body LIKE '%/pay/inv%'").await;
    assert_eq!(readable, 0, "the link is a permission, so it is sealed at rest");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_failed_payment_and_the_debt_that_it_makes_are_one_notice(pool: MySqlPool) {
    let app = activated(pool).await;
    happen(&app, &[EventKind::SubscriptionPaymentFailed, EventKind::SubscriptionPastDue]).await;
    happen(&app, &[EventKind::SubscriptionPaymentFailed]).await;
    assert_eq!(told(&app).len(), 1);
    at_hour(&app, 12);
    happen(&app, &[EventKind::SubscriptionPastDue]).await;
    assert!(told(&app)[1].contains("не оплачена"), "{:?}", told(&app));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_night_and_the_switch_of_a_kind_hold_for_subscriptions(pool: MySqlPool) {
    let app = activated(pool).await;
    app.telegram.state.write(ANNA, "Выключить: подписка не оплачена").unwrap();
    app.run_until_idle().await;
    let before = told(&app).len();
    at_hour(&app, 23);
    happen(&app, &[EventKind::SubscriptionPastDue, EventKind::SubscriptionExpired]).await;
    let waiting = app.jobs(JobState::Queued).await;
    assert_eq!(waiting.iter().filter(|job| job.kind == "telegram.send_message").count(), 1, "{waiting:?}");
    assert_eq!(told(&app).len(), before);
    at_hour(&app, 9);
    app.run_until_idle().await;
    assert_eq!(told(&app).len(), before + 1);
}
