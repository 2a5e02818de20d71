//! What permitted the beginning of a charge is checked again before it is sent, however long after.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::Clock as _;
use flysk_domain::id::CardId;
use flysk_services::invoice_payments::permit_charge;
use flysk_store::platform::invoice_payments::Attempt;
use sqlx::MySqlPool;

use super::world::World;

impl World {
    /// The card that may be charged now by an attempt that has begun.
    pub(super) async fn permit(&self, attempt: &Attempt) -> Option<CardId> {
        let mut unit = self.unit().await;
        let permitted = permit_charge(&mut unit, &self.clock, attempt).await.unwrap();
        unit.commit().await.unwrap();
        permitted.map(|card| card.id)
    }

    pub(super) async fn planned_charge(&self) -> Option<DateTime<Utc>> {
        self.open_invoice().await.unwrap().charge_at
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_is_sent_in_its_time_and_not_after_a_long_outage(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let renewal = world.due_charge().await;
    let attempt = world.begin_charge(renewal.id).await.expect("a charge");
    assert_eq!(world.planned_charge().await, None, "it is being made");
    assert!(world.permit(&attempt).await.is_some());
    // The last second of the grace, its end, and the end of the period.
    for (time, permitted) in
        [("2027-01-14T20:59:59Z", true), ("2027-01-14T21:00:00Z", false), ("2027-01-31T21:00:00Z", false)]
    {
        world.set(time);
        assert_eq!(world.permit(&attempt).await.is_some(), permitted, "{time}");
        let again = world.planned_charge().await;
        assert_eq!(again.is_some_and(|again| again > world.clock.now()), !permitted, "{time}: decided anew");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_that_has_begun_is_not_sent_while_nothing_is_sold(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let renewal = world.due_charge().await;
    let attempt = world.begin_charge(renewal.id).await.expect("a charge");
    world.sell_subscriptions(false).await;
    assert_eq!(world.permit(&attempt).await, None);
    assert_eq!(world.planned_charge().await, Some(world.clock.now() + TimeDelta::days(1)));
    world.sell_subscriptions(true).await;
    assert!(world.permit(&attempt).await.is_some());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_that_has_begun_is_not_sent_for_a_subscription_that_waits_for_a_person(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let renewal = world.due_charge().await;
    let attempt = world.begin_charge(renewal.id).await.expect("a charge");
    sqlx::query("UPDATE subscriptions SET needs_person = TRUE").execute(world.outbox.pool()).await.unwrap();
    assert_eq!(world.permit(&attempt).await, None);
}
