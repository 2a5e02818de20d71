//! Periods whose payment is refunded whole: one that was paid ahead does not begin, one that runs is ended by an operator.

use flysk_domain::platform::invoice_payments::PaymentStep;
use flysk_domain::platform::subscriptions::{Change, DueStep, InvoiceState, SubscriptionState};
use flysk_services::subscriptions::{OperatorAct, OperatorError, end_refunded, reinstate};
use flysk_store::platform::invoice_payments::RefundState;
use flysk_store::platform::subscriptions::{self, Invoice, SubscriptionRow};
use sqlx::MySqlPool;

use super::world::World;

const BOUNDARY: &str = "2026-12-31T21:00:00Z";
const ACT: OperatorAct<'static> =
    OperatorAct { operator: "anna", reason: "деньги возвращены" };

impl World {
    /// Buys a first period and the next one, both at the bank; returns the invoice of the next one.
    async fn buy_two_periods(&self) -> Invoice {
        self.buy_at_the_bank().await;
        self.set("2026-12-20T09:00:00Z");
        let ahead = self.apply(&self.quote(Change::Renew).await).await.unwrap();
        let attempt = self.open_form(&ahead, false).await;
        assert_eq!(self.told(attempt, "CONFIRMED", None).await, PaymentStep::Settle);
        assert!(self.is_prepaid().await);
        ahead
    }

    async fn is_prepaid(&self) -> bool {
        self.row().await.subscription.prepaid.is_some()
    }

    /// State and number of the period.
    async fn state_and_number(&self) -> (SubscriptionState, u32) {
        let subscription = self.row().await.subscription;
        (subscription.state, subscription.period_no)
    }

    async fn end_refunded(&self) -> Result<SubscriptionRow, OperatorError> {
        let mut unit = self.unit().await;
        let row = self.lock(&mut unit).await;
        let ended = end_refunded(&mut unit, &self.clock, &self.settings(), &row, ACT).await?;
        unit.commit().await.unwrap();
        Ok(ended)
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_next_period_does_not_begin_once_all_of_its_money_is_returned(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let ahead = world.buy_two_periods().await;
    let part = world.refund(ahead.id, Some(10_000)).await.unwrap();
    world.end_refund(&part, RefundState::Done).await;
    assert!(world.is_prepaid().await, "a part was returned");
    let rest = world.refund(ahead.id, None).await.unwrap();
    assert!(!world.is_prepaid().await);
    world.end_refund(&rest, RefundState::Done).await;
    assert_eq!(world.actions().await.pop().as_deref(), Some("prepaid_withdrawn"));
    world.set(BOUNDARY);
    assert!(world.run_due().await.contains(&DueStep::Renew));
    assert_eq!(world.state_and_number().await, (SubscriptionState::PastDue, 1));
    let open = world.open_invoice().await.unwrap();
    assert_eq!((open.period_no, open.period), (ahead.period_no, ahead.period), "to be paid anew");
    assert!(world.violations().await.is_empty() && world.payment_violations().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_next_period_is_given_back_if_the_bank_refuses_to_return_its_money(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let ahead = world.buy_two_periods().await;
    let refund = world.refund(ahead.id, None).await.unwrap();
    assert!(!world.is_prepaid().await);
    world.end_refund(&refund, RefundState::Refused).await;
    assert!(world.is_prepaid().await);
    world.set(BOUNDARY);
    assert!(matches!(world.run_due().await[..], [DueStep::Advance(_)]));
    assert!(world.violations().await.is_empty() && world.payment_violations().await.is_empty());
}

/// The bank decides after the boundary, when the period waits for another payment.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_next_period_that_is_given_back_late_replaces_its_renewal(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let ahead = world.buy_two_periods().await;
    let refund = world.refund(ahead.id, None).await.unwrap();
    world.set(BOUNDARY);
    world.run_due().await;
    let renewal = world.open_invoice().await.unwrap();
    world.end_refund(&refund, RefundState::Refused).await;
    assert_eq!(world.state_and_number().await, (SubscriptionState::Active, 2));
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    let renewal = subscriptions::find_invoice(&mut conn, renewal.id).await.unwrap().unwrap();
    assert_eq!(renewal.state, InvoiceState::Void);
    assert!(world.violations().await.is_empty() && world.payment_violations().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_period_that_runs_without_its_money_is_reported_until_an_operator_ends_it(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (invoice, _) = world.buy_at_the_bank().await;
    let part = world.refund(invoice.id, Some(10_000)).await.unwrap();
    world.end_refund(&part, RefundState::Done).await;
    assert!(world.violations().await.is_empty(), "a part was returned");
    let early = world.end_refunded().await;
    assert!(matches!(early, Err(OperatorError::NotRefunded)), "{early:?}");
    let rest = world.refund(invoice.id, None).await.unwrap();
    assert_eq!(world.state().await, SubscriptionState::Active);
    assert_eq!(world.violations().await, ["active_without_payment"]);
    let early = world.end_refunded().await;
    assert!(matches!(early, Err(OperatorError::NotRefunded)), "the bank may refuse it: {early:?}");
    world.end_refund(&rest, RefundState::Done).await;
    let ended = world.end_refunded().await.unwrap();
    assert_eq!(ended.subscription.state, SubscriptionState::Cancelled);
    assert_eq!(world.violations().await, [""; 0]);
    let again = world.end_refunded().await;
    assert!(matches!(again, Err(OperatorError::Refused(_))), "{again:?}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn days_that_were_refunded_are_not_given_back_by_reinstating(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (invoice, _) = world.buy_at_the_bank().await;
    let refund = world.refund(invoice.id, None).await.unwrap();
    world.end_refund(&refund, RefundState::Done).await;
    world.end_refunded().await.unwrap();
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    let early = reinstate(&mut unit, &world.clock, &world.settings(), &row, ACT).await;
    assert!(matches!(early, Err(OperatorError::Reinstate(_))), "{early:?}");
    drop(unit);
    assert!(!world.access().await.level.works(), "their money was returned");
}
