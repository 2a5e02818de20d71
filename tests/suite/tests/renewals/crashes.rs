//! Crashes at every step, answers lost, notifications doubled and reordered, Redis wiped: no kopeck is lost or doubled.

use flysk_sandbox::Crash;
use flysk_simulators::tbank::{Behaviour, ChargeAnswer, ChargeScript, Ending, Order};
use flysk_simulators::{Act, Script};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use sqlx::MySqlPool;

use super::crowd::{Crowd, middle_of};

/// Jobs whose worker crashes.
const JOBS: [&str; 4] = [
    "billing.advance_subscription",
    "billing.charge_invoice",
    "billing.query_invoice_payment",
    "billing.apply_tbank_notification",
];
/// Methods of the bank whose requests fail.
const METHODS: [&str; 5] = ["Init", "Charge", "GetState", "CheckOrder", "Cancel"];
/// More than the longest of these jobs goes on, so that it crashes at each of its steps in turn, or not at all.
const MAX_POLLS: u32 = 120;
/// Share of the runs with a planned crash that have to crash in a long run; the others end before.
const MIN_CRASHED_PERCENT: usize = 20;
/// One of so many members crashes a worker, has a request that fails, or unlinks the card, in every period.
const CRASHING: usize = 3;
const FAILING: usize = 12;
const UNLINKING: usize = 16;
/// Times of the day on which the cards are charged at which some are unlinked, and Redis may be wiped.
const UNLINKINGS_A_DAY: usize = 3;
/// Cards are charged until noon; whatever is repeated then is over before this time, in minutes after midnight.
const LAST_UNLINKING: u32 = 14 * 60;
/// Noon, in minutes after midnight.
const NOON: u32 = 12 * 60;

/// Size of a run.
#[derive(Clone, Copy)]
struct Size {
    subscriptions: usize,
    periods: usize,
}

/// What goes wrong in one period, for each of the members and between all of them.
fn sabotage(crowd: &Crowd, random: &mut SmallRng) {
    let (bank, size) = (&crowd.first.sandbox.bank, crowd.members.len());
    bank.control.clear_scripts();
    bank.state.behave(Behaviour {
        notification_copies: random.random_range(0..4),
        notification_order: [Order::Together, Order::InOrder, Order::Reversed][random.random_range(0..3)],
        notification_delay_s: [0, 0, 60, 90_000][random.random_range(0..4)],
        charge_waits_for_notifications: random.random_bool(0.25),
        ..Behaviour::default()
    });
    let position = |random: &mut SmallRng| u32::try_from(random.random_range(0..size)).unwrap();
    for method in METHODS {
        for _ in 0..size.div_ceil(FAILING) {
            let act = failure(random);
            bank.control
                .script(Script { skip: position(random), ..Script::next(format!("/v2/{method}"), act) });
        }
    }
    // Most jobs go on a few times only, and the early steps come more often.
    let polls = |random: &mut SmallRng| {
        let last = random.random_range(1..MAX_POLLS);
        random.random_range(1..=last)
    };
    let crashes = (0..size.div_ceil(CRASHING)).map(|_| Crash {
        kind: JOBS[random.random_range(0..JOBS.len())].to_owned(),
        skip: position(random),
        after_polls: polls(random),
    });
    crowd.first.sandbox.plan_crashes(crashes.collect());
    for member in &crowd.members {
        let charges = vec![charge(random), Ending::Paid.into(), Ending::Paid.into()];
        bank.state.script_rebill(member.rebill, charges).unwrap();
    }
}

fn failure(random: &mut SmallRng) -> Act {
    match random.random_range(0..16) {
        0..4 => Act::Cut,
        4..8 => Act::ServeThenCut,
        8..11 => Act::Answer { status: 502, headers: Vec::new(), body: "<html>".to_owned() },
        11..15 => Act::Answer { status: 429, headers: Vec::new(), body: String::new() },
        _ => Act::ServeThenHang,
    }
}

/// The first charge of a card in a period. Two of three are paid at once, and one of fifty answers never comes.
fn charge(random: &mut SmallRng) -> ChargeScript {
    let ending = match random.random_range(0..12) {
        0..8 => Ending::Paid,
        8 => Ending::Declined(1051),
        9 => Ending::Declined(1005),
        _ => Ending::LateSuccess,
    };
    let answer = match random.random_range(0..50) {
        0 => ChargeAnswer::Hangs,
        1..13 => ChargeAnswer::Lost,
        _ => ChargeAnswer::Arrives,
    };
    ChargeScript { ending, answer }
}

/// The day on which the cards are charged: some are unlinked at any time of it, and Redis is wiped.
async fn charging_day(crowd: &mut Crowd, number: usize, random: &mut SmallRng) {
    let day = crowd.boundary().await;
    let leaving: Vec<usize> =
        (0..crowd.members.len()).filter(|member| (member + number).is_multiple_of(UNLINKING)).collect();
    let mut times: Vec<u32> = (0..UNLINKINGS_A_DAY).map(|_| random.random_range(0..LAST_UNLINKING)).collect();
    times.sort_unstable();
    for (position, minutes) in times.into_iter().enumerate() {
        crowd.advance_to(day, minutes).await;
        if random.random_bool(0.2) {
            crowd.first.sandbox.wipe_redis().await.unwrap();
        }
        for member in leaving.iter().skip(position).step_by(UNLINKINGS_A_DAY) {
            crowd.unlink(*member).await;
        }
    }
}

/// Renews under faults; returns the number of jobs that crashed.
///
/// Half of the month has gone by when the next sabotage begins, and every retry has had its time. Who has unlinked the card
/// then pays on the form, which is not sabotaged.
async fn renew_under_faults(pool: MySqlPool, seed: u64, size: Size) -> usize {
    let mut crowd = Crowd::open(pool, size.subscriptions).await;
    let mut random = SmallRng::seed_from_u64(seed);
    for number in 0..size.periods {
        sabotage(&crowd, &mut random);
        let boundary = crowd.boundary().await;
        charging_day(&mut crowd, number, &mut random).await;
        crowd.advance_to(middle_of(boundary), NOON).await;
        let bank = &crowd.first.sandbox.bank;
        bank.control.clear_scripts();
        bank.state.behave(Behaviour::default());
        crowd.first.sandbox.plan_crashes(Vec::new());
        crowd.pay_by_hand().await;
        crowd.assert_sound(boundary).await;
    }
    assert_eq!(crowd.in_review().await, 0);
    assert_eq!(crowd.paid_renewals().await, size.subscriptions * size.periods);
    crowd.crashes
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn renewals_under_random_faults_are_each_paid_once(pool: MySqlPool) {
    Box::pin(renew_under_faults(pool, 7, Size { subscriptions: 8, periods: 2 })).await;
}

/// A quarter of 10,000 renewals. Several run at the same time: each of them waits for answers that never come.
async fn renew_a_quarter(pool: MySqlPool, seed: u64) {
    let size = Size { subscriptions: 125, periods: 20 };
    let crashes = Box::pin(renew_under_faults(pool, seed, size)).await;
    let planned = size.subscriptions.div_ceil(CRASHING) * size.periods;
    assert!(crashes * 100 >= planned * MIN_CRASHED_PERCENT, "only {crashes} of {planned} jobs crashed");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
#[ignore = "takes about 20 minutes: 2,500 of 10,000 renewals"]
async fn the_first_quarter_of_ten_thousand_renewals_under_random_faults_are_each_paid_once(pool: MySqlPool) {
    renew_a_quarter(pool, 11).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
#[ignore = "takes about 20 minutes: 2,500 of 10,000 renewals"]
async fn the_second_quarter_of_ten_thousand_renewals_under_random_faults_are_each_paid_once(pool: MySqlPool) {
    renew_a_quarter(pool, 12).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
#[ignore = "takes about 20 minutes: 2,500 of 10,000 renewals"]
async fn the_third_quarter_of_ten_thousand_renewals_under_random_faults_are_each_paid_once(pool: MySqlPool) {
    renew_a_quarter(pool, 13).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
#[ignore = "takes about 20 minutes: 2,500 of 10,000 renewals"]
async fn the_last_quarter_of_ten_thousand_renewals_under_random_faults_are_each_paid_once(pool: MySqlPool) {
    renew_a_quarter(pool, 14).await;
}
