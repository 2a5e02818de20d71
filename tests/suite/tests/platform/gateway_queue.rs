//! The queue of the gateway's requests that wait for an install's rate limit.

use std::time::{Duration, Instant};

use flysk_queue::RedisConnection;

use super::harness::{TestApp, WAIT_TIMEOUT};

pub(crate) struct GatewayQueue {
    redis: RedisConnection,
    key: String,
}

impl GatewayQueue {
    /// The queue of the app's only install.
    pub(crate) async fn of(app: &TestApp) -> Self {
        let install = app.install_id().await;
        let (redis, keys) = app.redis().await;
        Self { redis, key: keys.key(&format!("limit:amocrm.{install}:waiting:{install}")) }
    }

    /// Waits until the number of requests in the queue is as wanted.
    pub(crate) async fn until(&self, is_wanted: impl Fn(usize) -> bool) {
        let (mut redis, deadline) = (self.redis.clone(), Instant::now() + WAIT_TIMEOUT);
        loop {
            let waiting: usize = redis::cmd("ZCARD").arg(&self.key).query_async(&mut redis).await.unwrap();
            if is_wanted(waiting) {
                return;
            }
            assert!(Instant::now() < deadline, "{waiting} requests wait");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The positions of those who wait now do not expire: only who leaves is not in the queue any more.
    pub(crate) async fn keep(&self) {
        /// Later than any time in ms.
        const NEVER: u64 = 1 << 52;
        let mut redis = self.redis.clone();
        let waiting: Vec<String> =
            redis::cmd("ZRANGE").arg(&self.key).arg(0).arg(-1).query_async(&mut redis).await.unwrap();
        for job in waiting {
            let keep = redis::cmd("ZADD").arg(&self.key).arg("XX").arg(NEVER).arg(job).to_owned();
            keep.query_async::<()>(&mut redis).await.unwrap();
        }
        redis::cmd("PERSIST").arg(&self.key).query_async::<()>(&mut redis).await.unwrap();
    }
}
