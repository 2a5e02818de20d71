//! Money that arrives when it is not expected any more.

use flysk_domain::platform::subscriptions::{
    Change, DueStep, InvoiceState, PeriodLength, RefundReason, SubscriptionState,
};
use flysk_services::subscriptions::{Actor, SettleOutcome, cancel, discard_invoice};
use sqlx::MySqlPool;

use super::world::{USER, World};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_second_payment_of_an_invoice_is_returned_and_changes_nothing(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let invoice = world.buy(&plan, 1).await;
    let before = world.row().await;
    assert_eq!(world.settle(invoice.id).await, SettleOutcome::Refund(RefundReason::PaidTwice));
    assert_eq!(world.row().await, before);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn late_money_reopens_an_expired_subscription_within_the_period_that_it_paid(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    let renewal = world.open_renewal().await;
    world.set("2027-01-14T21:00:00Z");
    assert_eq!(world.run_due().await, [DueStep::Expire]);
    assert_eq!(world.settle(renewal.id).await, SettleOutcome::Reopened);
    let row = world.row().await;
    assert_eq!((row.subscription.state, row.subscription.period_no), (SubscriptionState::Active, 2));
    assert_eq!(world.invoices().await[0].state, InvoiceState::Paid);
    assert_eq!(world.settle(renewal.id).await, SettleOutcome::Refund(RefundReason::PaidTwice));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn late_money_for_a_period_that_is_over_is_returned(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    let renewal = world.open_renewal().await;
    world.set("2027-02-03T09:00:00Z");
    world.run_due().await;
    assert_eq!(world.settle(renewal.id).await, SettleOutcome::Refund(RefundReason::TooLate));
    assert_eq!(world.state().await, SubscriptionState::Expired);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn late_money_never_revives_what_its_customer_cancelled(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    let renewal = world.open_renewal().await;
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    cancel(&mut unit, &world.clock, &world.settings(), &row, Actor::User(USER), None).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(world.state().await, SubscriptionState::Cancelled, "cancelled at once while unpaid");
    assert_eq!(world.settle(renewal.id).await, SettleOutcome::Refund(RefundReason::Cancelled));
    assert_eq!(world.state().await, SubscriptionState::Cancelled);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn money_for_a_discarded_invoice_is_returned(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let start = Change::Start { plan: plan.id, seats: 1, length: PeriodLength::Month };
    let invoice = world.apply(&world.quote(start).await).await.unwrap();
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let settings = world.settings();
    discard_invoice(&mut unit, &world.clock, &settings, &row, invoice.id, Actor::User(USER)).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(world.settle(invoice.id).await, SettleOutcome::Refund(RefundReason::Superseded));
    assert_eq!(world.state().await, SubscriptionState::Trialing);
}
