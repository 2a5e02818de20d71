//! Epoch of Redis: after a loss of its data, everything that is due is pushed again.

use std::time::{Duration, Instant};

use flysk_store::jobs;
use flysk_store::{StoreResult, answered, repeat_contended};
use redis::AsyncCommands;

use super::{POLL_INTERVAL, PUSH_BATCH_SIZE, REPUSH_AFTER, Relay, RelayError};

/// A new epoch concerns jobs whose push was deferred, which is never for longer than this; later ones were not pushed yet. Twice the
/// usual time, because the clocks of processes differ a little.
const MAX_DEFERRAL: Duration = Duration::from_secs(2 * REPUSH_AFTER.as_secs());

/// Jobs that are pushed again when an epoch begins: more than Redis holds of all queues. Others are due within [`MAX_DEFERRAL`].
const MAX_DEFERRED: u32 = 50_000;

/// Last check of Redis' epoch by a relay.
#[derive(Default)]
pub(super) struct EpochCheck {
    epoch: Option<(String, String)>,
    checked_at: Option<Instant>,
}

impl Relay {
    /// Begins an epoch if Redis is new or lost its data since the last check. Checks once per [`POLL_INTERVAL`].
    pub(super) async fn check_epoch(&self, check: &mut EpochCheck) -> Result<(), RelayError> {
        if check.checked_at.is_some_and(|at| at.elapsed() < POLL_INTERVAL) {
            return Ok(());
        }
        let epoch = self.epoch().await?;
        if check.epoch.as_ref() != Some(&epoch) {
            self.begin_epoch().await?;
            check.epoch = Some(epoch);
        }
        check.checked_at = Some(Instant::now());
        Ok(())
    }

    /// Identifies the data of the Redis server: changes when the server restarts or its data is wiped.
    async fn epoch(&self) -> Result<(String, String), RelayError> {
        let mut redis = self.redis.clone();
        let key = self.keys.key("epoch");
        let fresh = format!("{:032x}", self.outbox.clock().random_u128());
        let () = redis.set_nx(&key, fresh).await?;
        let stored: String = redis.get(&key).await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
        let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default();
        Ok((stored, run_id.to_owned()))
    }

    /// Makes what was pushed before due for a push again, in pieces. A job whose row is locked is being claimed or pushed.
    async fn begin_epoch(&self) -> Result<(), RelayError> {
        let (pool, now) = (self.outbox.pool(), self.outbox.clock().now());
        let listing = async {
            jobs::list_deferred(&mut *pool.acquire().await?, now, now + MAX_DEFERRAL, MAX_DEFERRED).await
        };
        let deferred = answered(listing).await?;
        let mut again = 0;
        for piece in deferred.chunks(PUSH_BATCH_SIZE) {
            let push = || async {
                let mut tx = flysk_store::begin(pool).await?;
                let pushed = jobs::push_again(&mut tx, piece, now).await?;
                tx.commit().await?;
                StoreResult::Ok(pushed)
            };
            again += repeat_contended(|| answered(push())).await?;
        }
        tracing::info!(jobs = again, "Redis is new or lost its data: everything due is pushed again");
        Ok(())
    }
}
