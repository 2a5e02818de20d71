//! What the bank says of attempts to pay an invoice, and refunds of what it took.

use chrono::TimeDelta;
use flysk_crypto::Keyring;
use flysk_domain::Clock as _;
use flysk_domain::id::{InvoiceId, InvoicePaymentId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::invoice_payments::{AttemptState, PaymentStep};
use flysk_domain::platform::purchases::{PaymentUpdate, UpdateSource};
use flysk_domain::platform::subscriptions::{
    Change, InvalidRefund, InvoiceState, PeriodLength, SubscriptionState,
};
use flysk_domain::platform::tbank::PaymentStatus;
use flysk_services::invoice_payments::{
    FormOutcome, FormRequest, RefundOrder, RequestRefundError, apply_update, begin_charge, open_form,
    postpone_charge, refund_refused, request_refund, resolve_review,
};
use flysk_services::purchases::PaymentContext;
use flysk_services::subscriptions::{
    Actor, OperatorAct, OperatorError, cancel, clear_payment_lock, mark_paid, record_consent,
};
use flysk_store::platform::invoice_payments::{self, Attempt, InvoiceRefund, ReceiptState, RefundState};
use flysk_store::platform::subscriptions::{self, Invoice};
use sqlx::MySqlPool;

use super::world::{KEYRING, USER, World};

const REBILL: &str = "145919";

impl World {
    /// Begins to pay an invoice on the bank's form.
    pub(super) async fn open_form(&self, invoice: &Invoice, save_card: bool) -> InvoicePaymentId {
        let mut unit = self.unit().await;
        if save_card {
            let offer = ("2026-11", "Я согласен на списания");
            record_consent(&mut unit, &self.clock, invoice, USER, offer, "203.0.113.7").await.unwrap();
        }
        let request = FormRequest { save_card, terminal_key: "1700000000000DEMO" };
        let outcome = open_form(&mut unit, &self.clock, invoice.id, request).await.unwrap();
        unit.commit().await.unwrap();
        let FormOutcome::Opening(id) = outcome else { panic!("no form: {outcome:?}") };
        id
    }

    /// Applies a status of the attempt's payment.
    pub(super) async fn told(
        &self,
        attempt: InvoicePaymentId,
        status: &str,
        rebill: Option<&str>,
    ) -> PaymentStep {
        let payment_id: String = attempt.to_string().chars().rev().take(16).collect();
        let status = PaymentStatus::from(status.to_owned());
        let update = PaymentUpdate {
            rebill_id: rebill.map(Into::into),
            ..PaymentUpdate::new(UpdateSource::StatusQuery, payment_id, status)
        };
        let keyring = Keyring::parse(KEYRING).unwrap();
        let context = PaymentContext { keyring: &keyring, clock: &self.clock };
        let mut unit = self.unit().await;
        let step = apply_update(&mut unit, context, attempt, &update).await.unwrap();
        unit.commit().await.unwrap();
        step
    }

    /// Buys a first period and pays it on the bank's form.
    pub(super) async fn buy_at_the_bank(&self) -> (Invoice, InvoicePaymentId) {
        let plan = self.plan("pro", 31_000, 310_000).await;
        let start = Change::Start { plan: plan.id, seats: 1, length: PeriodLength::Month };
        let invoice = self.apply(&self.quote(start).await).await.unwrap();
        self.give_address(invoice.id).await;
        let attempt = self.open_form(&invoice, false).await;
        assert_eq!(self.told(attempt, "CONFIRMED", None).await, PaymentStep::Settle);
        assert_eq!(self.state().await, SubscriptionState::Active);
        (invoice, attempt)
    }

    /// Buys a first period on the bank's form with a card for renewals, and waits until the next one is charged.
    pub(super) async fn due_charge(&self) -> Invoice {
        let plan = self.plan("pro", 31_000, 310_000).await;
        let start = Change::Start { plan: plan.id, seats: 1, length: PeriodLength::Month };
        let invoice = self.apply(&self.quote(start).await).await.unwrap();
        let attempt = self.open_form(&invoice, true).await;
        self.told(attempt, "CONFIRMED", Some(REBILL)).await;
        let renewal = self.open_renewal().await;
        self.set("2027-01-01T09:00:00Z");
        assert_eq!(self.chargeable().await, [renewal.id]);
        renewal
    }

    pub(super) async fn begin_charge(&self, invoice: InvoiceId) -> Option<Attempt> {
        let mut unit = self.unit().await;
        let begun = begin_charge(&mut unit, &self.clock, invoice).await.unwrap();
        let begun = begun.map(|begun| begun.attempt);
        if let Some(attempt) = &begun {
            let stored = invoice_payments::find_attempt(&mut unit, attempt.id).await.unwrap();
            assert_eq!(stored.as_ref(), Some(attempt), "it is as it was written");
        }
        unit.commit().await.unwrap();
        begun
    }

    pub(super) async fn refund(
        &self,
        invoice_id: InvoiceId,
        kopecks: Option<i64>,
    ) -> Result<InvoiceRefund, RequestRefundError> {
        let mut unit = self.unit().await;
        let order = RefundOrder {
            invoice_id,
            kopecks: kopecks.map(Kopecks),
            actor: "operator:anna",
            reason: "жалоба",
        };
        let refund = request_refund(&mut unit, &self.clock, order).await?;
        unit.commit().await.unwrap();
        Ok(refund)
    }

    /// The bank has decided about a refund.
    pub(super) async fn end_refund(&self, refund: &InvoiceRefund, state: RefundState) {
        let mut unit = self.unit().await;
        for (from, to) in [(RefundState::Pending, RefundState::Sent), (RefundState::Sent, state)] {
            let now = self.clock.now();
            invoice_payments::mark_refund(&mut unit, &refund.id, from, to, None, now).await.unwrap();
        }
        if state == RefundState::Refused {
            refund_refused(&mut unit, &self.clock, refund).await.unwrap();
        }
        unit.commit().await.unwrap();
    }

    pub(super) async fn payment_violations(&self) -> Vec<&'static str> {
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        let now = self.clock.now();
        let found = invoice_payments::verify_payments(&mut conn, now, 10).await.unwrap();
        found.into_iter().map(|violation| violation.rule).collect()
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn refunds_follow_each_other_and_never_exceed_the_payment(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (invoice, attempt) = world.buy_at_the_bank().await;
    let part = world.refund(invoice.id, Some(16_000)).await.unwrap();
    assert_eq!((part.payment_row_id, part.left), (attempt, Kopecks(31_000)));
    let second = world.refund(invoice.id, Some(1_000)).await;
    assert!(matches!(second, Err(RequestRefundError::AlreadyInProgress)), "{second:?}");
    assert_eq!(world.invoices().await[0].refunded, Kopecks(16_000), "set aside once");
    world.end_refund(&part, RefundState::Refused).await;
    let part = world.refund(invoice.id, Some(10_000)).await.unwrap();
    world.end_refund(&part, RefundState::Done).await;
    let over = world.refund(invoice.id, Some(21_001)).await;
    let left = InvalidRefund::MoreThanLeft(Kopecks(21_000));
    assert!(matches!(&over, Err(RequestRefundError::Amount(refusal)) if *refusal == left), "{over:?}");
    let rest = world.refund(invoice.id, None).await.unwrap();
    assert_eq!((rest.amount, rest.left), (Kopecks(21_000), Kopecks(21_000)));
    assert_eq!(world.payment_violations().await, [""; 0]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_without_a_payment_at_the_bank_is_not_refunded(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let invoice = world.buy(&plan, 1).await;
    let refused = world.refund(invoice.id, None).await;
    assert!(matches!(refused, Err(RequestRefundError::NotPaid)), "{refused:?}");
}

/// The first attempt counts as failed and succeeds after the second one has paid: it is returned, and a refund of the
/// invoice is one of the second.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_refunds_the_payment_that_was_kept(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let plan = world.plan("pro", 31_000, 310_000).await;
    let start = Change::Start { plan: plan.id, seats: 1, length: PeriodLength::Month };
    let invoice = world.apply(&world.quote(start).await).await.unwrap();
    let late = world.open_form(&invoice, false).await;
    assert_eq!(world.told(late, "REJECTED", None).await, PaymentStep::Fail);
    world.advance(TimeDelta::minutes(1));
    let kept = world.open_form(&invoice, false).await;
    assert_eq!(world.told(kept, "CONFIRMED", None).await, PaymentStep::Settle);
    assert_eq!(world.told(late, "CONFIRMED", None).await, PaymentStep::Settle);
    assert_eq!(world.payment_violations().await, [""; 0], "one pays the invoice, the other is returned");
    assert_eq!(world.invoices().await[0].refunded, Kopecks::ZERO, "the return is no refund of the invoice");
    let refund = world.refund(invoice.id, None).await.unwrap();
    assert_eq!((refund.payment_row_id, refund.amount), (kept, Kopecks(31_000)));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payment_that_is_returned_gives_no_card_for_renewals(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_at_the_bank().await;
    let renewal = world.open_renewal().await;
    let attempt = world.open_form(&renewal, true).await;
    let mut unit = world.unit().await;
    let row = world.lock(&mut unit).await;
    cancel(&mut unit, &world.clock, &world.settings(), &row, Actor::User(USER), None).await.unwrap();
    unit.commit().await.unwrap();
    world.told(attempt, "CONFIRMED", Some(REBILL)).await;
    assert_eq!((world.state().await, world.row().await.card_id), (SubscriptionState::Cancelled, None));
    // The bank tells it again.
    world.told(attempt, "CONFIRMED", Some(REBILL)).await;
    assert_eq!(world.row().await.card_id, None);
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    assert_eq!(invoice_payments::list_cards(&mut conn, world.install).await.unwrap(), []);
    assert_eq!(world.payment_violations().await, [""; 0]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payment_that_is_kept_gives_its_card_even_if_the_bank_names_it_later(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_at_the_bank().await;
    let renewal = world.open_renewal().await;
    let attempt = world.open_form(&renewal, true).await;
    world.told(attempt, "CONFIRMED", None).await;
    assert_eq!(world.row().await.card_id, None);
    world.told(attempt, "CONFIRMED", Some(REBILL)).await;
    assert!(world.row().await.card_id.is_some());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_that_an_operator_settles_withdraws_its_open_form(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_at_the_bank().await;
    let renewal = world.open_renewal().await;
    let attempt = world.open_form(&renewal, false).await;
    let mut unit = world.unit().await;
    let act = OperatorAct { operator: "anna", reason: "оплачено по счёту" };
    mark_paid(&mut unit, &world.clock, renewal.id, act).await.unwrap();
    let withdrawn = invoice_payments::find_attempt(&mut unit, attempt).await.unwrap().unwrap();
    unit.commit().await.unwrap();
    assert!(withdrawn.is_withdrawn, "nobody may pay it any more");
    // The payer was faster: the money is returned.
    assert_eq!(world.told(attempt, "CONFIRMED", None).await, PaymentStep::Settle);
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    assert!(invoice_payments::is_returned(&mut conn, attempt).await.unwrap());
    let attempt = invoice_payments::find_attempt(&mut conn, attempt).await.unwrap().unwrap();
    let invoice = subscriptions::find_invoice(&mut conn, renewal.id).await.unwrap().unwrap();
    assert_eq!((attempt.state, invoice.state), (AttemptState::Paid, InvoiceState::Paid));
    assert_eq!(world.payment_violations().await, [""; 0]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn money_that_is_kept_for_nothing_is_reported(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (invoice, _) = world.buy_at_the_bank().await;
    let refund = world.refund(invoice.id, Some(1_000)).await.unwrap();
    world.end_refund(&refund, RefundState::Done).await;
    let break_rows = async |statement: &'static str| {
        sqlx::query(statement).execute(world.outbox.pool()).await.unwrap();
        world.payment_violations().await
    };
    assert_eq!(
        break_rows("UPDATE subscription_invoices SET refunded_kopecks = 999").await,
        ["refunds_not_counted"]
    );
    break_rows("UPDATE subscription_invoices SET refunded_kopecks = 0").await;
    assert_eq!(
        break_rows("UPDATE invoice_refunds SET state = 'refused'").await,
        [""; 0],
        "the payment pays the invoice"
    );
    assert_eq!(
        break_rows("UPDATE subscription_invoices SET paid_by = 'manual'").await,
        ["payment_kept"],
        "somebody else has paid the invoice"
    );
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_due_charge_behind_an_open_form_is_found_again_after_a_while(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (first, _) = world.buy_at_the_bank().await;
    world.save_card(&first).await;
    let renewal = world.open_renewal().await;
    world.set("2027-01-01T09:00:00Z");
    world.open_form(&renewal, false).await;
    assert_eq!(world.chargeable().await, [renewal.id]);
    let mut unit = world.unit().await;
    postpone_charge(&mut unit, &world.clock, renewal.id).await.unwrap();
    unit.commit().await.unwrap();
    assert!(world.chargeable().await.is_empty(), "not at every tick");
    world.advance(TimeDelta::minutes(10));
    assert_eq!(world.chargeable().await, [renewal.id]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_ends_a_payment_that_blocks_an_invoice(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.buy_at_the_bank().await;
    let renewal = world.open_renewal().await;
    let attempt = world.open_form(&renewal, false).await;
    let clear = async || {
        let mut unit = world.unit().await;
        let act =
            OperatorAct { operator: "anna", reason: "в кабинете банка денег нет" };
        let ended = clear_payment_lock(&mut unit, &world.clock, renewal.id, act).await?;
        unit.commit().await.unwrap();
        Ok(ended)
    };
    let early: Result<_, OperatorError> = clear().await;
    assert!(matches!(early, Err(OperatorError::StillDeciding)), "{early:?}");
    world.advance(TimeDelta::hours(4));
    assert_eq!(clear().await.unwrap(), attempt);
    let again = clear().await;
    assert!(matches!(again, Err(OperatorError::NotLocked)), "{again:?}");
    assert_eq!(world.actions().await.pop().as_deref(), Some("payment_lock_cleared"));
    let other = world.open_form(&renewal, false).await;
    assert_eq!(world.told(other, "CONFIRMED", None).await, PaymentStep::Settle);
    // The money of the first arrives nevertheless.
    assert_eq!(world.told(attempt, "CONFIRMED", None).await, PaymentStep::Settle);
    let mut conn = world.outbox.pool().acquire().await.unwrap();
    assert!(invoice_payments::is_returned(&mut conn, attempt).await.unwrap());
    assert_eq!(world.payment_violations().await, [""; 0]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_that_an_operator_ends_is_followed_by_the_next_one(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let renewal = world.due_charge().await;
    world.begin_charge(renewal.id).await.expect("a charge");
    world.advance(TimeDelta::hours(4));
    let mut unit = world.unit().await;
    let act = OperatorAct { operator: "anna", reason: "в кабинете банка денег нет" };
    clear_payment_lock(&mut unit, &world.clock, renewal.id, act).await.unwrap();
    unit.commit().await.unwrap();
    let planned = async |day: &'static str| {
        let open = world.open_invoice().await.unwrap();
        assert_eq!((world.state().await, open.charges_made), (SubscriptionState::Renewing, 0));
        let charge_at = open.charge_at.expect("a planned charge");
        assert_eq!(charge_at.date_naive().to_string(), day);
        charge_at
    };
    world.clock.set(planned("2027-01-02").await);
    let disputed = world.begin_charge(renewal.id).await.expect("another charge");
    sqlx::query("UPDATE invoice_payments SET state = 'review', discrepancy = 'other_amount' WHERE id = ?")
        .bind(disputed.id.to_string())
        .execute(world.outbox.pool())
        .await
        .unwrap();
    let mut unit = world.unit().await;
    resolve_review(&mut unit, &world.clock, disputed.id).await.unwrap();
    unit.commit().await.unwrap();
    planned("2027-01-03").await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_subscription_that_waits_for_a_person_is_not_charged(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let renewal = world.due_charge().await;
    sqlx::query("UPDATE subscriptions SET needs_person = TRUE").execute(world.outbox.pool()).await.unwrap();
    assert_eq!(world.begin_charge(renewal.id).await, None);
    assert!(world.chargeable().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_full_refund_that_the_bank_refuses_leaves_the_closing_receipt_due(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (invoice, attempt) = world.buy_at_the_bank().await;
    let receipt = async || {
        let mut conn = world.outbox.pool().acquire().await.unwrap();
        let found = invoice_payments::find_receipt_of_payment(&mut conn, attempt).await.unwrap();
        found.expect("a receipt").state
    };
    let refund = world.refund(invoice.id, None).await.unwrap();
    assert_eq!(receipt().await, ReceiptState::Cancelled);
    world.end_refund(&refund, RefundState::Refused).await;
    assert_eq!(receipt().await, ReceiptState::Waiting);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn nothing_is_charged_while_the_widget_sells_no_subscriptions(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let renewal = world.due_charge().await;
    world.sell_subscriptions(false).await;
    assert_eq!(world.begin_charge(renewal.id).await, None);
    let open = world.open_invoice().await.unwrap();
    assert_eq!(open.charge_at, Some(world.clock.now() + TimeDelta::days(1)), "the charge is postponed");
    world.sell_subscriptions(true).await;
    world.advance(TimeDelta::days(1));
    assert!(world.begin_charge(renewal.id).await.is_some());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_card_of_another_terminal_than_the_sellers_is_not_charged(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let renewal = world.due_charge().await;
    let terminal = "UPDATE vendors SET terminal_key = '1700000000001OWN' WHERE id = ?";
    let changed =
        sqlx::query(terminal).bind(renewal.vendor_id.to_string()).execute(world.outbox.pool()).await;
    assert_eq!(changed.unwrap().rows_affected(), 1);
    assert_eq!(world.begin_charge(renewal.id).await, None);
    assert_eq!(world.open_invoice().await.unwrap().charge_at, None, "the customer pays by another means");
}
