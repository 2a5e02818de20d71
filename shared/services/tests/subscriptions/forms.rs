//! How long the bank's form and its invoice live: neither is taken from under the payer.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::id::InvoiceId;
use flysk_domain::platform::invoice_payments::{PaymentStep, link_ends_at};
use flysk_domain::platform::subscriptions::{
    Change, InvoiceKind, InvoiceState, PeriodLength, RefundReason, SubscriptionState,
};
use flysk_domain::trace::Trace;
use flysk_services::invoice_payments::{FormOutcome, FormRequest, open_form};
use flysk_services::subscriptions::{SettleOutcome, expire_overdue_invoices};
use flysk_store::platform::invoice_payments;
use flysk_store::platform::subscriptions::Invoice;
use sqlx::MySqlPool;

use super::world::World;

impl World {
    /// A payer asks for the bank's form.
    async fn ask_form(&self, invoice: InvoiceId) -> FormOutcome {
        let mut unit = self.unit().await;
        let request = FormRequest { save_card: false, terminal_key: "1700000000000DEMO" };
        let outcome = open_form(&mut unit, &self.clock, invoice, request).await.unwrap();
        unit.commit().await.unwrap();
        outcome
    }

    /// Voids what is overdue, as the tick does; returns the number.
    async fn expire(&self) -> u64 {
        let trace = Trace { correlation_id: "forms".to_owned(), traceparent: None };
        expire_overdue_invoices(&self.outbox, &trace, 10).await.unwrap()
    }

    async fn order_start(&self) -> Invoice {
        let plan = self.plan("pro", 31_000, 310_000).await;
        let start = Change::Start { plan: plan.id, seats: 1, length: PeriodLength::Month };
        self.apply(&self.quote(start).await).await.unwrap()
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_can_be_paid_as_long_as_the_link_of_its_form(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let invoice = world.order_start().await;
    world.advance(TimeDelta::hours(24) - TimeDelta::minutes(5));
    let FormOutcome::Opening(form) = world.ask_form(invoice.id).await else { panic!("a form opens") };
    let opened_at = world.clock.now();
    let held = world.open_invoice().await.unwrap();
    assert_eq!(held.due_at, Some(link_ends_at(opened_at, None)));
    world.advance(TimeDelta::minutes(8));
    assert_eq!(world.expire().await, 0, "the payer is on the form");
    assert_eq!(world.told(form, "CONFIRMED", None).await, PaymentStep::Settle);
    assert_eq!(world.state().await, SubscriptionState::Active);
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    assert!(!invoice_payments::is_returned(&mut conn, form).await.unwrap());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_is_void_when_the_link_has_ended_unpaid(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let invoice = world.order_start().await;
    world.advance(TimeDelta::hours(24) - TimeDelta::minutes(5));
    assert!(matches!(world.ask_form(invoice.id).await, FormOutcome::Opening(_)));
    world.advance(TimeDelta::hours(3) - TimeDelta::seconds(1));
    assert_eq!(world.expire().await, 0);
    world.advance(TimeDelta::seconds(1));
    assert_eq!(world.ask_form(invoice.id).await, FormOutcome::NotOpen);
    assert_eq!(world.expire().await, 1);
    assert_eq!(world.invoices().await[0].state, InvoiceState::Void);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_form_shortens_no_time_to_pay(pool: MySqlPool) {
    let world = World::build(pool, 14).await;
    let invoice = world.order_start().await;
    assert!(matches!(world.ask_form(invoice.id).await, FormOutcome::Opening(_)));
    assert_eq!(world.open_invoice().await.unwrap().due_at, invoice.due_at);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_form_of_a_change_ends_with_the_period(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    world.set("2026-12-31T20:00:00Z");
    let change = world.apply(&world.quote(Change::Seats(2)).await).await.unwrap();
    let FormOutcome::Opening(form) = world.ask_form(change.id).await else { panic!("a form opens") };
    let due_at = world.open_invoice().await.unwrap().due_at;
    assert_eq!(due_at, Some(change.period.ends_at()), "not past the period");
    world.set("2026-12-31T20:55:00Z");
    assert_eq!(world.ask_form(change.id).await, FormOutcome::Open(form), "another one would end no later");
    world.set("2026-12-31T20:59:59Z");
    assert_eq!(world.expire().await, 0);
    world.set("2026-12-31T21:00:00Z");
    assert_eq!(world.expire().await, 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn no_form_is_opened_that_the_bank_would_refuse(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    world.set("2026-12-31T20:00:00Z");
    let change = world.apply(&world.quote(Change::Seats(2)).await).await.unwrap();
    world.set("2026-12-31T20:58:01Z");
    assert_eq!(world.ask_form(change.id).await, FormOutcome::NotOpen);
    world.set("2026-12-31T20:58:00Z");
    assert!(matches!(world.ask_form(change.id).await, FormOutcome::Opening(_)));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn days_that_are_gone_are_not_sold_although_the_scheduler_is_down(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    let renewal = world.open_renewal().await;
    // The grace was over two weeks ago: the step that ends the subscription has not run.
    world.set("2027-01-31T21:00:00Z");
    let before = world.row().await;
    assert_eq!(world.ask_form(renewal.id).await, FormOutcome::NotOpen);
    assert_eq!(world.settle(renewal.id).await, SettleOutcome::Refund(RefundReason::TooLate));
    assert_eq!(world.row().await, before);
    assert_eq!(world.open_invoice().await.unwrap().id, renewal.id);
}

/// The scheduler is late, so the renewal is still open at the end of its own period.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_form_of_a_renewal_ends_with_the_period_that_it_pays(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    world.buy(&plan, 1).await;
    let renewal = world.open_renewal().await;
    assert_eq!((renewal.kind, renewal.due_at), (InvoiceKind::Renewal, None));
    let ends_at = renewal.period.ends_at();
    assert_eq!(renewal.link_ends_at(ends_at - TimeDelta::hours(4)), ends_at - TimeDelta::hours(1));
    assert_eq!(renewal.link_ends_at(ends_at - TimeDelta::hours(1)), ends_at);
    world.set("2027-01-31T20:58:01Z");
    assert_eq!(world.ask_form(renewal.id).await, FormOutcome::NotOpen, "the bank would refuse it");
    world.set("2027-01-31T20:50:00Z");
    let FormOutcome::Opening(form) = world.ask_form(renewal.id).await else { panic!("a form opens") };
    assert_eq!(world.ask_form(renewal.id).await, FormOutcome::Open(form), "another one would end no later");
}
