//! Removing wake-ups from Redis, all of one moment in one call.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::aio::ConnectionManager;
use redis::{RedisError, Script};
use tokio::sync::mpsc;

use super::Layout;

static ACKNOWLEDGE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../../lua/acknowledge.lua")));

/// How many in one call of Redis.
const AT_ONCE: usize = 256;

/// Pauses before further attempts.
const PAUSES_MS: [u64; 4] = [20, 100, 500, 2_000];

/// Whoever was given a wake-up says by this that it is done with.
#[derive(Debug)]
pub(in crate::runtime) struct Acknowledge {
    pub(super) desk: mpsc::UnboundedSender<Done>,
    pub(super) inflight: Arc<str>,
    pub(super) task: String,
}

/// A wake-up to be removed.
#[derive(Debug)]
pub(super) struct Done {
    inflight: Arc<str>,
    task: String,
    again_ms: Option<i64>,
}

impl Acknowledge {
    /// It need not come again. Nobody waits for it: what stays in Redis is redelivered, and finds
    /// nothing to do.
    pub(in crate::runtime) fn now(self) {
        self.hand_in(None);
    }

    /// It shall lie among the due ticks again, for this time.
    pub(in crate::runtime) fn until(self, at: DateTime<Utc>) {
        self.hand_in(Some(at.timestamp_millis()));
    }

    fn hand_in(self, again_ms: Option<i64>) {
        let done = Done { inflight: self.inflight, task: self.task, again_ms };
        // The desk is there until everybody who could hand in is gone.
        let _ = self.desk.send(done);
    }
}

/// Removes what is handed in, until nobody is left who could.
pub(super) async fn attend(
    mut redis: ConnectionManager,
    layout: Arc<Layout>,
    mut desk: mpsc::UnboundedReceiver<Done>,
) {
    let mut done = Vec::with_capacity(AT_ONCE);
    while desk.recv_many(&mut done, AT_ONCE).await > 0 {
        // Of one start of the worker nearly always.
        for of_one_start in done.chunk_by(|one, next| one.inflight == next.inflight) {
            remove(&mut redis, &layout, of_one_start).await;
        }
        done.clear();
    }
}

/// Tries a few times; what remains is redelivered.
async fn remove(redis: &mut ConnectionManager, layout: &Layout, done: &[Done]) {
    let Some(first) = done.first() else { return };
    let mut script = ACKNOWLEDGE.prepare_invoke();
    script.key(&*first.inflight).key(&layout.active).key(&layout.data).key(&layout.due_ticks);
    for one in done {
        script.arg(&one.task).arg(one.again_ms.map_or_else(String::new, |at| at.to_string()));
    }
    for pause_ms in PAUSES_MS {
        let removed: Result<(), RedisError> = script.invoke_async(redis).await;
        match removed {
            Ok(()) => return,
            Err(error) => tracing::debug!(error = %error, "wake-ups could not be acknowledged yet"),
        }
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}
