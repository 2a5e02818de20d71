//! Periods of handshakes: continued by the handshakes of every process, until a long break.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::SystemClock;
use flysk_domain::id::InstallId;
use flysk_domain::platform::handshakes::{HandshakeMoment, HandshakePeriod, handshake_moments};
use flysk_store::platform::handshake_periods::{self, SeenHandshakes};
use sqlx::MySqlPool;

fn day(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_796_000_000, 0).unwrap() + TimeDelta::days(day)
}

fn seen(install_id: InstallId, first: i64, last: i64, handshakes: u64) -> SeenHandshakes {
    SeenHandshakes { install_id, first_at: day(first), last_at: day(last), handshakes }
}

fn period(began: i64, last: i64, handshakes: u64) -> HandshakePeriod {
    HandshakePeriod { began_at: day(began), last_at: day(last), handshakes }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_period_goes_on_until_a_week_passes_without_handshakes(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let (busy, rare) = (InstallId::generate(&SystemClock), InstallId::generate(&SystemClock));
    let mut both = [busy, rare];
    both.sort();
    handshake_periods::add(&mut conn, &both.map(|install| seen(install, 0, 0, 2))).await.unwrap();
    for (first, last) in [(3, 4), (10, 10), (2, 2)] {
        handshake_periods::add(&mut conn, &[seen(busy, first, last, 1)]).await.unwrap();
    }
    handshake_periods::add(&mut conn, &both.map(|install| seen(install, 12, 12, 1))).await.unwrap();
    let listed = handshake_periods::list_before(&mut conn, busy, day(100), 10).await.unwrap();
    assert_eq!(listed, [period(0, 12, 6)], "an older report does not move the end back");
    let listed = handshake_periods::list_before(&mut conn, rare, day(100), 10).await.unwrap();
    assert_eq!(listed, [period(12, 12, 1), period(0, 0, 2)], "newest first");
    let found = HandshakeMoment::Found(TimeDelta::days(12));
    assert!(handshake_moments(&listed, day(13)).contains(&(day(12), found)));
    let before = handshake_periods::list_before(&mut conn, rare, day(12), 10).await.unwrap();
    assert_eq!(before, [period(0, 0, 2)]);
    assert_eq!(handshake_periods::prune(&mut conn, day(11), 10).await.unwrap(), 1);
    assert_eq!(handshake_periods::list_before(&mut conn, rare, day(100), 10).await.unwrap().len(), 1);
}
