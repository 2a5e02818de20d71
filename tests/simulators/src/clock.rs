//! The simulators' clock: system time plus an offset that tests can set, or a frozen time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Duration, NaiveTime, Utc};
use flysk_domain::{Clock, SystemClock};
use flysk_domain::{Randomness, SequentialRandomness};
use tokio::sync::{Notify, watch};

use crate::lock::locked;

/// System time plus an offset, or a frozen time. Clones share it.
///
/// All expirations, retries and delays of simulators use this clock: advancing it by a day expires a one-day
/// token at once.
#[derive(Debug, Clone)]
pub struct SimClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    time: watch::Sender<Time>,
    work: Mutex<BTreeSet<(DateTime<Utc>, u64)>>,
    /// Number of the next entry of `work`.
    next: Mutex<u64>,
    /// Told of every end of work.
    ended: Notify,
}

#[derive(Debug, Clone, Copy)]
enum Time {
    /// Offset to the system's time.
    Running(Duration),
    /// A time that changes only when it is set.
    Frozen(DateTime<Utc>),
}

impl Time {
    fn now(self) -> DateTime<Utc> {
        match self {
            Self::Running(offset) => SystemClock.now() + offset,
            Self::Frozen(at) => at,
        }
    }

    fn shifted(self, by: Duration) -> Option<Self> {
        Some(match self {
            Self::Running(offset) => Self::Running(offset.checked_add(&by)?),
            Self::Frozen(at) => Self::Frozen(at.checked_add_signed(by)?),
        })
    }
}

/// Work of a simulator that is due since a time of the clock. It ends with the drop of this value.
#[derive(Debug)]
pub struct DueWork {
    clock: SimClock,
    entry: (DateTime<Utc>, u64),
}

impl Drop for DueWork {
    fn drop(&mut self) {
        locked(&self.clock.0.work).remove(&self.entry);
        self.clock.0.ended.notify_waiters();
    }
}

impl Default for SimClock {
    fn default() -> Self {
        let time = watch::Sender::new(Time::Running(Duration::zero()));
        Self(Arc::new(Inner { time, work: Mutex::default(), next: Mutex::default(), ended: Notify::new() }))
    }
}

impl SimClock {
    /// A running clock that shows noon (UTC) of the system's day: a test that advances it by some hours stays within that day, at
    /// whatever time it runs.
    pub fn at_noon() -> Self {
        let clock = Self::default();
        clock.set(clock.now().date_naive().and_time(NaiveTime::MIN).and_utc() + Duration::hours(12));
        clock
    }

    /// A clock that shows `at` until it is set or advanced.
    pub fn frozen(at: DateTime<Utc>) -> Self {
        let clock = Self::default();
        clock.0.time.send_replace(Time::Frozen(at));
        clock
    }

    /// From now on the clock changes only when it is set or advanced: a test that counts requests per second does not depend on
    /// how long they take.
    pub fn freeze(&self) {
        self.0.time.send_modify(|time| *time = Time::Frozen(time.now()));
    }

    /// Whether the clock changes only when it is set or advanced.
    pub fn is_frozen(&self) -> bool {
        matches!(*self.0.time.borrow(), Time::Frozen(_))
    }

    /// Advances the clock, or sets it back if `by` is negative.
    pub fn advance(&self, by: Duration) {
        self.0.time.send_modify(|time| *time = time.shifted(by).unwrap_or(*time));
    }

    /// Sets the current time to `to`; the clock continues from there, unless it is frozen.
    pub fn set(&self, to: DateTime<Utc>) {
        self.0.time.send_modify(|time| {
            *time = match time {
                Time::Running(_) => Time::Running(to - SystemClock.now()),
                Time::Frozen(_) => Time::Frozen(to),
            };
        });
    }

    /// Completes when the clock shows `moment` or later, whether by waiting or by setting the clock. The work that
    /// follows counts as due until the returned value is dropped. It is registered before the future is polled.
    pub fn sleep_until(&self, moment: DateTime<Utc>) -> impl Future<Output = DueWork> + Send + use<> {
        let work = self.register(moment);
        let mut time = self.0.time.subscribe();
        async move {
            loop {
                let shown = *time.borrow_and_update();
                let left = (moment - shown.now()).to_std().unwrap_or_default();
                if left.is_zero() {
                    return work;
                }
                let wait = async {
                    match shown {
                        Time::Running(_) => tokio::time::sleep(left).await,
                        Time::Frozen(_) => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = wait => {}
                    changed = time.changed() => {
                        if changed.is_err() {
                            return work;
                        }
                    }
                }
            }
        }
    }

    /// Marks work that is due now.
    pub fn begin_work(&self) -> DueWork {
        self.register(self.now())
    }

    /// Whether a simulator has work that is due and not finished.
    pub fn has_due_work(&self) -> bool {
        let now = self.now();
        locked(&self.0.work).first().is_some_and(|(due, _)| *due <= now)
    }

    /// Completes when no simulator has work that is due.
    pub async fn until_idle(&self) {
        loop {
            // Registered before the look, so that an end between the two is not missed.
            let ended = self.0.ended.notified();
            if !self.has_due_work() {
                return;
            }
            ended.await;
        }
    }

    /// The next time at which a simulator has work to do; `None` if there is none.
    pub fn next_work(&self) -> Option<DateTime<Utc>> {
        let now = self.now();
        locked(&self.0.work).iter().map(|(due, _)| *due).find(|due| *due > now)
    }

    fn register(&self, due: DateTime<Utc>) -> DueWork {
        let number = {
            let mut next = locked(&self.0.next);
            *next += 1;
            *next
        };
        let entry = (due, number);
        locked(&self.0.work).insert(entry);
        DueWork { clock: self.clone(), entry }
    }
}

impl Randomness for SimClock {
    fn random_u128(&self) -> u128 {
        SequentialRandomness.random_u128()
    }
}

impl Clock for SimClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.time.borrow().now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleep_until_returns_when_the_clock_is_advanced_past_the_moment() {
        for clock in [SimClock::default(), SimClock::frozen(SystemClock.now())] {
            let sleeper = tokio::spawn(clock.sleep_until(clock.now() + Duration::hours(1)));
            tokio::task::yield_now().await;
            clock.advance(Duration::minutes(59));
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            assert!(!sleeper.is_finished());
            clock.advance(Duration::minutes(2));
            tokio::time::timeout(std::time::Duration::from_mins(2), sleeper).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn the_clock_knows_its_due_work_and_the_next() {
        let clock = SimClock::frozen(SystemClock.now());
        let in_an_hour = clock.now() + Duration::hours(1);
        let sleeper = tokio::spawn(clock.sleep_until(in_an_hour));
        assert_eq!((clock.has_due_work(), clock.next_work()), (false, Some(in_an_hour)));
        clock.set(in_an_hour);
        assert_eq!((clock.has_due_work(), clock.next_work()), (true, None));
        let work = sleeper.await.unwrap();
        assert!(clock.has_due_work(), "woken, and not finished");
        drop(work);
        assert!(!clock.has_due_work());
        assert_eq!(clock.now(), in_an_hour, "a frozen clock does not run");
    }

    #[tokio::test]
    async fn whoever_waits_for_idle_simulators_is_woken_by_the_end_of_the_last_work() {
        let clock = SimClock::frozen(SystemClock.now());
        clock.until_idle().await;
        let works = [clock.begin_work(), clock.begin_work()];
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.until_idle().await }
        });
        let [first, last] = works;
        tokio::task::yield_now().await;
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(last);
        tokio::time::timeout(std::time::Duration::from_mins(2), waiting).await.unwrap().unwrap();
    }
}
