//! Attempts that keep an invoice from being paid by another one, charges that cannot begin, and receipts that are missing.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::invoice_payments::PaymentStep;
use flysk_domain::platform::subscriptions::{AccessReason, ReceiptBasis, ReceiptKind, SubscriptionState};
use flysk_domain::platform::tbank::ErrorClass;
use flysk_services::subscriptions::{begin_closing_receipt, left_to_close};
use flysk_store::platform::invoice_payments::{self, ReceiptState, RefundState};
use flysk_store::platform::subscriptions;
use sqlx::MySqlPool;

use super::world::World;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_attempt_that_nobody_decides_is_reported(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let renewal = world.due_charge().await;
    let attempt = world.begin_charge(renewal.id).await.expect("a charge");
    world.advance(TimeDelta::hours(4));
    assert_eq!(world.payment_violations().await, [""; 0], "the bank has its time");
    world.advance(TimeDelta::seconds(1));
    assert_eq!(world.payment_violations().await, ["attempt_undecided"]);
    assert_eq!(world.told(attempt.id, "CONFIRMED", None).await, PaymentStep::Settle);
    assert_eq!(world.payment_violations().await, [""; 0]);
}

/// Alarms for what the checks before a charge make impossible (376-FZ).
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_without_consent_or_after_the_unlinking_is_reported(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let renewal = world.due_charge().await;
    let attempt = world.begin_charge(renewal.id).await.expect("a charge");
    // Sent at 09:00:00.
    let now = world.clock.now();
    let mut unit = world.unit().await;
    invoice_payments::begin_charging(&mut unit, attempt.id, "7", now, now).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(world.payment_violations().await, [""; 0], "its owner has agreed");
    let break_rows = async |statement: &'static str| {
        sqlx::query(statement).execute(world.outbox.pool()).await.unwrap();
        world.payment_violations().await
    };
    let revoked_before = "UPDATE subscription_consents SET revoked_at = '2027-01-01 08:59:59'";
    assert_eq!(break_rows(revoked_before).await, ["charged_without_consent"]);
    let revoked_after = "UPDATE subscription_consents SET revoked_at = '2027-01-01 09:00:01'";
    assert_eq!(break_rows(revoked_after).await, [""; 0], "it was valid in that second");
    let unlinked_before = "UPDATE payment_cards SET unlinked_at = '2027-01-01 08:59:59'";
    assert_eq!(break_rows(unlinked_before).await, ["charged_after_unlinking"]);
    let unlinked_after = "UPDATE payment_cards SET unlinked_at = '2027-01-01 09:00:01'";
    assert_eq!(break_rows(unlinked_after).await, [""; 0]);
    let agreed_after =
        "UPDATE subscription_consents SET agreed_at = '2027-01-01 09:00:01', revoked_at = NULL";
    assert_eq!(break_rows(agreed_after).await, ["charged_without_consent"]);
    assert_eq!(break_rows("DELETE FROM subscription_consents").await, ["charged_without_consent"]);
}

/// The seller has got a terminal of its own, and the card was saved at another one.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_whose_card_cannot_be_charged_is_left_to_its_payer(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let renewal = world.due_charge().await;
    assert_eq!(world.state().await, SubscriptionState::Renewing);
    let terminal = "UPDATE vendors SET terminal_key = '1700000000001OWN' WHERE id = ?";
    sqlx::query(terminal).bind(renewal.vendor_id.to_string()).execute(world.outbox.pool()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.begin_charge(renewal.id).await, None);
        assert_eq!(world.state().await, SubscriptionState::PastDue, "no charge is waited for");
    }
    assert_eq!(world.access().await.reason, AccessReason::PaymentOverdue);
    assert_eq!(world.actions().await.pop().as_deref(), Some("card_not_chargeable"), "once");
    assert!(world.chargeable().await.is_empty() && world.violations().await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_prepayment_without_a_closing_receipt_is_reported(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.due_charge().await;
    let break_rows = async |statement: &'static str| {
        sqlx::query(statement).execute(world.outbox.pool()).await.unwrap();
        world.payment_violations().await
    };
    // The check is about what changed within two days, by the clock of the test.
    let recently =
        "UPDATE invoice_payments SET paid_at = '2027-01-01 08:00:00', updated_at = '2027-01-01 08:00:00'";
    sqlx::query(recently).execute(world.outbox.pool()).await.unwrap();
    let settled = "UPDATE vendors SET updated_at = '2026-12-01 00:00:00'";
    assert_eq!(break_rows(settled).await, [""; 0], "the receipt is planned");
    let cancelled = "UPDATE invoice_receipts SET state = 'cancelled'";
    assert_eq!(break_rows(cancelled).await, ["receipt_missing"]);
    assert_eq!(break_rows("DELETE FROM invoice_receipts").await, ["receipt_missing"]);
    let changed = "UPDATE vendors SET updated_at = '2027-01-01 08:30:00'";
    assert_eq!(break_rows(changed).await, [""; 0], "the seller has changed its receipts since");
}

/// Each attempt to send a receipt moves its next time, and each refusal by a day.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_receipt_that_is_not_registered_is_reported_however_often_it_is_tried(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    world.due_charge().await;
    let is_overdue = async || {
        let mut conn = world.outbox.pool().acquire().await.unwrap();
        let found = subscriptions::verify_schedule(&mut conn, world.clock.now(), 10).await.unwrap();
        found.iter().any(|violation| violation.rule == "receipt_overdue")
    };
    world.set("2026-12-31T21:59:59Z");
    assert!(!is_overdue().await, "many are due at midnight");
    world.set("2026-12-31T22:00:00Z");
    assert!(is_overdue().await);
    let now = world.clock.now();
    let mut unit = world.unit().await;
    let again_at = now + TimeDelta::minutes(5);
    let claimed = invoice_payments::claim_receipts(&mut unit, now, again_at, 10).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert!(is_overdue().await, "its job is lost");
    let mut unit = world.unit().await;
    let basis = ReceiptBasis { kind: ReceiptKind::Settlement, taxation: None, vat: None };
    invoice_payments::begin_sending(&mut unit, claimed[0], &basis, now, now).await.unwrap();
    let again_at = now + TimeDelta::days(1);
    invoice_payments::refuse_receipt(&mut unit, claimed[0], "204", again_at, now).await.unwrap();
    unit.commit().await.unwrap();
    assert!(is_overdue().await, "the bank refused it");
    let mut unit = world.unit().await;
    let (from, to) = (ReceiptState::Waiting, ReceiptState::Sent);
    invoice_payments::mark_receipt(&mut unit, claimed[0], from, to, None, now).await.unwrap();
    unit.commit().await.unwrap();
    assert!(!is_overdue().await);
}

/// The receipt is over what is left of the payment, and the bank may still refuse a refund that was asked for.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_closing_receipt_waits_for_the_outcome_of_a_refund(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let (invoice, payment) = world.buy_at_the_bank().await;
    let left = async || {
        let mut conn = world.outbox.pool().acquire().await.unwrap();
        let paid = invoice_payments::find_attempt(&mut conn, payment).await.unwrap().unwrap();
        left_to_close(&mut conn, &paid).await.unwrap()
    };
    let begin = async |left: Kopecks| {
        let mut unit = world.unit().await;
        let found = invoice_payments::find_receipt_of_payment(&mut unit, payment).await.unwrap();
        let paid = invoice_payments::find_attempt(&mut unit, payment).await.unwrap().unwrap();
        let (receipt, kind) = (found.unwrap(), ReceiptKind::Settlement);
        let basis = ReceiptBasis { kind, taxation: None, vat: None };
        let receipt = (&receipt, &paid);
        let begun = begin_closing_receipt(&mut unit, &world.clock, receipt, &basis, left).await.unwrap();
        unit.commit().await.unwrap();
        begun
    };
    let whole = Kopecks(31_000);
    assert_eq!(left().await, Some(whole));
    let part = world.refund(invoice.id, Some(10_000)).await.unwrap();
    assert_eq!(left().await, None);
    assert!(!begin(whole).await, "it was read before the refund");
    world.end_refund(&part, RefundState::Refused).await;
    assert_eq!(left().await, Some(whole), "the bank returned nothing");
    let part = world.refund(invoice.id, Some(1_000)).await.unwrap();
    world.end_refund(&part, RefundState::Done).await;
    assert_eq!(left().await, Some(Kopecks(30_000)));
    assert!(!begin(whole).await);
    assert!(begin(Kopecks(30_000)).await);
    assert!(!begin(Kopecks(30_000)).await, "another job has it");
}

/// Somebody has returned the money in T-Bank's portal before Flysk learned that it was taken.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_that_was_refunded_at_the_bank_is_not_made_again(pool: MySqlPool) {
    let world = World::build(pool, 0).await;
    let renewal = world.due_charge().await;
    let attempt = world.begin_charge(renewal.id).await.expect("a charge");
    assert_eq!(world.told(attempt.id, "REFUNDED", None).await, PaymentStep::Fail);
    assert_eq!(world.told(attempt.id, "REFUNDED", None).await, PaymentStep::Ignore, "once");
    let open = world.open_invoice().await.unwrap();
    let failure = open.failure.as_ref().map(|failure| (failure.class, failure.code.as_str()));
    assert_eq!((failure, open.charge_at), (Some((ErrorClass::Stop, "refunded")), None));
    assert_eq!(world.state().await, SubscriptionState::PastDue, "the payer is asked");
    assert_eq!(world.actions().await.pop().as_deref(), Some("payment_failed"));
    world.advance(TimeDelta::days(3));
    assert!(world.chargeable().await.is_empty() && world.payment_violations().await.is_empty());
}
