//! When the widgets of an install made handshakes, for the timeline that operators read.
//!
//! A handshake only adds to a map in memory. The first one after a flush starts a task that, some seconds later, adds all of them to
//! the table, in few statements. A process that dies loses those seconds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;
use flysk_store::platform::handshake_periods::{self, SeenHandshakes};
use flysk_store::{Pool, StoreResult, answered, repeat_contended};

/// Time after the first handshake until it is written.
const FLUSH_DELAY: Duration = Duration::from_secs(10);
/// Largest number of installs in memory; handshakes of more are not noted.
const MAX_INSTALLS: usize = 50_000;
/// Installs per transaction.
const INSTALLS_PER_TRANSACTION: usize = 256;

/// Handshakes that were not written yet, by install: in the order of the primary key, so that processes do not deadlock.
#[derive(Debug, Default)]
struct Seen {
    installs: BTreeMap<InstallId, SeenHandshakes>,
    /// Whether a task will write them.
    is_scheduled: bool,
}

/// The handshakes of a process. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct HandshakeLog {
    seen: Arc<Mutex<Seen>>,
    pool: Pool,
}

impl HandshakeLog {
    /// An empty log that is written through `pool`.
    pub(crate) fn new(pool: Pool) -> Self {
        Self { seen: Arc::default(), pool }
    }

    /// Notes a handshake. Needs a Tokio runtime.
    pub(crate) fn record(&self, install_id: InstallId, at: DateTime<Utc>) {
        let must_schedule = {
            let mut seen = self.seen();
            seen.add(SeenHandshakes { install_id, first_at: at, last_at: at, handshakes: 1 });
            !std::mem::replace(&mut seen.is_scheduled, true)
        };
        if must_schedule {
            let log = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(FLUSH_DELAY).await;
                log.flush().await;
            });
        }
    }

    /// Writes what was noted. What the database refuses waits for the next flush, and so does the rest: it would wait as long.
    pub(crate) async fn flush(&self) {
        let taken = std::mem::take(&mut *self.seen());
        let rows: Vec<SeenHandshakes> = taken.installs.into_values().collect();
        for (place, part) in rows.chunks(INSTALLS_PER_TRANSACTION).enumerate() {
            if let Err(error) = repeat_contended(|| answered(self.write(part))).await {
                tracing::warn!(error = %error, "handshakes were not noted");
                let mut seen = self.seen();
                for one in rows.iter().skip(place * INSTALLS_PER_TRANSACTION) {
                    seen.add(*one);
                }
                return;
            }
        }
    }

    async fn write(&self, part: &[SeenHandshakes]) -> StoreResult<()> {
        let mut tx = self.pool.begin().await?;
        handshake_periods::add(&mut tx, part).await?;
        Ok(tx.commit().await?)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn add(&mut self, one: SeenHandshakes) {
        if let Some(known) = self.installs.get_mut(&one.install_id) {
            known.first_at = known.first_at.min(one.first_at);
            known.last_at = known.last_at.max(one.last_at);
            known.handshakes += one.handshakes;
        } else if self.installs.len() < MAX_INSTALLS {
            self.installs.insert(one.install_id, one);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use chrono::TimeDelta;
    use flysk_domain::SystemClock;
    use sqlx::mysql::MySqlPoolOptions;
    use tokio::net::TcpListener;

    use super::*;

    /// Otherwise each part would wait for the database, and the flushes after it as well.
    #[tokio::test]
    async fn one_part_that_cannot_be_written_keeps_the_others_for_the_next_flush() {
        let database = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("mysql://flysk@{}/flysk", database.local_addr().expect("an address"));
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        // Closes each connection.
        tokio::spawn(async move {
            while database.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        let log = HandshakeLog::new(MySqlPoolOptions::new().connect_lazy(&url).expect("a pool"));
        let at = DateTime::from_timestamp(1_796_000_000, 0).expect("a time");
        let installs = 3 * INSTALLS_PER_TRANSACTION;
        for _ in 0..installs {
            log.record(InstallId::generate(&SystemClock), at);
        }
        log.flush().await;
        assert_eq!(asked.load(Ordering::SeqCst), 1, "parts that were tried");
        assert_eq!(log.seen().installs.len(), installs, "all of them wait");
    }

    #[test]
    fn handshakes_of_an_install_are_added_up_whatever_their_order() {
        let install_id = InstallId::generate(&SystemClock);
        let at = DateTime::from_timestamp(1_796_000_000, 0).expect("a time");
        let mut seen = Seen::default();
        for second in [5, 0, 9] {
            let at = at + TimeDelta::seconds(second);
            seen.add(SeenHandshakes { install_id, first_at: at, last_at: at, handshakes: 1 });
        }
        let last_at = at + TimeDelta::seconds(9);
        assert_eq!(
            seen.installs[&install_id],
            SeenHandshakes { install_id, first_at: at, last_at, handshakes: 3 }
        );
    }
}
