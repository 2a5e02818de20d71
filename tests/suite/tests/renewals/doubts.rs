//! Answers that are lost, late, doubled and reordered: nothing is charged twice, and nothing that was paid is forgotten.

use chrono::{DateTime, Utc};
use flysk_crypto::aad;
use flysk_domain::id::VendorId;
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::subscriptions::{Change, InvoiceState, PeriodLength, SubscriptionState};
use flysk_simulators::tbank::{Behaviour, ChargeAnswer, ChargeScript, Ending, Forged, Order, Terminal};
use flysk_simulators::{Act, Script};
use flysk_store::platform::vendors::{self, Vendor};
use flysk_suite::subscriber::SEATS;
use sqlx::MySqlPool;

use super::harness::{GOOD_CARD, TestSubscriber};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_lost_answer_to_a_charge_is_asked_for_and_not_repeated(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    // No notification either: only the question can tell.
    subscriber.sandbox.bank.state.behave(Behaviour { notification_copies: 0, ..Behaviour::default() });
    for (answer, month) in [(ChargeAnswer::Lost, "2027-03-01"), (ChargeAnswer::Hangs, "2027-04-01")] {
        subscriber.script(vec![ChargeScript { ending: Ending::Paid, answer }]);
        let before = subscriber.calls("Charge");
        subscriber.advance_to(month, "00:00:00").await;
        assert_eq!(subscriber.calls("Charge"), before + 1, "{answer:?}");
        assert_eq!(subscriber.current().await.state, SubscriptionState::Active, "{answer:?}");
    }
    subscriber.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_lost_answer_to_init_is_adopted_by_the_next_run(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.sandbox.bank.control.script(Script::next("/v2/Init", Act::ServeThenCut));
    subscriber.advance_to("2027-03-01", "00:00:00").await;
    let renewed = subscriber.last_invoice().await;
    assert_eq!(renewed.state, InvoiceState::Paid);
    assert_eq!(subscriber.attempts(renewed.id).await.len(), 1);
    // The reconciliation asks about the order of the form.
    let order = subscriber.attempts(renewed.id).await[0].id.to_string();
    let asked = subscriber.sandbox.bank.control.calls_to("POST", "/v2/CheckOrder");
    let asked = asked.iter().filter(|call| call.body.contains(&order)).count();
    assert_eq!((subscriber.calls("Init"), asked), (2, 1), "the form's and the renewal's");
    subscriber.assert_sound().await;
}

/// The bank opens the payment of the first renewal, and its answer is lost; returns the time of the charge.
async fn lose_opened_payment(subscriber: &TestSubscriber) -> DateTime<Utc> {
    subscriber.sandbox.bank.control.script(Script::next("/v2/Init", Act::ServeThenCut));
    subscriber.advance_to("2027-02-28", "00:00:01").await;
    let charge_at = subscriber.last_invoice().await.charge_at.unwrap();
    subscriber.advance_until(charge_at + chrono::TimeDelta::seconds(1)).await;
    charge_at
}

/// The bank has opened the payment with another amount, and its answer was lost: the next run, or the question, finds it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payment_of_another_amount_is_cancelled_and_the_charge_made_anew(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    lose_opened_payment(&subscriber).await;
    let bank = &subscriber.sandbox.bank;
    let opened = bank.state.payments().pop().unwrap();
    let order = serde_json::json!({
        "Success": true, "ErrorCode": "0", "OrderId": opened.order_id,
        "Payments": [{
            "PaymentId": opened.id, "Amount": opened.amount - 1, "Status": "NEW", "Success": true, "ErrorCode": 0,
        }],
    });
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: order.to_string() };
    bank.control.script(Script::next("/v2/CheckOrder", answer));
    subscriber.advance_to("2027-03-03", "00:00:00").await;
    let renewed = subscriber.last_invoice().await;
    assert_eq!(renewed.state, InvoiceState::Paid);
    let attempts = subscriber.attempts(renewed.id).await;
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert_eq!(attempts[0].payment_id.as_deref(), Some(opened.id.as_str()));
    assert_eq!(attempts[0].status.as_ref().unwrap().name(), "CANCELED");
    assert_eq!(attempts[0].error_code.as_deref(), Some("other_amount"));
    assert_eq!((attempts[0].state, attempts[1].state), (AttemptState::Failed, AttemptState::Paid));
    assert_eq!(subscriber.calls("Charge"), 1, "the other payment is not charged");
    subscriber.assert_sound().await;
}

/// A question has found the payment whose `Init` was not answered, and the job that was to charge it has died for good.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payment_that_a_question_has_found_is_charged_although_its_job_is_lost(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let charge_at = lose_opened_payment(&subscriber).await;
    let bank = &subscriber.sandbox.bank;
    let renewal = subscriber.last_invoice().await;
    let attempt = subscriber.attempts(renewal.id).await.remove(0);
    assert_eq!((attempt.state, attempt.payment_id.as_deref()), (AttemptState::Opening, None));
    let found = "UPDATE invoice_payments SET payment_id = ? WHERE id = ?";
    let opened = bank.state.payments().pop().unwrap().id;
    let found = sqlx::query(found).bind(&opened).bind(attempt.id.to_string());
    found.execute(&subscriber.sandbox.pool).await.unwrap();
    let lost = sqlx::query("DELETE FROM jobs WHERE kind = 'billing.charge_invoice'");
    assert!(lost.execute(&subscriber.sandbox.pool).await.unwrap().rows_affected() > 0, "it waits");
    subscriber.advance_until(charge_at + chrono::TimeDelta::minutes(10)).await;
    let attempts = subscriber.attempts(renewal.id).await;
    assert_eq!((attempts.len(), attempts[0].state), (1, AttemptState::Paid));
    assert_eq!(attempts[0].payment_id, Some(opened));
    assert_eq!(subscriber.calls("Charge"), 1);
    subscriber.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_that_never_started_is_cancelled_after_an_hour_and_made_anew(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.sandbox.bank.control.script(Script::next("/v2/Charge", Act::Cut));
    let events = subscriber.advance_to("2027-03-03", "00:00:00").await;
    let renewed = subscriber.last_invoice().await;
    let attempts = subscriber.attempts(renewed.id).await;
    assert_eq!(attempts.len(), 2);
    assert_ne!(attempts[0].id, attempts[1].id, "a new order");
    assert_eq!(attempts[0].status.as_ref().unwrap().name(), "CANCELED");
    assert_eq!((attempts[0].state, attempts[1].state), (AttemptState::Failed, AttemptState::Paid));
    let at = |path| events.iter().find(|event| event.what.is_call(path)).map(|event| event.at);
    let (charged, cancelled) = (at("/v2/Charge").unwrap(), at("/v2/Cancel").unwrap());
    assert!(cancelled - charged >= chrono::TimeDelta::hours(1), "{charged} {cancelled}");
    assert!(attempts[1].created_at >= cancelled);
    subscriber.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_in_doubt_at_the_bank_is_waited_for(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.script(vec![Ending::Hangs]);
    subscriber.advance_to("2027-02-28", "20:00:00").await;
    let open = subscriber.last_invoice().await;
    assert_eq!(open.state, InvoiceState::Open);
    assert_eq!(
        (subscriber.attempts(open.id).await.len(), subscriber.calls("Charge")),
        (1, 1),
        "no other attempt meanwhile"
    );
    let payment = subscriber.attempts(open.id).await[0].payment_id.clone().unwrap();
    subscriber.sandbox.bank.state.settle(&payment, Ending::Paid).unwrap();
    subscriber.run_due().await;
    assert_eq!(subscriber.current().await.state, SubscriptionState::Active);
    subscriber.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn notifications_doubled_reordered_and_late_change_nothing(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    for (behaviour, month) in [
        (
            Behaviour { notification_copies: 3, notification_order: Order::Reversed, ..Behaviour::default() },
            "2027-03-01",
        ),
        (Behaviour { notification_delay_s: 2 * 86_400, ..Behaviour::default() }, "2027-04-02"),
    ] {
        subscriber.sandbox.bank.state.behave(behaviour);
        subscriber.advance_to(month, "12:00:00").await;
        assert_eq!(subscriber.current().await.state, SubscriptionState::Active);
    }
    subscriber.advance_days(5).await;
    assert_eq!(subscriber.calls("Charge"), 2);
    subscriber.assert_sound().await;
}

/// Terminal of another seller.
const THEIR_TERMINAL: &str = "1700000000000THEIR";
/// Its password; valid in the simulator only.
const THEIR_PASSWORD: &str = "their-password-of-a-test";

/// A seller signs what it likes with the password of its own terminal.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_notification_of_another_sellers_terminal_pays_nothing(pool: MySqlPool) {
    let subscriber = TestSubscriber::open(pool).await;
    let sandbox = &subscriber.sandbox;
    sandbox.bank.state.add_terminal(Terminal {
        key: THEIR_TERMINAL.to_owned(),
        password: THEIR_PASSWORD.to_owned(),
        notification_url: Some(format!("{}/hooks/tbank", sandbox.api_url)),
        cash_register: true,
        charge_enabled: true,
        blocked: false,
    });
    let widget = subscriber.row().await.widget_id;
    let mut conn = sandbox.pool.acquire().await.unwrap();
    let seller = vendors::find_vendor_of_widget(&mut conn, widget).await.unwrap().expect("a seller");
    let id = VendorId::generate(&sandbox.clock);
    let sealed = sandbox.executor.app().keyring.seal(&THEIR_PASSWORD.into(), &aad::terminal_password(id));
    let theirs = Vendor {
        id,
        code: "theirs".to_owned(),
        terminal_key: Some(THEIR_TERMINAL.to_owned()),
        terminal_password_sealed: Some(sealed.unwrap()),
        ..seller
    };
    vendors::insert_vendor(&mut conn, &theirs).await.unwrap();
    drop(conn);
    let change = Change::Start { plan: subscriber.plan, seats: SEATS, length: PeriodLength::Month };
    let invoice = subscriber.order(change).await.unwrap().expect("a start costs money");
    let attempt = subscriber.open_form(invoice.id).await;
    let forged = Forged {
        payment_id: attempt.payment_id.clone().expect("a payment"),
        status: Some("CONFIRMED".to_owned()),
        error_code: Some(0),
        terminal_key: Some(THEIR_TERMINAL.to_owned()),
        ..Forged::default()
    };
    sandbox.bank.state.forge(&forged).unwrap();
    subscriber.run_due().await;
    let accepted =
        sandbox.bank.state.deliveries().iter().map(|delivery| delivery.accepted).collect::<Vec<_>>();
    assert_eq!(accepted, [true], "its signature is right");
    assert_eq!(subscriber.last_invoice().await.state, InvoiceState::Open);
    assert_eq!(subscriber.attempts(invoice.id).await[0].state, AttemptState::Open);
    subscriber.pay(&attempt, GOOD_CARD);
    subscriber.run_due().await;
    assert_eq!(subscriber.last_invoice().await.state, InvoiceState::Paid, "the bank's own one still counts");
    subscriber.assert_sound().await;
}
