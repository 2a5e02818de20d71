//! Reminders of charges: none is made unannounced, and no card is announced that cannot be charged.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::platform::events::EventKind;
use flysk_domain::platform::subscriptions::{
    AccessLevel, AccessReason, Change, DueStep, NoticeKind, SubscriptionState,
};
use flysk_domain::{Clock as _, TextEnum as _};
use flysk_services::subscriptions::{Actor, load_details, unlink_card};
use flysk_store::platform::widgets::{self, Changes};
use serde_json::Value;
use sqlx::MySqlPool;

use super::world::{USER, World, at};

impl World {
    /// As [`World::build`], and the widget's backend receives every kind of events.
    pub(super) async fn heard(pool: MySqlPool) -> Self {
        let world = Self::build(pool, 0).await;
        let changes = Changes { event_kinds: Some(Some(EventKind::ALL.to_vec())), ..Changes::default() };
        let mut conn = world.outbox.pool().acquire().await.unwrap();
        widgets::update(&mut conn, world.widget.id, &changes, world.clock.now()).await.unwrap();
        drop(conn);
        world
    }

    /// A subscription for a month with a card for renewals.
    async fn with_card(pool: MySqlPool) -> Self {
        let world = Self::heard(pool).await;
        world.buy_with_card().await;
        world
    }

    /// When the open renewal is charged.
    async fn charge_at(&self) -> DateTime<Utc> {
        self.open_invoice().await.unwrap().charge_at.unwrap()
    }

    /// How often somebody was reminded of the charge.
    async fn reminders(&self) -> usize {
        self.actions().await.iter().filter(|action| *action == "renewal_upcoming").count()
    }

    /// Data of the last reminder for the widget's backend.
    async fn last_reminder(&self) -> Value {
        let text: String = sqlx::query_scalar(
            "SELECT data FROM lifecycle_events WHERE type = ? ORDER BY sequence DESC LIMIT 1",
        )
        .bind(EventKind::SubscriptionRenewalUpcoming.as_str())
        .fetch_one(self.outbox.pool())
        .await
        .unwrap();
        serde_json::from_str(&text).unwrap()
    }

    async fn notices(&self) -> Vec<NoticeKind> {
        let row = self.row().await;
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        let details = load_details(&mut conn, &self.widget, row, self.clock.now()).await.unwrap();
        details.notices.into_iter().map(|notice| notice.kind).collect()
    }

    /// The seller gets a terminal of its own: the card was saved at another one.
    async fn move_to_another_terminal(&self) {
        let moved = "UPDATE vendors SET terminal_key = '1700000000001OWN'";
        sqlx::query(moved).execute(self.outbox.pool()).await.unwrap();
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_scheduler_that_slept_through_the_reminder_reminds_first_and_charges_a_day_later(pool: MySqlPool) {
    let world = World::with_card(pool).await;
    world.set("2027-01-05T09:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Renew]);
    assert_eq!((world.state().await, world.reminders().await), (SubscriptionState::Renewing, 1));
    assert_eq!(world.actions().await.pop().as_deref(), Some("renewal_upcoming"));
    assert!(world.chargeable().await.is_empty(), "not unannounced");
    let charge_at = world.charge_at().await;
    assert!(charge_at >= at("2027-01-06T09:00:00Z"), "{charge_at}");
    assert!(charge_at < at("2027-01-07T09:00:00Z"), "the next hours of charges");
    let told = world.last_reminder().await;
    assert_eq!((told["charges_on"].as_str(), told["days_before"].as_u64()), (Some("2027-01-07"), Some(2)));
    assert_eq!(world.notices().await, [NoticeKind::Access, NoticeKind::ChargeUpcoming]);
    assert_eq!(world.access().await.level, AccessLevel::Allowed);
    world.clock.set(charge_at);
    assert!(world.run_due().await.is_empty());
    let renewal = world.open_invoice().await.unwrap();
    assert_eq!(world.chargeable().await, [renewal.id]);
    world.settle(renewal.id).await;
    let period = world.row().await.subscription.period.unwrap();
    assert_eq!(period.from.to_string(), "2027-01-01", "no day is lost");
    assert_eq!(world.reminders().await, 1);
    assert!(world.violations().await.is_empty());
    // The next period is reminded of in time again.
    world.set("2027-01-29T07:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::RemindCharge(3)]);
}

/// The last day on which one period is caught up: the grace is over meanwhile.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_that_waits_for_its_reminder_costs_no_access(pool: MySqlPool) {
    let world = World::with_card(pool).await;
    world.set("2027-01-15T09:00:00Z");
    assert_eq!(world.access().await.reason, AccessReason::Renewing);
    assert_eq!(world.run_due().await, [DueStep::Renew]);
    let charge_at = world.charge_at().await;
    for now in [at("2027-01-15T09:00:00Z"), charge_at] {
        world.clock.set(now);
        assert!(world.run_due().await.is_empty(), "it does not end before its charge");
        let access = world.access().await;
        assert_eq!((access.level, access.reason), (AccessLevel::Allowed, AccessReason::Renewing), "{now}");
    }
    let renewal = world.open_invoice().await.unwrap();
    world.settle(renewal.id).await;
    assert_eq!(world.access().await.until, Some(at("2027-01-31T21:00:00Z")));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_reminder_on_the_eve_leaves_a_day_as_well(pool: MySqlPool) {
    let world = World::with_card(pool).await;
    world.set("2026-12-31T20:50:00Z");
    assert_eq!(world.run_due().await, [DueStep::RemindCharge(3)]);
    world.set("2026-12-31T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Renew]);
    assert_eq!(world.reminders().await, 1, "reminded ten minutes ago");
    let charge_at = world.charge_at().await;
    assert!(charge_at >= at("2027-01-01T20:50:00Z") && charge_at < at("2027-01-02T09:00:00Z"), "{charge_at}");
}

/// A card that was saved since: the reminder said that somebody has to pay.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_card_saved_after_the_reminder_is_announced_before_it_is_charged(pool: MySqlPool) {
    let world = World::heard(pool).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    world.set("2026-12-29T07:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::RemindCharge(3)]);
    assert_eq!(world.last_reminder().await["charges_on"], Value::Null);
    world.set("2026-12-30T09:00:00Z");
    let addition = world.apply(&world.quote(Change::Seats(2)).await).await.unwrap();
    world.settle(addition.id).await;
    world.save_card(&addition).await;
    world.set("2026-12-31T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Renew]);
    assert_eq!(world.reminders().await, 2);
    assert!(world.charge_at().await >= at("2027-01-01T21:00:00Z"));
}

/// 376-FZ: whoever unlinks the card after the late reminder is not charged.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_card_unlinked_after_a_late_reminder_is_not_charged(pool: MySqlPool) {
    let world = World::with_card(pool).await;
    world.set("2027-01-05T09:00:00Z");
    world.run_due().await;
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    unlink_card(&mut unit, &world.clock, &world.settings(), &row, Actor::User(USER)).await.unwrap();
    unit.commit().await.unwrap();
    world.advance(TimeDelta::days(3));
    assert!(world.chargeable().await.is_empty());
    assert_eq!(world.state().await, SubscriptionState::PastDue);
    assert_eq!(world.access().await.level, AccessLevel::Grace);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_card_of_another_terminal_is_not_announced(pool: MySqlPool) {
    let world = World::with_card(pool).await;
    world.set("2026-12-29T07:00:00Z");
    assert_eq!(world.notices().await, [NoticeKind::ChargeUpcoming]);
    world.move_to_another_terminal().await;
    assert_eq!(world.run_due().await, [DueStep::RemindCharge(3)]);
    assert_eq!(world.notices().await, [NoticeKind::PaymentNeeded]);
    assert_eq!(world.last_reminder().await["charges_on"], Value::Null);
    // The charge itself finds that the card cannot be charged, and leaves the invoice to its payer at once.
    world.set("2026-12-31T21:00:00Z");
    world.run_due().await;
    assert!(world.charge_at().await < at("2027-01-01T09:00:00Z"), "no day is waited for nothing");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_of_an_uninstalled_widget_is_left_to_its_payer_who_is_told(pool: MySqlPool) {
    let world = World::heard(pool).await;
    let (first, _) = world.buy_with_card().await;
    sqlx::query("UPDATE subscription_invoices SET contact_sealed = 'sealed' WHERE id = ?")
        .bind(first.id.to_string())
        .execute(world.outbox.pool())
        .await
        .unwrap();
    let renewal = world.open_renewal().await;
    world.set("2027-01-01T09:00:00Z");
    let attempt = world.begin_charge(renewal.id).await.expect("the widget is installed");
    world.set_installed(false).await;
    assert_eq!(world.permit(&attempt).await, None, "it is not sent any more");
    let ended = "UPDATE invoice_payments SET state = 'failed', open_slot = NULL";
    sqlx::query(ended).execute(world.outbox.pool()).await.unwrap();
    world.set("2027-01-01T09:10:00Z");
    assert_eq!(world.chargeable().await, [renewal.id], "decided anew");
    assert_eq!(world.begin_charge(renewal.id).await, None);
    assert_eq!(world.state().await, SubscriptionState::PastDue);
    assert!(world.chargeable().await.is_empty() && world.violations().await.is_empty());
    assert_eq!(world.actions().await.pop().as_deref(), Some("card_not_chargeable"));
    let facts: String = sqlx::query_scalar("SELECT facts FROM mail_notices WHERE kind = 'past_due'")
        .fetch_one(world.outbox.pool())
        .await
        .unwrap();
    let facts: Value = serde_json::from_str(&facts).unwrap();
    assert_eq!(
        (&facts["uninstalled"], &facts["renews"]),
        (&Value::Bool(true), &Value::Bool(false)),
        "{facts}"
    );
}

/// The reminder said that nothing is charged, so the charge is announced before it is made.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_that_is_installed_again_before_the_boundary_is_renewed(pool: MySqlPool) {
    let world = World::with_card(pool).await;
    world.set("2026-12-20T09:00:00Z");
    world.set_installed(false).await;
    world.set("2026-12-29T07:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::RemindCharge(3)]);
    assert_eq!(world.last_reminder().await["charges_on"], Value::Null);
    assert_eq!(world.notices().await, [NoticeKind::PaymentNeeded]);
    world.set("2026-12-30T09:00:00Z");
    world.set_installed(true).await;
    assert_eq!(world.notices().await, [NoticeKind::ChargeUpcoming]);
    world.set("2026-12-31T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Renew]);
    assert_eq!(world.reminders().await, 2);
    let charge_at = world.charge_at().await;
    assert!(charge_at >= at("2027-01-01T21:00:00Z"), "{charge_at}");
    world.clock.set(charge_at);
    let renewal = world.open_invoice().await.unwrap();
    assert!(world.begin_charge(renewal.id).await.is_some());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_card_of_the_seller_is_announced_for_its_day(pool: MySqlPool) {
    let world = World::with_card(pool).await;
    world.reach_first_boundary().await;
    let told = world.last_reminder().await;
    assert_eq!((told["charges_on"].as_str(), told["days_before"].as_u64()), (Some("2027-01-01"), Some(3)));
}
