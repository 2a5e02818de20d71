//! When a lane looks into Redis: when the bell rings, and now and then in case it did not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Context;
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::time::{Interval, MissedTickBehavior};

/// How often an idle lane looks without being rung for.
const IDLE: Duration = Duration::from_millis(250);

/// Wakes a lane when something was pushed to its queue.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Bell {
    waker: AtomicWaker,
    rings: AtomicU64,
}

impl Bell {
    /// Something was pushed.
    pub(in crate::runtime) fn ring(&self) {
        self.rings.fetch_add(1, Ordering::SeqCst);
        self.waker.wake();
    }

    /// A place is free again: whoever waits for one may look.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }
}

/// Tells whether it is time to look.
pub(super) struct Heed {
    bell: Arc<Bell>,
    heard: u64,
    idle: Interval,
}

impl Heed {
    pub(super) fn new(bell: Arc<Bell>) -> Self {
        let mut idle = tokio::time::interval(IDLE);
        idle.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { bell, heard: 0, idle }
    }

    /// Sees to it that the task is woken by the bell, by a place that becomes free, and by [`IDLE`].
    /// `true` if it rang since the last time, or is time: a ring heard while a look is under way counts
    /// for the next one, because that look may have missed what it rang for.
    pub(super) fn poll_due(&mut self, cx: &mut Context<'_>) -> bool {
        self.bell.waker.register(cx.waker());
        let rings = self.bell.rings.load(Ordering::SeqCst);
        let mut due = rings != self.heard;
        self.heard = rings;
        // An interval wakes us only if it was polled to `Pending`.
        while self.idle.poll_tick(cx).is_ready() {
            due = true;
        }
        due
    }
}
