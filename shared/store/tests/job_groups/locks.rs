//! Rows that stay locked: they delay nothing that concerns other jobs.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use flysk_store::jobs::{self, Fence};
use sqlx::MySqlPool;

use crate::{Fixture, ids, starting};

/// Shorter than the wait for a lock, 10 s.
const NO_WAIT: Duration = Duration::from_secs(5);

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_locked_row_keeps_no_other_from_being_claimed(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let (free, locked, also_free) =
        (all.insert(3, None).await, all.insert(3, Some("key")).await, all.insert(3, None).await);
    let mut elsewhere = all.pool.begin().await.unwrap();
    assert!(jobs::expedite(&mut elsewhere, "test.work", "key", all.now()).await.unwrap());

    let wanted = [free, locked, also_free].map(starting);
    let claimed = tokio::time::timeout(NO_WAIT, all.claim_many(&wanted)).await.unwrap();
    assert_eq!(ids(&claimed), BTreeSet::from([free, also_free]));

    elsewhere.commit().await.unwrap();
    assert!(all.claim(locked).await.is_some(), "it can be claimed alone");
}

/// A worker may have lost the network in the middle of a transaction. The rescue of other jobs does not wait for it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn expired_jobs_whose_row_is_locked_are_left_out(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let (locked, free) = (all.insert(3, None).await, all.insert(3, None).await);
    all.claim_many(&[locked, free].map(starting)).await;
    let at = all.now() + TimeDelta::seconds(31);
    let expired = async || {
        let mut conn = all.conn().await;
        let listing = tokio::time::timeout(NO_WAIT, jobs::list_expired(&mut conn, at, 10));
        let found = listing.await.unwrap().unwrap(); // in time: it waits for no lock
        found.into_iter().map(|lease| lease.fence.job).collect::<BTreeSet<_>>()
    };
    let mut open = all.pool.begin().await.unwrap();
    assert!(jobs::lock_if_owned(&mut open, Fence { job: locked, number: 1 }).await.unwrap());
    assert_eq!(expired().await, BTreeSet::from([free]));
    open.rollback().await.unwrap();
    assert_eq!(expired().await, BTreeSet::from([locked, free]));
}

/// A worker may have vanished with many open transactions. The jobs that they lock are those whose leases expired first, more than
/// one rescue takes.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn expired_jobs_whose_row_is_locked_hide_no_others(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let mut held = Vec::new();
    for second in 0..7 {
        let id = all.insert(3, None).await;
        // Two leases each expire at the same time.
        let until = all.until() + TimeDelta::seconds(second / 2);
        let lease = jobs::claim(&mut *all.conn().await, id, "worker", until, all.now()).await.unwrap();
        held.push(lease.unwrap().fence);
    }
    let at = all.until() + TimeDelta::seconds(10);
    let expired = async |limit: u32| {
        let mut conn = all.conn().await;
        let listing = tokio::time::timeout(NO_WAIT, jobs::list_expired(&mut conn, at, limit));
        let found = listing.await.unwrap().unwrap(); // in time: it waits for no lock
        found.into_iter().map(|lease| lease.fence).collect::<Vec<_>>()
    };
    let mut open = all.pool.begin().await.unwrap();
    for fence in &held[..5] {
        assert!(jobs::lock_if_owned(&mut open, *fence).await.unwrap());
    }
    assert_eq!(expired(1).await, held[5..6]);
    for limit in 2..9 {
        assert_eq!(expired(limit).await, held[5..], "limit {limit}");
    }
    open.rollback().await.unwrap();
    assert_eq!(expired(3).await.len(), 3);
    assert_eq!(expired(9).await.len(), held.len());
}

/// All leases of a process are extended together. They do not wait for a handler whose transaction has locked its job and waits for
/// something, and would all expire meanwhile.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_locked_row_keeps_no_other_lease_from_being_extended(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let (locked, free) = (all.insert(3, None).await, all.insert(3, None).await);
    all.claim_many(&[locked, free].map(starting)).await;
    let later = all.until() + TimeDelta::seconds(10);
    let extend = async |owner: &str| {
        let (mut conn, ids) = (all.conn().await, [locked, free]);
        let extending = jobs::extend_leases(&mut conn, owner, &ids, later);
        tokio::time::timeout(NO_WAIT, extending).await.unwrap().unwrap() // in time: it waits for no lock
    };
    let mut open = all.pool.begin().await.unwrap();
    assert!(jobs::lock_if_owned(&mut open, Fence { job: locked, number: 1 }).await.unwrap());
    assert_eq!(extend("worker").await, BTreeSet::from([free]));
    open.commit().await.unwrap();
    assert_eq!(all.row(locked).await.lease_until, Some(all.until()));
    assert_eq!(all.row(free).await.lease_until, Some(later));

    extend("another").await;
    assert_eq!(all.row(locked).await.lease_until, Some(all.until()), "it is not its own");
    all.complete_many(1, &[free]).await;
    extend("worker").await;
    assert_eq!(all.row(locked).await.lease_until, Some(later));
    assert_eq!(all.row(free).await.lease_until, None, "it has ended");
}

/// After Redis lost its data, a row that stays locked keeps no other job from being pushed again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn what_was_pushed_is_pushed_again_but_for_locked_rows(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let mut pushed = Vec::new();
    for _ in 0..5 {
        pushed.push(all.insert(3, None).await);
    }
    let later = all.insert_at(all.now() + TimeDelta::seconds(5), 3, None).await.unwrap();
    jobs::defer_push(&mut *all.conn().await, &pushed, all.until()).await.unwrap();
    let again = async || {
        let mut tx = all.pool.begin().await.unwrap();
        let deferred = jobs::list_deferred(&mut tx, all.now(), all.until(), 100).await.unwrap();
        assert!(!deferred.contains(&later), "it is not due");
        let again = tokio::time::timeout(NO_WAIT, jobs::push_again(&mut tx, &deferred, all.now()));
        let again = again.await.unwrap().unwrap(); // in time: it waits for no lock
        tx.commit().await.unwrap();
        again
    };
    let due = async || {
        let due = jobs::list_due(&mut *all.conn().await, all.now(), 100).await.unwrap();
        due.into_iter().map(|job| job.id).collect::<BTreeSet<_>>()
    };
    let mut open = all.pool.begin().await.unwrap();
    jobs::defer_push(&mut open, &pushed[..1], all.until()).await.unwrap();
    assert_eq!((again().await, again().await), (4, 0));
    assert_eq!(due().await, pushed[1..].iter().copied().collect());
    open.rollback().await.unwrap();
    assert_eq!((again().await, again().await), (1, 0));
    assert_eq!(due().await, pushed.iter().copied().collect());
}

/// A deferral that comes late finds a job that was claimed and snoozed meanwhile. Relays would select it again and again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_that_begins_later_is_not_due_by_a_deferral(pool: MySqlPool) {
    let all = Fixture::on(pool);
    let later = all.insert_at(all.now() + TimeDelta::seconds(5), 3, None).await.unwrap();
    jobs::defer_push(&mut *all.conn().await, &[later], all.now()).await.unwrap();
    let due = jobs::list_due(&mut *all.conn().await, all.now(), 100).await.unwrap();
    assert_eq!(due, []);
}
