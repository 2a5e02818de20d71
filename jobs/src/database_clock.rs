//! The clock of a process, kept at the database's time.
//!
//! Whoever judges leases and due times does it with one time, the database's, whatever the wall clock of its machine says. That
//! time is measured when a process starts and every minute after; in between a monotonic clock carries it on.

use std::sync::{Arc, Weak};
use std::time::Duration;

use flysk_domain::clock::{
    ClockOffset, MonotonicClock, SkewNews, SkewReport, SystemMonotonicClock, TimeSample,
};
use flysk_domain::{Clock, ProcessClock, SystemClock};
use flysk_store::{Pool, StoreError, StoreResult, read_server_time};

/// Between two measurements.
const MEASURE_EVERY: Duration = Duration::from_mins(1);
/// Questions of one measurement; the quickest answer counts.
const SAMPLES: usize = 5;
/// A measurement that takes longer has failed.
const MEASURE_TIMEOUT: Duration = Duration::from_secs(10);

/// A process' clock at the database's time. Dropped with its last clone, it is measured no more.
#[derive(Debug, Clone)]
pub struct DatabaseClock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: ProcessClock,
    monotonic: Arc<dyn MonotonicClock>,
    wall: Arc<dyn Clock>,
    pool: Pool,
}

impl DatabaseClock {
    /// Measures the database's time and goes on measuring it; fails as any statement does if the database is away.
    ///
    /// Runs inside a tokio runtime. How far the machine's wall clock is from the database's is told in the log, once per
    /// change, and by the gauge `flysk_clock_skew_seconds`.
    pub async fn start(pool: Pool) -> StoreResult<Self> {
        Self::start_beside(pool, Arc::new(SystemClock)).await
    }

    /// [`DatabaseClock::start`] on a machine whose wall clock is `wall`.
    pub async fn start_beside(pool: Pool, wall: Arc<dyn Clock>) -> StoreResult<Self> {
        let monotonic: Arc<dyn MonotonicClock> = Arc::new(SystemMonotonicClock);
        let measured = measure(&pool, monotonic.as_ref()).await?;
        let clock = ProcessClock::new(Arc::clone(&monotonic), measured);
        let inner = Arc::new(Inner { clock, monotonic, wall, pool });
        let mut report = SkewReport::default();
        inner.tell(&mut report);
        tokio::spawn(keep_measuring(Arc::downgrade(&inner), report));
        Ok(Self { inner })
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.clock.now()
    }
}

impl Inner {
    fn tell(&self, report: &mut SkewReport) {
        let skew = self.wall.now() - self.clock.now();
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of a century fit, and nobody needs more"
        )]
        let skew_s = skew.num_milliseconds() as f64 / 1_000.0;
        metrics::gauge!("flysk_clock_skew_seconds").set(skew_s);
        match report.observe(skew) {
            Some(SkewNews::Off(_)) => tracing::warn!(
                skew_s,
                "this machine's wall clock is wrong: it differs from the database's, which is used instead"
            ),
            Some(SkewNews::Right) => {
                tracing::info!(skew_s, "this machine's wall clock agrees with the database's again");
            }
            None => {}
        }
    }
}

/// Measures until the clock is gone. What cannot be measured leaves the clock as it is.
async fn keep_measuring(clock: Weak<Inner>, mut report: SkewReport) {
    let mut tick = tokio::time::interval(MEASURE_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tick.tick().await; // at once: it was just measured
    loop {
        tick.tick().await;
        let Some(inner) = clock.upgrade() else { return };
        match measure(&inner.pool, inner.monotonic.as_ref()).await {
            Ok(measured) => inner.clock.correct(measured),
            Err(error) => {
                tracing::warn!(error = %error, "the database's time could not be measured; the clock goes on as it did");
            }
        }
        inner.tell(&mut report);
    }
}

/// Asks for the time on one connection, so that nothing but the way there and back is measured.
async fn measure(pool: &Pool, monotonic: &dyn MonotonicClock) -> StoreResult<ClockOffset> {
    let measuring = async {
        let mut conn = pool.acquire().await?;
        let mut samples = Vec::with_capacity(SAMPLES);
        for _ in 0..SAMPLES {
            let asked = monotonic.elapsed();
            let told = read_server_time(&mut conn).await?;
            samples.push(TimeSample { asked, answered: monotonic.elapsed(), told });
        }
        StoreResult::Ok(samples)
    };
    let too_long = |_| StoreError::Database(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    let samples = tokio::time::timeout(MEASURE_TIMEOUT, measuring).await.map_err(too_long)??;
    ClockOffset::measure(&samples).ok_or(StoreError::Stale { what: "server time" })
}
