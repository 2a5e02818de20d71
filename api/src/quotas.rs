//! Requests per key and window, counted by all processes together. A key is a widget, or the install or the address of a
//! webhook.
//!
//! A process counts its requests in memory, and every 100 ms adds them to counters in Redis and reads the sums, in one
//! pipeline; so a request costs no round trip. Between two of these exchanges a process does not know the requests of the
//! others, so a key may exceed its quota by what it sends to them in that time. Without Redis, each process applies the quota
//! alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use flysk_queue::{RedisConnection, RedisKeys};

/// Maximum number of keys that a process counts in a window. A client that sends from ever new addresses is not counted
/// beyond, instead of filling the memory.
const MAX_KEYS: usize = 100_000;
/// Minimum time between two exchanges with Redis.
const SYNC_INTERVAL: Duration = Duration::from_millis(100);

/// Requests that one key may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Requests per window.
    pub(crate) permits: u32,
    /// Length of the window, seconds. Windows begin at multiples of it, the same in all processes.
    pub(crate) window_s: u32,
}

/// A key's quota after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Requests per window.
    pub(crate) permits: u32,
    /// Length of the window, seconds.
    pub(crate) window_s: u32,
    /// Requests left in the window.
    pub(crate) remaining: u32,
    /// Seconds until the next window, at least 1.
    pub(crate) reset_s: u32,
    is_exceeded: bool,
}

impl Quota {
    /// Whether the request must be refused.
    pub(crate) const fn is_exceeded(&self) -> bool {
        self.is_exceeded
    }
}

/// The quotas of all keys of one kind. Clones share the counters.
#[derive(Clone)]
pub(crate) struct Quotas(Arc<Inner>);

struct Inner {
    redis: RedisConnection,
    keys: RedisKeys,
    limit: Limit,
    counters: Mutex<Counters>,
}

/// Counters of the current window.
#[derive(Debug, Default)]
struct Counters {
    window: i64,
    by_key: HashMap<String, Counter>,
    synced_at: Option<Instant>,
    is_syncing: bool,
}

/// Requests of one key.
#[derive(Debug, Clone, Copy, Default)]
struct Counter {
    /// Sum over all processes, as of the last exchange.
    known: u64,
    /// Own requests of the exchange in progress.
    sent: u64,
    /// Own requests since then.
    fresh: u64,
}

impl Counter {
    fn used(&self) -> u64 {
        self.known + self.sent + self.fresh
    }
}

impl std::fmt::Debug for Quotas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quotas").field("limit", &self.0.limit).finish_non_exhaustive()
    }
}

impl Quotas {
    /// The same limit for every key. Keys of different kinds must differ, because they share the counters in Redis.
    pub(crate) fn new(redis: RedisConnection, keys: RedisKeys, limit: Limit) -> Self {
        Self(Arc::new(Inner { redis, keys, limit, counters: Mutex::default() }))
    }

    /// Counts a request of the key. A refused request does not count.
    pub(crate) fn take(&self, key: String, now: DateTime<Utc>) -> Quota {
        let mut counters = self.lock();
        let quota = counters.take(key, self.0.limit, now.timestamp());
        let is_due = counters.synced_at.is_none_or(|at| at.elapsed() >= SYNC_INTERVAL);
        if is_due && !counters.is_syncing {
            counters.is_syncing = true;
            let quotas = self.clone();
            tokio::spawn(async move { quotas.sync().await });
        }
        quota
    }

    /// Adds the fresh requests to the counters in Redis and reads the sums.
    async fn sync(&self) {
        let (window, batch) = self.lock().begin_sync();
        let mut pipeline = redis::pipe();
        for (key, requests) in &batch {
            let key = self.0.keys.key(&format!("quota:{key}:{window}"));
            pipeline.incr(&key, *requests);
            pipeline.expire(&key, 2 * i64::from(self.0.limit.window_s)).ignore();
        }
        let sums: Result<Vec<u64>, _> = pipeline.query_async(&mut self.0.redis.clone()).await;
        if let Err(error) = &sums {
            tracing::debug!(error = %error, "quotas were not exchanged with other processes");
        }
        self.lock().end_sync(window, &batch, &sums.unwrap_or_default());
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    /// Counts a request at `now`, seconds since 1970.
    fn take(&mut self, key: String, limit: Limit, now: i64) -> Quota {
        let Limit { permits, window_s } = limit;
        let window = now.div_euclid(i64::from(window_s));
        if window != self.window {
            self.window = window;
            self.by_key.clear();
        }
        let reset_s =
            u32::try_from(i64::from(window_s) - now.rem_euclid(i64::from(window_s))).unwrap_or(window_s);
        if self.by_key.len() >= MAX_KEYS && !self.by_key.contains_key(&key) {
            return Quota { permits, window_s, remaining: permits, reset_s, is_exceeded: false };
        }
        let counter = self.by_key.entry(key).or_default();
        let is_exceeded = counter.used() >= u64::from(permits);
        if !is_exceeded {
            counter.fresh += 1;
        }
        let remaining = u64::from(permits).saturating_sub(counter.used());
        Quota {
            permits,
            window_s,
            remaining: u32::try_from(remaining).unwrap_or(permits),
            reset_s,
            is_exceeded,
        }
    }

    /// Takes the fresh requests; returns them with their window.
    fn begin_sync(&mut self) -> (i64, Vec<(String, u64)>) {
        let mut batch = Vec::new();
        for (key, counter) in &mut self.by_key {
            if counter.fresh > 0 {
                counter.sent = std::mem::take(&mut counter.fresh);
                batch.push((key.clone(), counter.sent));
            }
        }
        (self.window, batch)
    }

    /// Stores the sums, one for each entry of the batch; without them the requests stay fresh.
    fn end_sync(&mut self, window: i64, batch: &[(String, u64)], sums: &[u64]) {
        self.is_syncing = false;
        self.synced_at = Some(Instant::now());
        if window != self.window {
            return;
        }
        for (number, (key, requests)) in batch.iter().enumerate() {
            let Some(counter) = self.by_key.get_mut(key) else { continue };
            counter.sent = 0;
            match sums.get(number) {
                Some(sum) => counter.known = *sum,
                None => counter.fresh += requests,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The middle of a window.
    const NOW: i64 = 1_796_040_030;

    fn per_minute(permits: u32) -> Limit {
        Limit { permits, window_s: 60 }
    }

    fn key() -> String {
        "wgt_1".to_owned()
    }

    #[test]
    fn a_quota_counts_down_refuses_and_begins_anew_each_minute() {
        let mut counters = Counters::default();
        let left: Vec<(u32, bool)> = (0..4)
            .map(|_| counters.take(key(), per_minute(3), NOW))
            .map(|quota| (quota.remaining, quota.is_exceeded()))
            .collect();
        assert_eq!(left, [(2, false), (1, false), (0, false), (0, true)]);
        assert_eq!(counters.take(key(), per_minute(3), NOW).reset_s, 30);
        assert!(!counters.take("wgt_2".to_owned(), per_minute(3), NOW).is_exceeded(), "of another widget");
        assert_eq!(counters.take(key(), per_minute(3), NOW + 30).remaining, 2);
    }

    #[test]
    fn requests_of_other_processes_count_after_an_exchange() {
        let mut counters = Counters::default();
        counters.take(key(), per_minute(10), NOW);
        let (window, batch) = counters.begin_sync();
        assert_eq!(batch, [(key(), 1)]);
        // A request during the exchange stays fresh.
        assert_eq!(counters.take(key(), per_minute(10), NOW).remaining, 8);
        counters.end_sync(window, &batch, &[7]);
        assert_eq!(counters.take(key(), per_minute(10), NOW).remaining, 1);
    }

    #[test]
    fn requests_stay_counted_when_redis_does_not_answer() {
        let mut counters = Counters::default();
        counters.take(key(), per_minute(10), NOW);
        let (window, batch) = counters.begin_sync();
        counters.end_sync(window, &batch, &[]);
        assert_eq!(counters.take(key(), per_minute(10), NOW).remaining, 8);
        assert_eq!(counters.begin_sync().1, [(key(), 2)]);
    }

    #[test]
    fn a_flood_of_keys_does_not_fill_the_memory_and_known_keys_stay_limited() {
        let mut counters = Counters::default();
        counters.take(key(), per_minute(1), NOW);
        for number in 0..MAX_KEYS {
            counters.take(format!("source {number}"), per_minute(1), NOW);
        }
        assert_eq!(counters.by_key.len(), MAX_KEYS);
        assert!(counters.take(key(), per_minute(1), NOW).is_exceeded());
        assert!(!counters.take("one more".to_owned(), per_minute(1), NOW).is_exceeded());
    }
}
