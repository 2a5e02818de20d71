//! A month of figures as the job that computes them leaves them on a platform with some hundred customers.

use chrono::{Datelike as _, Days, NaiveDate, Weekday};
use flysk_domain::Clock as _;
use flysk_domain::admin::Figure;
use flysk_store::admin::figures;
use sqlx::MySqlPool;

use super::harness::Panel;

/// Days that the start page shows.
const DAYS: u64 = 30;
/// Price of the package and its coins with the bonus.
const PACKAGE_KOPECKS: i64 = 50_000;
const PACKAGE_MICRO: i64 = 550_000_000;
/// Price of a month of three seats, kopecks.
const MONTH_KOPECKS: i64 = 149_700;
/// Recognized audio of a call, seconds.
const CALL_SECONDS: i64 = 171;
/// Price of its recognition and its summary, micro-Flycoins.
const CALL_MICRO: i64 = 8_125_000;

/// Writes all figures of the last 30 days, except what waits now: the job has counted that, and the lists beside it show the same.
pub(super) async fn write(panel: &Panel) {
    let now = panel.app.clock.now();
    let mut tx = panel.app.pool.begin().await.unwrap();
    for figure in Figure::ALL {
        for ago in u64::from(waits(*figure))..DAYS {
            let day = now.date_naive() - Days::new(ago);
            let amount = amount(*figure, day, i64::try_from(ago).unwrap());
            figures::write(&mut tx, *figure, day, amount, now).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
}

/// Whether the figure is of rows that wait for somebody.
const fn waits(figure: Figure) -> bool {
    figure.is_present_state() && !figure.is_slow()
}

fn amount(figure: Figure, day: NaiveDate, ago: i64) -> i64 {
    let calls = of_day(1_240, day, ago, 1);
    let failed = calls / 190;
    let packages = of_day(23, day, ago, 2);
    let conversions = of_day(7, day, ago, 3);
    match figure {
        Figure::Calls => calls,
        Figure::CallsFailed => failed,
        Figure::SecondsBilled => (calls - failed) * CALL_SECONDS,
        Figure::CoinsSpent => (calls - failed) * CALL_MICRO,
        Figure::Revenue => packages * PACKAGE_KOPECKS,
        Figure::CoinsSold => packages * PACKAGE_MICRO,
        Figure::Conversions => conversions,
        Figure::SubscriptionRevenue => (conversions + of_day(16, day, ago, 4)) * MONTH_KOPECKS,
        Figure::TrialsStarted => of_day(12, day, ago, 5),
        Figure::InstallsNew => of_day(15, day, ago, 6),
        Figure::InstallsActive => 431 - 4 * ago,
        Figure::Trials => 74 - ago,
        Figure::SubscriptionsActive => 302 - 3 * ago,
        Figure::Refunds => on_days(&[4, 17], ago) * PACKAGE_KOPECKS,
        Figure::SubscriptionRefunds => on_days(&[9, 22], ago) * MONTH_KOPECKS,
        Figure::EventsFailed => 3 * on_days(&[12, 13], ago),
        Figure::InstallsReconnect => on_days(&[5, 6, 19, 20, 21], ago),
        Figure::SubscriptionsInReview => on_days(&[15, 16], ago),
        Figure::PaymentsInReview => on_days(&[8], ago),
        Figure::PurchasesInReview => on_days(&[6, 24], ago),
        Figure::CallsNoBalance => 6 * on_days(&[2, 3, 10, 11, 12], ago),
        Figure::JobsQueued => of_day(9, day, ago, 7),
        Figure::JobsOldest => of_day(3, day, ago, 8),
        Figure::JobsDead => 2 * on_days(&[11], ago),
    }
}

/// An amount of a day: less at weekends and earlier in the month, and never quite what one expects.
fn of_day(usual: i64, day: NaiveDate, ago: i64, seed: i64) -> i64 {
    let busy = match day.weekday() {
        Weekday::Sat => 45,
        Weekday::Sun => 35,
        _ => 100,
    };
    let chance = 88 + (16 * ago + 15 * seed) % 25;
    usual * busy * chance * (1_000 - 9 * ago) / 10_000_000
}

/// 1 on these days.
fn on_days(days: &[i64], ago: i64) -> i64 {
    i64::from(days.contains(&ago))
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_month_of_figures_is_a_line_in_each_tile(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let count = |page: &str, text: &str| page.matches(text).count();
    let page = signed.page("/").await;
    let all = Figure::ALL.len();
    assert_eq!((count(&page, "<path class=\"axis\""), count(&page, "нет данных</div>")), (all, all));
    assert_eq!(count(&page, "class=\"line\" d=\"M"), 0, "nobody has computed anything");
    write(&panel).await;
    let page = signed.page("/").await;
    assert_eq!(count(&page, "class=\"line\" d=\"M"), all);
    let waiting = Figure::ALL.iter().filter(|figure| waits(**figure)).count();
    assert_eq!(count(&page, "нет данных</div>"), waiting, "the job has not counted what waits");
}
