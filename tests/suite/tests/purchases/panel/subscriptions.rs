//! Subscriptions and plans: creation, bonus days, cancellation, and what is refused.

use flysk_domain::Clock as _;
use flysk_domain::id::UserId;
use flysk_domain::platform::subscriptions::{Change, InvoiceKind, PeriodLength, SubscriptionState};
use flysk_services::subscriptions::{
    Actor, ApplyOutcome, ApplyRequest, SettleOutcome, Settlement, apply_quote, create_quote, settle_invoice,
};
use flysk_store::platform::subscriptions::{self, SubscriptionRow};
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::ADMIN;
use serde_json::Value;
use sqlx::MySqlPool;

use super::harness::{Panel, Signed};
use crate::harness::trace;

/// The form that offers a plan for at least three seats.
pub(super) const TEAM_PLAN: [(&str, &str); 11] = [
    ("widget", "flysense"),
    ("code", "team"),
    ("title", "Команда"),
    ("month", "499"),
    ("quarter", ""),
    ("half", ""),
    ("year", "4990,50"),
    ("min_seats", "3"),
    ("max_seats", "50"),
    ("features", ""),
    ("reason", "Новый тариф"),
];

pub(super) async fn sells_subscriptions(panel: &Panel) {
    let widget = panel.app.widget().await;
    let changes = Changes { uses_subscriptions: Some(true), ..Changes::default() };
    let now = panel.app.clock.now();
    widgets::update(&mut *panel.app.conn().await, widget.id, &changes, now).await.unwrap();
}

pub(super) async fn subscription(panel: &Panel) -> SubscriptionRow {
    let install = panel.app.install().await.id;
    let found = subscriptions::find_subscription_of_install(&mut *panel.app.conn().await, install).await;
    found.unwrap().expect("a subscription")
}

/// An operator starts the subscription of an install, whose account buys a month; returns the subscription's page.
pub(super) async fn start_with_a_month(panel: &Panel, signed: &Signed<'_>) -> String {
    sells_subscriptions(panel).await;
    let create = format!("/installs/{}/subscription", panel.app.install().await.id);
    let path = signed.act(&create, &[("reason", "Старая установка")]).await;
    signed.act("/plans/offer", &TEAM_PLAN).await;
    buy_a_month(panel).await;
    path
}

/// The customer buys a month of the plan on offer, and the bank takes the money.
pub(super) async fn buy_a_month(panel: &Panel) {
    let (clock, widget) = (&panel.app.clock, panel.app.widget().await);
    let id = subscription(panel).await.id;
    let mut unit = panel.app.executor.outbox().begin(trace()).await.unwrap();
    let plan = subscriptions::list_all_plans(&mut unit, widget.id).await.unwrap().remove(0).id;
    let row = subscriptions::lock_subscription(&mut unit, id).await.unwrap();
    let (actor, change) =
        (Actor::User(UserId(ADMIN)), Change::Start { plan, seats: 3, length: PeriodLength::Month });
    let (quote, _) = create_quote(&mut unit, clock, &row, change, actor).await.unwrap();
    let request = ApplyRequest { quote: quote.id, key: "key-1", actor };
    let applied = apply_quote(&mut unit, clock, &widget, &row, request).await.unwrap();
    let ApplyOutcome::Applied { invoice: Some(invoice), .. } = applied else { panic!("{applied:?}") };
    let settlement = Settlement { paid_at: clock.now(), means: "form", actor: Actor::Bank };
    let settled = settle_invoice(&mut unit, clock, invoice.id, settlement).await.unwrap();
    assert_eq!(settled, SettleOutcome::Settled);
    unit.commit().await.unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_subscription_is_created_gets_bonus_days_and_is_cancelled_and_restored(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let create = format!("/installs/{}/subscription", panel.app.install().await.id);
    assert!(signed.refused(&create, &[("reason", "x")], 422).await.contains("не продаётся по подписке"));
    sells_subscriptions(&panel).await;
    let path = signed.act(&create, &[("reason", "Старая установка")]).await;
    assert_eq!(path, format!("/subscriptions/{}", subscription(&panel).await.id));
    signed.refused(&create, &[("reason", "Ещё раз")], 409).await;
    let version = subscription(&panel).await.version.to_string();
    let renew = [("seen", version.as_str()), ("reason", "Рано")];
    let page = signed.refused(&format!("{path}/renew"), &renew, 409).await;
    assert!(page.contains("Состояние подписки"), "{page}");
    for days in ["", "0", "100000", "много"] {
        signed.refused(&format!("{path}/bonus"), &[("days", days), ("reason", "x")], 422).await;
    }
    let before = subscription(&panel).await;
    signed.act(&format!("{path}/bonus"), &[("days", "14"), ("reason", "Извинение")]).await;
    let after = subscription(&panel).await;
    assert_ne!(after.version, before.version);
    let row = panel.record_of("subscription.bonus").await;
    let told: Value = serde_json::from_str(row.state_after.as_deref().unwrap()).unwrap();
    assert_eq!((row.subject_id.as_str(), &told["days"]), (after.id.to_string().as_str(), &Value::from(14)));
    signed.refused(&format!("{path}/cancel"), &[("reason", "Рано")], 409).await;
    signed.act("/plans/offer", &TEAM_PLAN).await;
    buy_a_month(&panel).await;
    assert_eq!(subscription(&panel).await.subscription.state, SubscriptionState::Active);
    signed.refused(&format!("{path}/restore"), &[("reason", "Рано")], 409).await;
    let page = signed.refused(&format!("{path}/renew"), &renew, 409).await;
    assert!(page.contains("пока форма была открыта"), "the form is older than the purchase: {page}");
    signed.act(&format!("{path}/cancel"), &[("reason", "Просьба клиента")]).await;
    assert!(subscription(&panel).await.subscription.cancels);
    signed.act(&format!("{path}/restore"), &[("reason", "Передумал")]).await;
    assert!(!subscription(&panel).await.subscription.cancels);
    for (action, reason) in [
        ("subscription.start", "Старая установка"),
        ("subscription.cancel", "Просьба клиента"),
        ("subscription.restore", "Передумал"),
    ] {
        assert_eq!(panel.record_of(action).await.reason, reason, "{action}");
    }
    let page = signed.page(&path).await;
    for part in ["Извинение", "Просьба клиента", "operator:anna"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(signed.page("/subscriptions").await.contains(&path));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_plan_is_offered_in_versions_and_retired(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    signed.act("/plans/offer", &TEAM_PLAN).await;
    signed.refused("/plans/offer", &TEAM_PLAN, 422).await;
    let dearer = TEAM_PLAN.map(|(name, value)| (name, if name == "month" { "599" } else { value }));
    signed.act("/plans/offer", &dearer).await;
    let widget = panel.app.widget().await.id;
    let plans = subscriptions::list_all_plans(&mut *panel.app.conn().await, widget).await.unwrap();
    assert_eq!(plans.iter().filter(|plan| plan.active).count(), 1);
    assert_eq!((plans.len(), plans[0].version), (2, 2));
    for (name, value) in
        [("month", "0"), ("min_seats", "0"), ("max_seats", "2"), ("features", "["), ("code", "Ж")]
    {
        let wrong = TEAM_PLAN.map(|(field, kept)| (field, if field == name { value } else { kept }));
        signed.refused("/plans/offer", &wrong, 422).await;
    }
    let retire = [("widget", "flysense"), ("code", "team"), ("reason", "Не берут")];
    signed.act("/plans/retire", &retire).await;
    signed.refused("/plans/retire", &retire, 409).await;
    let row = panel.record_of("plan.retire").await;
    let told: Value = serde_json::from_str(row.state_before.as_deref().unwrap()).unwrap();
    assert_eq!(told["prices_kopecks"]["1"], 59_900);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_ended_subscription_is_reinstated_once(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    sells_subscriptions(&panel).await;
    let create = format!("/installs/{}/subscription", panel.app.install().await.id);
    let path = signed.act(&create, &[("reason", "Старая установка")]).await;
    let (reinstate, reason) = (format!("{path}/reinstate"), [("reason", "Оплатят на неделе")]);
    signed.refused(&reinstate, &reason, 409).await;
    signed.act("/plans/offer", &TEAM_PLAN).await;
    buy_a_month(&panel).await;
    assert!(!signed.page(&path).await.contains("Восстановить подписку"));
    let ended = "UPDATE subscriptions SET state = 'expired', next_due_at = NULL, period_until = period_from,
         period_from = period_from - INTERVAL 1 MONTH";
    sqlx::query(ended).execute(&panel.app.pool).await.unwrap();
    assert!(signed.page(&path).await.contains("Восстановить подписку"));
    panel.sign_in("sonya", "support").await.refused(&reinstate, &reason, 403).await;
    assert_eq!(signed.act(&reinstate, &reason).await, path);
    assert_eq!(subscription(&panel).await.subscription.state, SubscriptionState::PastDue);
    signed.refused(&reinstate, &reason, 409).await;
    let row = panel.record_of("subscription.reinstate").await;
    let told: Value = serde_json::from_str(row.state_after.as_deref().unwrap()).unwrap();
    assert_eq!((row.reason.as_str(), &told["total_kopecks"]), ("Оплатят на неделе", &Value::from(149_700)));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_before_its_day_writes_one_invoice(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let path = start_with_a_month(&panel, &signed).await;
    let before = subscription(&panel).await;
    let seen = before.version.to_string();
    let fields = [("seen", seen.as_str()), ("reason", "Просят оплатить заранее")];
    let renew = format!("{path}/renew");
    panel.sign_in("sonya", "support").await.refused(&renew, &fields, 403).await;
    assert_eq!(signed.act(&renew, &fields).await, path);
    signed.refused(&renew, &fields, 409).await;
    let open = subscriptions::find_open_invoice(&mut *panel.app.conn().await, before.id).await.unwrap();
    let open = open.expect("an invoice for the next period");
    assert_eq!((open.kind, open.total.0), (InvoiceKind::Renewal, 149_700));
    let row = panel.record_of("subscription.renew").await;
    let told: Value = serde_json::from_str(row.state_after.as_deref().unwrap()).unwrap();
    assert_eq!(row.reason, "Просят оплатить заранее");
    assert_eq!(told["invoice"], open.id.to_string());
    assert!(signed.page(&path).await.contains(&format!("/invoices/{}", open.id)));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_review_of_a_lapsed_subscription_is_ended_once(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let path = start_with_a_month(&panel, &signed).await;
    let (end, reason) = (format!("{path}/end-review"), [("reason", "Платить не будут")]);
    signed.refused(&end, &reason, 409).await;
    // As the scheduler leaves one whose period passed while nobody could charge it.
    let lapsed =
        "UPDATE subscriptions SET needs_person = TRUE, next_due_at = NULL, period_until = period_from,
         period_from = period_from - INTERVAL 1 MONTH";
    sqlx::query(lapsed).execute(&panel.app.pool).await.unwrap();
    assert!(signed.page("/").await.contains(&path), "the start page names it");
    assert!(signed.page(&path).await.contains("Закончить разбор"));
    panel.sign_in("sonya", "support").await.refused(&end, &reason, 403).await;
    assert_eq!(signed.act(&end, &reason).await, path);
    let ended = subscription(&panel).await.subscription;
    assert_eq!((ended.state, ended.needs_person), (SubscriptionState::Expired, false));
    signed.refused(&end, &reason, 409).await;
    let row = panel.record_of("subscription.end_review").await;
    let state = |text: Option<String>| -> Value { serde_json::from_str(text.as_deref().unwrap()).unwrap() };
    assert_eq!(row.reason, "Платить не будут");
    assert_eq!(state(row.state_before)["state"], "active");
    assert_eq!(state(row.state_after)["state"], "expired");
}
