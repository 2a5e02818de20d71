//! Prometheus exporter on a separate listener.

use std::net::SocketAddr;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

/// Upper bounds of every histogram of seconds: from a Redis round trip to a long recognition.
const SECONDS_BUCKETS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3_600.0];
/// Interval of histogram upkeep, which bounds memory if nothing scrapes the metrics.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Path where the listener answers 200 while the process runs.
pub const HEALTH_PATH: &str = "/health";

/// Metrics cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be served on {listen}")]
pub struct MetricsError {
    /// Address of the listener.
    pub listen: SocketAddr,
    /// The address is in use, or a metrics recorder is installed already.
    pub source: BuildError,
}

/// Serves the metrics of this process at `http://<listen>/metrics`. Call once per process, inside a tokio runtime.
///
/// Histograms whose name ends in `_seconds` get fixed buckets, so that they can be aggregated across processes.
pub fn install(listen: SocketAddr, process: &'static str) -> Result<(), MetricsError> {
    PrometheusBuilder::new()
        .with_http_listener(listen)
        .upkeep_timeout(UPKEEP_INTERVAL)
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
        .and_then(PrometheusBuilder::install)
        .map_err(|source| MetricsError { listen, source })?;
    let info =
        metrics::gauge!("flysk_build_info", "version" => env!("CARGO_PKG_VERSION"), "process" => process);
    info.set(1.0);
    Ok(())
}
