//! Decides when a consumer polls Redis: on a wake signal, and at intervals in case a signal was missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Context;
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::time::{Interval, MissedTickBehavior};

/// Interval at which an idle consumer polls without a signal.
const IDLE_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Wakes a consumer after a push to its queue.
#[derive(Debug, Default)]
pub(crate) struct WakeSignal {
    waker: AtomicWaker,
    notifications: AtomicU64,
}

impl WakeSignal {
    /// Signals a push.
    pub(crate) fn notify(&self) {
        self.notifications.fetch_add(1, Ordering::SeqCst);
        self.waker.wake();
    }

    /// Wakes a consumer that waits for a permit.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }
}

/// A consumer's side of the signal.
pub(super) struct WakeListener {
    wake_signal: Arc<WakeSignal>,
    seen: u64,
    idle: Interval,
}

impl WakeListener {
    pub(super) fn new(wake_signal: Arc<WakeSignal>) -> Self {
        let mut idle = tokio::time::interval(IDLE_POLL_INTERVAL);
        idle.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { wake_signal, seen: 0, idle }
    }

    /// Registers the task to be woken by a signal, by a free permit, and every [`IDLE_POLL_INTERVAL`].
    ///
    /// `true` if there was a signal since the last call, or the interval has passed. A signal during a poll counts for
    /// the next poll, because the running one may have missed the push.
    pub(super) fn poll_wake(&mut self, cx: &mut Context<'_>) -> bool {
        self.wake_signal.waker.register(cx.waker());
        let notifications = self.wake_signal.notifications.load(Ordering::SeqCst);
        let mut due = notifications != self.seen;
        self.seen = notifications;
        // An interval registers the waker only if it was polled to `Pending`.
        while self.idle.poll_tick(cx).is_ready() {
            due = true;
        }
        due
    }
}
