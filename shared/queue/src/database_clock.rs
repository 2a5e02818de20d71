//! Process clock synchronised with the database's time.
//!
//! Leases and due times of all processes are compared with one time, the database's, whatever the wall clocks of their
//! machines show. The offset is measured at start and every minute; in between a monotonic clock is used.

use std::sync::{Arc, Weak};
use std::time::Duration;

use flysk_domain::clock::{
    ClockOffset, MonotonicClock, SkewChange, SkewReport, SystemMonotonicClock, TimeSample,
};
use flysk_domain::{Clock, ProcessClock, SystemClock};
use flysk_domain::{Randomness, SystemRandomness};
use flysk_store::{Pool, StoreError, StoreResult, read_server_time};

/// Interval between measurements.
const MEASURE_INTERVAL: Duration = Duration::from_mins(1);
/// Samples per measurement; the one with the shortest round trip is used.
const SAMPLE_COUNT: usize = 5;
/// Maximum duration of a measurement.
const MEASURE_TIMEOUT: Duration = Duration::from_secs(10);

/// Clock of a process at the database's time. Measuring stops when the last clone is dropped.
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
    /// Measures the database's time and starts the periodic measurement. Requires a tokio runtime.
    ///
    /// A difference between the machine's wall clock and the database's is logged once per change, and reported by the
    /// gauge `flysk_clock_skew_seconds`.
    ///
    /// # Errors
    ///
    /// The database is unavailable.
    pub async fn start(pool: Pool) -> StoreResult<Self> {
        Self::start_with_wall_clock(pool, Arc::new(SystemClock)).await
    }

    /// [`DatabaseClock::start`] with another wall clock, for tests.
    pub async fn start_with_wall_clock(pool: Pool, wall: Arc<dyn Clock>) -> StoreResult<Self> {
        let monotonic: Arc<dyn MonotonicClock> = Arc::new(SystemMonotonicClock);
        let measured = measure(&pool, monotonic.as_ref()).await?;
        let clock = ProcessClock::new(Arc::clone(&monotonic), measured);
        let inner = Arc::new(Inner { clock, monotonic, wall, pool });
        let mut report = SkewReport::default();
        inner.report_skew(&mut report);
        tokio::spawn(measure_periodically(Arc::downgrade(&inner), report));
        Ok(Self { inner })
    }
}

impl Randomness for DatabaseClock {
    fn random_u128(&self) -> u128 {
        SystemRandomness.random_u128()
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.clock.now()
    }
}

impl Inner {
    fn report_skew(&self, report: &mut SkewReport) {
        let skew = self.wall.now() - self.clock.now();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a century fit, which is enough")]
        let skew_s = skew.num_milliseconds() as f64 / 1_000.0;
        metrics::gauge!("flysk_clock_skew_seconds").set(skew_s);
        match report.observe(skew) {
            Some(SkewChange::Off(_)) => tracing::warn!(
                skew_s,
                "this machine's wall clock is wrong: it differs from the database's, which is used instead"
            ),
            Some(SkewChange::Right) => {
                tracing::info!(skew_s, "this machine's wall clock matches the database's again");
            }
            None => {}
        }
    }
}

/// Measures until the clock is dropped. A failed measurement leaves the offset unchanged.
async fn measure_periodically(clock: Weak<Inner>, mut report: SkewReport) {
    let mut tick = tokio::time::interval(MEASURE_INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tick.tick().await; // at once: it was just measured
    loop {
        tick.tick().await;
        let Some(inner) = clock.upgrade() else { return };
        match measure(&inner.pool, inner.monotonic.as_ref()).await {
            Ok(measured) => inner.clock.correct(measured),
            Err(error) => {
                tracing::warn!(error = %error, "failed to measure the database's time; the offset stays unchanged");
            }
        }
        inner.report_skew(&mut report);
    }
}

/// Reads the time on one connection, so that only the round trip is measured.
async fn measure(pool: &Pool, monotonic: &dyn MonotonicClock) -> StoreResult<ClockOffset> {
    let measuring = async {
        let mut conn = pool.acquire().await?;
        let mut samples = Vec::with_capacity(SAMPLE_COUNT);
        for _ in 0..SAMPLE_COUNT {
            let asked = monotonic.elapsed();
            let told = read_server_time(&mut conn).await?;
            samples.push(TimeSample { asked, answered: monotonic.elapsed(), told });
        }
        StoreResult::Ok(samples)
    };
    let too_long = |_| StoreError::Database(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    let samples = tokio::time::timeout(MEASURE_TIMEOUT, measuring).await.map_err(too_long)??;
    ClockOffset::measure(&samples).ok_or(StoreError::WrongState { what: "server time" })
}
