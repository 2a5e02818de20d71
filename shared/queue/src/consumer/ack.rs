//! Acknowledging wake-ups: removes them from Redis in batches.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::{RedisError, Script};
use tokio::sync::mpsc;

use super::QueueKeys;
use crate::connection::RedisConnection;

static ACK_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/ack.lua")));

/// Acks per Redis call.
const ACK_BATCH_SIZE: usize = 256;

/// Pauses between attempts, ms.
const RETRY_PAUSES_MS: [u64; 4] = [20, 100, 500, 2_000];

/// Acknowledges one delivered wake-up.
#[derive(Debug)]
pub(crate) struct AckHandle {
    pub(super) ack_tx: mpsc::UnboundedSender<Ack>,
    pub(super) inflight: Arc<str>,
    pub(super) task: String,
}

/// An acknowledgement to be sent to Redis.
#[derive(Debug)]
pub(super) struct Ack {
    inflight: Arc<str>,
    task: String,
    reschedule_at_ms: Option<i64>,
}

impl AckHandle {
    /// Removes the wake-up, without waiting for Redis. A wake-up that stays there is redelivered, and its job cannot be
    /// claimed again.
    pub(crate) fn complete(self) {
        self.send(None);
    }

    /// Removes the wake-up and schedules the ephemeral job again.
    pub(crate) fn reschedule(self, at: DateTime<Utc>) {
        self.send(Some(at.timestamp_millis()));
    }

    /// Of a wake-up that is in no Redis.
    #[cfg(test)]
    pub(crate) fn detached() -> Self {
        let (ack_tx, _) = mpsc::unbounded_channel();
        Self { ack_tx, inflight: "test".into(), task: "test".to_owned() }
    }

    fn send(self, reschedule_at_ms: Option<i64>) {
        let ack = Ack { inflight: self.inflight, task: self.task, reschedule_at_ms };
        // The batcher runs until all senders are dropped.
        let _ = self.ack_tx.send(ack);
    }
}

/// Sends acks in batches until all senders are dropped.
pub(super) async fn run_ack_batcher(
    mut redis: RedisConnection,
    queue_keys: Arc<QueueKeys>,
    mut ack_rx: mpsc::UnboundedReceiver<Ack>,
) {
    let mut acks = Vec::with_capacity(ACK_BATCH_SIZE);
    while ack_rx.recv_many(&mut acks, ACK_BATCH_SIZE).await > 0 {
        // Usually all belong to one session.
        for of_one_session in acks.chunk_by(|one, next| one.inflight == next.inflight) {
            send_batch(&mut redis, &queue_keys, of_one_session).await;
        }
        acks.clear();
    }
}

/// Retries a few times; unsent acks lead to redelivery.
async fn send_batch(redis: &mut RedisConnection, queue_keys: &QueueKeys, acks: &[Ack]) {
    let Some(first) = acks.first() else { return };
    let mut script = ACK_SCRIPT.prepare_invoke();
    script.key(&*first.inflight).key(&queue_keys.active).key(&queue_keys.data).key(&queue_keys.due_ephemeral);
    for one in acks {
        script.arg(&one.task).arg(one.reschedule_at_ms.map_or_else(String::new, |at| at.to_string()));
    }
    for pause_ms in RETRY_PAUSES_MS {
        let removed: Result<(), RedisError> = script.invoke_async(redis).await;
        match removed {
            Ok(()) => return,
            Err(error) => tracing::debug!(error = %error, "failed to acknowledge wake-ups"),
        }
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}
