//! A widget stops to sell subscriptions for a while: what waits, what is withdrawn, and what goes on afterwards.

use flysk_domain::Clock as _;
use flysk_domain::platform::subscriptions::{
    AccessLevel, AccessReason, Change, DueStep, PeriodLength, SubscriptionState,
};
use flysk_domain::platform::tbank::ErrorClass;
use flysk_services::subscriptions::{
    Actor, OperatorAct, cancel, force_renewal, load_details, settings_of, unlink_card,
};
use flysk_store::platform::widgets::{self, Changes};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::world::{USER, World, at};

impl World {
    /// Kinds and data of the events for the widget's backend, oldest first.
    async fn events(&self) -> Vec<(String, Value)> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT type, data FROM lifecycle_events ORDER BY sequence")
                .fetch_all(self.outbox.pool())
                .await
                .unwrap();
        rows.into_iter().map(|(kind, data)| (kind, serde_json::from_str(&data).unwrap())).collect()
    }

    async fn letters(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM mail_notices");
        count.fetch_one(self.outbox.pool()).await.unwrap()
    }

    /// The grace of the open renewal ends while nothing is sold, and nothing is sold for months.
    async fn pause_for_months(&self) {
        self.sell_subscriptions(false).await;
        self.set("2027-01-14T20:59:59Z");
        assert!(self.run_due().await.is_empty(), "its grace lasts");
        let told = self.actions().await.len();
        self.set("2027-01-14T21:00:00Z");
        assert_eq!(self.run_due().await, [DueStep::Wait(at("2027-01-15T21:00:00Z"))]);
        assert_eq!(self.actions().await[told..], ["invoice_voided", "renewal_withdrawn"]);
        assert_eq!((self.state().await, self.open_invoice().await), (SubscriptionState::Active, None));
        self.set("2027-03-05T09:00:00Z");
        assert!(matches!(self.run_due().await[..], [DueStep::Wait(_)]));
        assert!(self.violations().await.is_empty());
    }

    /// A person is asked when the sale goes on, nobody is charged, and access lasts.
    async fn is_left_to_a_person(&self) {
        assert_eq!(self.sell_subscriptions(true).await, 1);
        assert!(self.chargeable().await.is_empty(), "January is gone");
        assert_eq!(self.run_due().await, [DueStep::AskPerson]);
        assert_eq!(self.access().await.reason, AccessReason::UnderReview);
        assert!(self.open_invoice().await.is_none() && self.chargeable().await.is_empty());
        assert!(self.violations().await.is_empty());
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_that_is_charged_by_card_is_not_charged_after_a_long_pause(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_with_card().await;
    let renewal = world.open_renewal().await;
    assert_eq!(world.state().await, SubscriptionState::Renewing);
    world.pause_for_months().await;
    assert_eq!(world.begin_charge(renewal.id).await, None);
    world.is_left_to_a_person().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_that_its_payer_has_to_pay_does_not_end_after_a_long_pause(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    world.open_renewal().await;
    assert_eq!(world.state().await, SubscriptionState::PastDue);
    world.pause_for_months().await;
    world.is_left_to_a_person().await;
}

/// Nothing was paused, but no job ran for months.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_whose_time_is_over_is_not_made_whichever_job_comes_first(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_with_card().await;
    let renewal = world.open_renewal().await;
    world.set("2027-01-14T20:59:59Z");
    assert_eq!(world.chargeable().await, [renewal.id]);
    world.set("2027-03-05T09:00:00Z");
    assert_eq!(world.chargeable().await, [renewal.id]);
    assert_eq!(world.begin_charge(renewal.id).await, None, "January is gone");
    assert!(world.chargeable().await.is_empty(), "it is not found at every tick");
    assert_eq!(world.run_due().await, [DueStep::Expire]);
    assert!(world.open_invoice().await.is_none() && world.violations().await.is_empty());
}

/// The vendor's grace is longer than the month that follows the year.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_shorter_next_period_that_is_over_within_the_grace_is_not_invoiced(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let billing = json!({ "subscriptions": { "grace_days": 60 } });
    let changes = Changes { billing: Some(Some(billing)), ..Changes::default() };
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    widgets::update(&mut conn, world.widget.id, &changes, world.clock.now()).await.unwrap();
    drop(conn);
    let plan = world.plan("pro", 31_000, 310_000).await.id;
    let year = Change::Start { plan, seats: 1, length: PeriodLength::Year };
    let first = world.apply(&world.quote(year).await).await.unwrap();
    world.settle(first.id).await;
    let waits = world.apply(&world.quote(Change::Length(PeriodLength::Month)).await).await;
    assert_eq!(waits, None, "for the next period");
    world.set("2027-12-31T20:59:59Z");
    world.sell_subscriptions(false).await;
    assert!(matches!(world.run_due().await[..], [DueStep::Wait(_)]));
    world.set("2028-01-15T09:00:00Z");
    world.sell_subscriptions(true).await;
    world.run_due().await;
    let subscription = world.row().await.subscription;
    assert!(subscription.needs_person, "December is gone: {subscription:?}");
    assert!(world.open_invoice().await.is_none() && world.violations().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_that_was_written_ahead_is_void_after_a_long_pause(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_with_card().await;
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let act = OperatorAct { operator: "anna", reason: "просьба клиента" };
    let ahead = force_renewal(&mut unit, &world.clock, &world.settings(), &row, act).await.unwrap();
    unit.commit().await.unwrap();
    world.sell_subscriptions(false).await;
    assert_eq!(world.begin_charge(ahead.id).await, None);
    world.set("2027-03-05T09:00:00Z");
    assert!(matches!(world.run_due().await[..], [DueStep::Wait(_)]));
    assert_eq!(world.open_invoice().await.map(|open| open.id), Some(ahead.id));
    assert_eq!(world.sell_subscriptions(true).await, 1);
    assert_eq!(world.begin_charge(ahead.id).await, None, "its days are gone");
    assert_eq!(world.run_due().await, [DueStep::AskPerson]);
    assert!(world.open_invoice().await.is_none(), "nobody pays it by hand either");
    assert_eq!(world.access().await.reason, AccessReason::UnderReview);
    assert!(world.violations().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_that_waited_for_the_sale_is_made_at_the_next_time_of_its_schedule(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_with_card().await;
    let renewal = world.open_renewal().await;
    let pause = async |from: &str, until: &str| {
        world.set(from);
        world.sell_subscriptions(false).await;
        assert_eq!(world.begin_charge(renewal.id).await, None);
        world.set(until);
        assert!(world.chargeable().await.is_empty(), "postponed by a day");
        assert_eq!(world.sell_subscriptions(true).await, 0, "no step is due");
    };
    pause("2027-01-01T09:00:00Z", "2027-01-01T15:00:00Z").await;
    assert_eq!(world.chargeable().await, [renewal.id], "at once");
    world.fail(renewal.id, ErrorClass::Funds).await;
    pause("2027-01-02T09:00:00Z", "2027-01-02T15:00:00Z").await;
    assert!(world.chargeable().await.is_empty(), "after a refusal in the hours of charges only");
    world.set("2027-01-03T08:59:59Z");
    assert_eq!(world.chargeable().await, [renewal.id], "not a day after it was looked at last");
    let last_charge_on = world.row().await.subscription.last_charge_on;
    assert_eq!(last_charge_on.map(|day| day.to_string()).as_deref(), Some("2027-01-03"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_that_waits_for_its_reminder_is_not_hastened_by_the_sale(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_with_card().await;
    world.set("2027-01-05T09:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Renew], "the scheduler slept through the reminder");
    let announced = world.open_invoice().await.unwrap().charge_at;
    world.sell_subscriptions(false).await;
    world.sell_subscriptions(true).await;
    assert_eq!(world.open_invoice().await.unwrap().charge_at, announced);
}

/// Handshake and `PAuth` say nothing of a subscription then; whatever else tells access says that it is free.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn access_is_told_as_free_and_nobody_is_asked_to_pay_while_nothing_is_sold(pool: MySqlPool) {
    let world = World::heard(pool).await;
    world.buy_with_card().await;
    world.open_renewal().await;
    world.sell_subscriptions(false).await;
    let widget = world.stored_widget().await;
    let settings = settings_of(&widget);
    let (told, letters) = (world.events().await.len(), world.letters().await);
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    unlink_card(&mut unit, &world.clock, &settings, &row, Actor::User(USER)).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(world.state().await, SubscriptionState::PastDue);
    assert_eq!(world.events().await.len(), told, "no event asks for the payment");
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let (row, _) = cancel(&mut unit, &world.clock, &settings, &row, Actor::User(USER), None).await.unwrap();
    let details = load_details(&mut unit, &widget, row, world.clock.now()).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(world.state().await, SubscriptionState::Cancelled);
    let access = (details.access.level, details.access.reason, details.access.until);
    assert_eq!(access, (AccessLevel::Allowed, AccessReason::NotSold, None));
    assert!(details.notices.is_empty(), "{:?}", details.notices);
    let (kind, data) = world.events().await.pop().unwrap();
    assert_eq!((kind.as_str(), &data["state"]), ("subscription.cancelled", &Value::from("cancelled")));
    assert_eq!(
        (&data["access_level"], &data["access_reason"], &data["access_until"]),
        (&Value::from("allowed"), &Value::from("not_sold"), &Value::Null)
    );
    assert_eq!(world.letters().await, letters, "nobody is written to");
    world.sell_subscriptions(true).await;
    assert_eq!(world.access().await.level, AccessLevel::Off, "the sale goes on");
}
