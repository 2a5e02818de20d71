//! Metrics for Prometheus, on a listener of their own.

use std::net::SocketAddr;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

/// Upper bounds of every histogram of seconds: from a Redis round trip to a long recognition.
const SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3_600.0];
/// How often histograms are folded, so that memory stays flat when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Where the listener answers 200 for as long as the process lives.
pub const HEALTH: &str = "/health";

/// Metrics cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be served on {listen}")]
pub struct MetricsError {
    /// Where they should have been.
    pub listen: SocketAddr,
    /// Why not: the address is taken, or metrics are installed already.
    pub source: BuildError,
}

/// Serves what this process counts at `http://<listen>/metrics`. Once per process, inside a tokio runtime.
///
/// Histograms whose name ends in `_seconds` get fixed buckets, so that they can be added up over processes.
pub fn install(listen: SocketAddr, process: &'static str) -> Result<(), MetricsError> {
    PrometheusBuilder::new()
        .with_http_listener(listen)
        .upkeep_timeout(UPKEEP)
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install)
        .map_err(|source| MetricsError { listen, source })?;
    let info =
        metrics::gauge!("flysk_build_info", "version" => env!("CARGO_PKG_VERSION"), "process" => process);
    info.set(1.0);
    Ok(())
}
