//! Crashes at every step, answers lost, notifications doubled, Redis wiped: no kopeck is lost or doubled.

use chrono::{NaiveDate, TimeDelta};
use flysk_domain::platform::subscriptions::SubscriptionState;
use flysk_simulators::tbank::{Behaviour, ChargeAnswer, ChargeScript, Ending, Order};
use flysk_simulators::{Act, Script};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use sqlx::MySqlPool;

use super::harness::{GOOD_CARD, TestSubscriber};

/// Jobs whose worker crashes.
const JOBS: [&str; 4] = [
    "billing.advance_subscription",
    "billing.charge_invoice",
    "billing.query_invoice_payment",
    "billing.apply_tbank_notice",
];
/// More than the longest of these jobs goes on, so that it crashes at each of its steps in turn, or not at all.
const MAX_POLLS: u32 = 120;
/// The card is unlinked in one of so many renewals.
const UNLINKING: usize = 8;
/// Time after a charge in which the subscription is extended, if the bank has not declined it first.
const MAX_DELAY: TimeDelta = TimeDelta::minutes(15);

/// What goes wrong in one renewal.
fn sabotage(subscriber: &TestSubscriber, random: &mut SmallRng) {
    let bank = &subscriber.sandbox.bank;
    bank.control.clear_scripts();
    bank.state.behave(Behaviour {
        notification_copies: random.random_range(0..4),
        notification_order: [Order::Together, Order::InOrder, Order::Reversed][random.random_range(0..3)],
        notification_delay_s: [0, 0, 60, 90_000][random.random_range(0..4)],
        ..Behaviour::default()
    });
    let act = |random: &mut SmallRng| match random.random_range(0..5) {
        0 => Act::Cut,
        1 => Act::ServeThenCut,
        2 => Act::Answer { status: 502, headers: Vec::new(), body: "<html>".to_owned() },
        3 => Act::Answer { status: 429, headers: Vec::new(), body: String::new() },
        _ => Act::Serve,
    };
    if random.random_bool(0.7) {
        let kind = JOBS[random.random_range(0..JOBS.len())];
        subscriber.sandbox.plan_crash(kind, random.random_range(1..MAX_POLLS));
    }
    for method in ["Init", "Charge", "GetState", "CheckOrder", "Cancel"] {
        let skip = random.random_range(0..2);
        let script = Script { skip, ..Script::next(format!("/v2/{method}"), act(random)) };
        bank.control.script(script);
    }
    let answer = [ChargeAnswer::Arrives, ChargeAnswer::Lost][random.random_range(0..2)];
    let ending =
        [Ending::Paid, Ending::Paid, Ending::Declined(1051), Ending::LateSuccess][random.random_range(0..4)];
    subscriber.script(vec![ChargeScript { ending, answer }, Ending::Paid.into(), Ending::Paid.into()]);
}

/// The card is unlinked at any time of the day on which it is to be charged: nothing is charged afterwards.
async fn unlink_and_expect_no_charge(subscriber: &TestSubscriber, day: NaiveDate, random: &mut SmallRng) {
    let minutes = random.random_range(0..14 * 60);
    let time = format!("{:02}:{:02}:00", minutes / 60, minutes % 60);
    subscriber.advance_to(&day.to_string(), &time).await;
    subscriber.unlink().await;
    let charges = subscriber.calls("Charge");
    subscriber.advance_days(2).await;
    assert_eq!(subscriber.calls("Charge"), charges, "unlinked at {day} {time}");
}

/// The customer pays the period that no card pays any more, with a card that is saved again. The form is not sabotaged.
async fn pay_by_hand(subscriber: &TestSubscriber) {
    subscriber.sandbox.bank.control.clear_scripts();
    subscriber.sandbox.bank.state.behave(Behaviour::default());
    if subscriber.current().await.state == SubscriptionState::Active {
        let until = subscriber.current().await.period.expect("a period").until;
        subscriber.advance_to(&until.to_string(), "12:00:00").await;
    }
    let open = subscriber.last_invoice().await;
    let attempt = subscriber.open_form(open.id).await;
    subscriber.pay(&attempt, GOOD_CARD);
    subscriber.settle().await;
}

/// The last invoices were settled soon after the charges that paid them. A charge that the bank declined first succeeds
/// whenever the bank says so.
async fn assert_extended_in_time(subscriber: &TestSubscriber) {
    for invoice in subscriber.last_invoices(2).await {
        for attempt in subscriber.attempts(invoice.id).await {
            let payment =
                attempt.payment_id.as_deref().and_then(|id| subscriber.sandbox.bank.state.payment(id));
            let declined = payment.is_none_or(|payment| payment.history.iter().any(|was| was == "REJECTED"));
            let (Some(sent), Some(paid), false) = (attempt.charge_sent_at, attempt.paid_at, declined) else {
                continue;
            };
            assert!(paid - sent <= MAX_DELAY, "charged at {sent}, extended at {paid}");
        }
    }
}

/// Renews under faults; returns the number of jobs that crashed.
async fn renew_under_faults(pool: MySqlPool, seed: u64, renewals: usize) -> usize {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let mut random = SmallRng::seed_from_u64(seed);
    let mut crashes = 0;
    for number in 0..renewals {
        sabotage(&subscriber, &mut random);
        // Half of the month has gone by when the next sabotage begins, and every retry has had its time.
        let until = subscriber.current().await.period.expect("a period").until;
        let middle = until + chrono::Days::new(12);
        if random.random_bool(0.2) {
            subscriber.sandbox.wipe_redis().await.unwrap();
        }
        let unlinks = number % UNLINKING == UNLINKING - 1;
        if unlinks {
            unlink_and_expect_no_charge(&subscriber, until, &mut random).await;
        }
        let events = subscriber.advance_to(&middle.to_string(), "12:00:00").await;
        crashes += events.iter().filter(|event| event.what.has_crashed()).count();
        if unlinks {
            pay_by_hand(&subscriber).await;
        }
        assert_eq!(
            subscriber.current().await.state,
            SubscriptionState::Active,
            "renewal {number} of seed {seed}"
        );
        subscriber.assert_last_sound(3).await;
        assert_extended_in_time(&subscriber).await;
    }
    subscriber.assert_sound().await;
    let stuck: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM invoice_payments WHERE state = 'review'")
        .fetch_one(&subscriber.sandbox.pool)
        .await
        .unwrap();
    assert_eq!(stuck, 0);
    crashes
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn renewals_under_random_faults_are_each_paid_once(pool: MySqlPool) {
    renew_under_faults(pool, 7, 16).await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
#[ignore = "takes hours: 10,000 renewals"]
async fn ten_thousand_renewals_under_random_faults_are_each_paid_once(pool: MySqlPool) {
    let crashes = renew_under_faults(pool, 11, 10_000).await;
    assert!(crashes > 1_000, "only {crashes} jobs crashed");
}
