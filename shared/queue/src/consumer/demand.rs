//! Demand of a consumer for wake-ups: one per free run permit, and some ahead while jobs are short and more of them wait. While
//! more wait and jobs are not short, permits that become free gather for a moment, because the jobs of a fetch are claimed together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::run_time::RunTime;
use super::wake_signal::WakeSignal;

/// Maximum number of wake-ups per fetch.
const FETCH_BATCH_SIZE: usize = 128;

/// Maximum number of wake-ups ahead, per job that may run at once. Two groups: one is fetched and claimed while the jobs of the
/// other start.
const MAX_AHEAD_PER_JOB: usize = 8;

/// A wake-up is fetched ahead only if its job is expected to start within this time.
const LOOKAHEAD: Duration = Duration::from_millis(50);

/// Longest time for which free run permits of a busy consumer gather. It is short beside the jobs: those that are shorter than
/// [`LOOKAHEAD`] are fetched ahead.
const GATHER_TIME: Duration = Duration::from_millis(5);

/// As many free run permits never gather.
const MAX_GATHERED: usize = 64;

/// Maximum number of wake-ups in progress.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    running: usize,
    max_ahead: usize,
}

impl Capacity {
    /// As many as run at once.
    pub(crate) const fn without_lookahead(running: usize) -> Self {
        Self { running, max_ahead: 0 }
    }

    /// More than run at once, while that does not delay any of them by more than [`LOOKAHEAD`].
    pub(crate) const fn with_lookahead(running: usize) -> Self {
        Self { running, max_ahead: running.saturating_mul(MAX_AHEAD_PER_JOB) }
    }

    /// Fewer wake-ups are not fetched at once while more of them wait.
    fn min_gathered(self) -> usize {
        if self.max_ahead == 0 { 1 } else { (self.running / 4).clamp(1, MAX_GATHERED) }
    }

    /// Wake-ups to hold ahead, if `ended` have ended while jobs ran for `run_time`, summed over all jobs. None if jobs take longer
    /// than the lookahead: then what is held here would start earlier in another process.
    ///
    /// The time of their claims does not count, because it says nothing about the jobs. On a slow database it may be longer than
    /// the lookahead, and claims ahead spare most of it.
    fn ahead(self, ended: u64, run_time: Duration) -> usize {
        let running = u128::try_from(self.running).unwrap_or(u128::MAX);
        let expected =
            (u128::from(ended) * LOOKAHEAD.as_micros()).saturating_mul(running) / run_time.as_micros().max(1);
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        if expected < self.running { 0 } else { expected.min(self.max_ahead) }
    }

    /// Wake-ups to fetch while `in_progress` are held. Those ahead are fetched many at a time, because they are claimed
    /// together.
    fn missing(self, ahead: usize, in_progress: usize) -> usize {
        if ahead > 0 && in_progress > self.running + ahead / 2 {
            return 0;
        }
        (self.running + ahead).saturating_sub(in_progress).min(FETCH_BATCH_SIZE)
    }
}

/// The wake-ups of a consumer that are in progress, whichever session fetched them.
#[derive(Debug)]
pub(super) struct Occupancy {
    in_progress: AtomicUsize,
    ended: AtomicU64,
    run_time: RunTime,
    wake_signal: Arc<WakeSignal>,
}

impl Occupancy {
    /// None in progress. `wake_signal` is told when one ends.
    pub(super) fn new(wake_signal: Arc<WakeSignal>) -> Arc<Self> {
        Arc::new(Self {
            in_progress: AtomicUsize::new(0),
            ended: AtomicU64::new(0),
            run_time: RunTime::new(Instant::now()),
            wake_signal,
        })
    }

    /// Counts a wake-up as in progress until the permit is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> FetchPermit {
        self.in_progress.fetch_add(1, Ordering::SeqCst);
        FetchPermit { occupancy: Arc::clone(self), is_running: false, is_released: false }
    }
}

/// The right to hold one wake-up. Dropping it lets the consumer fetch another one.
#[derive(Debug)]
pub(crate) struct FetchPermit {
    occupancy: Arc<Occupancy>,
    is_running: bool,
    is_released: bool,
}

impl FetchPermit {
    /// The only one of a consumer.
    #[cfg(test)]
    pub(crate) fn single() -> Self {
        Occupancy::new(Arc::new(WakeSignal::default())).enter()
    }

    /// Its job is claimed and runs from now on, until this is dropped.
    pub(crate) fn begin_run(&mut self, now: Instant) {
        if !self.is_running {
            self.is_running = true;
            self.occupancy.run_time.begin(now);
        }
    }

    /// Drops it without counting its job as ended: the job was released, and jobs are not as short as they seem then.
    pub(crate) fn release(mut self) {
        self.is_released = true;
    }
}

impl Drop for FetchPermit {
    fn drop(&mut self) {
        if self.is_running {
            self.occupancy.run_time.end(Instant::now());
        }
        self.occupancy.in_progress.fetch_sub(1, Ordering::SeqCst);
        if !self.is_released {
            self.occupancy.ended.fetch_add(1, Ordering::SeqCst);
        }
        // The session that waits for it may be a later one than the session that fetched this wake-up.
        self.occupancy.wake_signal.wake();
    }
}

/// When to fetch again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextFetch {
    /// When a wake-up has ended.
    Later,
    /// At this time, or when more run permits are free.
    At(Instant),
    /// Now, this number of wake-ups.
    Now(usize),
}

/// A session's view of what to fetch next.
#[derive(Debug)]
pub(super) struct Demand {
    capacity: Capacity,
    occupancy: Arc<Occupancy>,
    measured_at: Instant,
    ended: u64,
    run_time: Duration,
    ahead: usize,
    /// Since when free run permits gather.
    gathers_since: Option<Instant>,
}

impl Demand {
    pub(super) fn new(capacity: Capacity, occupancy: Arc<Occupancy>, now: Instant) -> Self {
        let (ended, run_time) = (occupancy.ended.load(Ordering::SeqCst), occupancy.run_time.until(now));
        Self { capacity, occupancy, measured_at: now, ended, run_time, ahead: 0, gathers_since: None }
    }

    /// What to fetch next. `more_wait`: the last fetch got as many as it asked for.
    pub(super) fn next_fetch(&mut self, more_wait: bool, now: Instant) -> NextFetch {
        let wanted = self.wanted(more_wait, now);
        if wanted == 0 {
            self.gathers_since = None;
            return NextFetch::Later;
        }
        if more_wait && wanted < self.capacity.min_gathered() {
            let ends_at = *self.gathers_since.get_or_insert(now) + GATHER_TIME;
            if now < ends_at {
                return NextFetch::At(ends_at);
            }
        }
        self.gathers_since = None;
        NextFetch::Now(wanted)
    }

    /// Number of wake-ups that are missing now.
    fn wanted(&mut self, more_wait: bool, now: Instant) -> usize {
        if now.saturating_duration_since(self.measured_at) >= LOOKAHEAD {
            self.measure(now);
        }
        let ahead = if more_wait { self.ahead } else { 0 };
        self.capacity.missing(ahead, self.occupancy.in_progress.load(Ordering::SeqCst))
    }

    /// Expects of the next jobs what was seen since the last measurement. While jobs are being claimed none runs: nothing is learnt
    /// then, and what was known before holds.
    fn measure(&mut self, now: Instant) {
        let run_time = self.occupancy.run_time.until(now);
        let ended = self.occupancy.ended.load(Ordering::SeqCst);
        let ran = run_time.saturating_sub(self.run_time);
        if ended == self.ended && ran < LOOKAHEAD {
            return;
        }
        self.ahead = self.capacity.ahead(ended - self.ended, ran);
        (self.measured_at, self.ended, self.run_time) = (now, ended, run_time);
    }

    /// Counter of the fetched wake-ups.
    pub(super) fn occupancy(&self) -> &Arc<Occupancy> {
        &self.occupancy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIXTEEN: Capacity = Capacity::with_lookahead(16);

    #[test]
    fn without_a_backlog_one_wake_up_is_fetched_per_job_that_may_run() {
        assert_eq!(SIXTEEN.missing(0, 0), 16);
        assert_eq!(SIXTEEN.missing(0, 15), 1);
        assert_eq!(SIXTEEN.missing(0, 16), 0);
        assert_eq!(SIXTEEN.missing(0, 100), 0, "jobs are still ahead from a backlog that has ended");
    }

    #[test]
    fn wake_ups_ahead_are_fetched_in_groups_of_at_least_half_of_them() {
        assert_eq!(SIXTEEN.missing(128, 144), 0);
        assert_eq!(SIXTEEN.missing(128, 81), 0);
        assert_eq!(SIXTEEN.missing(128, 80), 64);
        assert_eq!(SIXTEEN.missing(128, 0), FETCH_BATCH_SIZE);
    }

    #[test]
    fn only_short_jobs_are_claimed_ahead() {
        // All sixteen ran for a second.
        let run_time = 16 * Duration::from_secs(1);
        assert_eq!(SIXTEEN.ahead(0, run_time), 0);
        assert_eq!(SIXTEEN.ahead(319, run_time), 0, "they take longer than the lookahead");
        assert_eq!(SIXTEEN.ahead(320, run_time), 16, "as many as end within the lookahead");
        assert_eq!(SIXTEEN.ahead(10_000, run_time), 128, "bounded");
        assert_eq!(Capacity::without_lookahead(16).ahead(10_000, run_time), 0);
    }

    /// Ends that come rarely because of slow claims say nothing about how long jobs take.
    #[test]
    fn short_jobs_of_slow_claims_are_claimed_ahead() {
        let occupancy = Occupancy::new(Arc::new(WakeSignal::default()));
        let began = Instant::now();
        let mut demand = Demand::new(Capacity::with_lookahead(4), Arc::clone(&occupancy), began);
        let mut now = began;
        for while_claiming in [0, 32, 32] {
            let held: Vec<FetchPermit> = (0..4).map(|_| occupancy.enter()).collect();
            now += Duration::from_mins(1);
            assert_eq!(
                demand.wanted(true, now.checked_sub(LOOKAHEAD).unwrap()),
                while_claiming,
                "what was known before holds"
            );
            for mut permit in held {
                permit.begin_run(now);
            }
            assert_eq!(demand.wanted(true, now), 4 + 32);
        }
    }

    #[test]
    fn a_consumer_looks_ahead_after_jobs_ended_quickly_and_while_more_wait() {
        let occupancy = Occupancy::new(Arc::new(WakeSignal::default()));
        let began = Instant::now();
        let mut demand = Demand::new(Capacity::with_lookahead(4), Arc::clone(&occupancy), began);
        assert_eq!(demand.wanted(true, began), 4, "nothing is known of the jobs");
        for _ in 0..100 {
            drop(occupancy.enter());
        }
        assert_eq!(demand.wanted(true, began + LOOKAHEAD), 4 + 32);
        assert_eq!(demand.wanted(false, began + LOOKAHEAD), 4);
        let mut held: Vec<FetchPermit> = (0..4).map(|_| occupancy.enter()).collect();
        assert_eq!(demand.wanted(true, began + LOOKAHEAD), 32);
        for permit in &mut held {
            permit.begin_run(began + LOOKAHEAD);
        }
        assert_eq!(demand.wanted(true, began + 2 * LOOKAHEAD), 0, "none has ended meanwhile");
        drop(held);
        assert_eq!(demand.wanted(true, began + 2 * LOOKAHEAD), 4);
    }

    /// Each fetch is a transaction of claims, and a backlog of jobs that take a while frees the permits one by one.
    #[test]
    fn free_permits_of_a_busy_consumer_gather_for_a_moment() {
        let occupancy = Occupancy::new(Arc::new(WakeSignal::default()));
        let began = Instant::now();
        let mut demand = Demand::new(SIXTEEN, Arc::clone(&occupancy), began);
        let mut held: Vec<FetchPermit> = (0..16).map(|_| occupancy.enter()).collect();
        assert_eq!(demand.next_fetch(true, began), NextFetch::Later);
        held.pop();
        assert_eq!(demand.next_fetch(false, began), NextFetch::Now(1), "nothing else waits");
        let ends_at = began + GATHER_TIME;
        assert_eq!(demand.next_fetch(true, began), NextFetch::At(ends_at));
        held.pop();
        assert_eq!(
            demand.next_fetch(true, began + GATHER_TIME / 2),
            NextFetch::At(ends_at),
            "not for longer"
        );
        assert_eq!(demand.next_fetch(true, ends_at), NextFetch::Now(2));
        assert_eq!(demand.next_fetch(true, ends_at), NextFetch::At(ends_at + GATHER_TIME), "the next fetch");
        held.truncate(12);
        assert_eq!(demand.next_fetch(true, ends_at), NextFetch::Now(4), "they are enough");
        assert_eq!(Capacity::without_lookahead(16).min_gathered(), 1);
        assert_eq!(Capacity::with_lookahead(1).min_gathered(), 1);
        assert_eq!(Capacity::with_lookahead(10_000).min_gathered(), MAX_GATHERED);
    }

    /// Otherwise a consumer whose jobs have become long would fetch as many again, and give them back again.
    #[test]
    fn wake_ups_that_are_released_are_no_reason_to_look_ahead() {
        let occupancy = Occupancy::new(Arc::new(WakeSignal::default()));
        let began = Instant::now();
        let mut demand = Demand::new(Capacity::with_lookahead(4), Arc::clone(&occupancy), began);
        let mut running: Vec<FetchPermit> = (0..4).map(|_| occupancy.enter()).collect();
        for permit in &mut running {
            permit.begin_run(began);
        }
        for _ in 0..32 {
            occupancy.enter().release();
        }
        assert_eq!(demand.wanted(true, began + LOOKAHEAD), 0, "four long jobs run");
        drop(running);
        assert_eq!(demand.wanted(true, began + LOOKAHEAD), 4);
    }
}
