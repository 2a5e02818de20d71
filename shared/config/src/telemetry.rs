//! Logs and metrics.

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;

use super::{ConfigError, Env, Variable};

const FORMAT: Variable = Variable::with_default(
    "FLYSK_LOG_FORMAT",
    "json",
    "Log format: `json` (one object per line) or `human`.",
);
const FILTER: Variable = Variable::with_default(
    "FLYSK_LOG",
    "info",
    "Log filter in the syntax of tracing's EnvFilter, such as info,flysk_jobs=debug.",
);
const METRICS_LISTEN: Variable = Variable::optional(
    "FLYSK_METRICS_LISTEN",
    "127.0.0.1:9090",
    "IP address and port of Prometheus metrics and /health; keep it private. Disabled if not set.",
);

pub(super) const VARIABLES: &[Variable] = &[FORMAT, FILTER, METRICS_LISTEN];

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Human-readable text.
    Human,
}

/// Logging and metrics of a process.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// `FLYSK_LOG_FORMAT`: format of log lines.
    pub format: LogFormat,
    /// `FLYSK_LOG`: log filter, validated.
    pub filter: String,
    /// `FLYSK_METRICS_LISTEN`: listener of metrics and `/health`; `None` disables it.
    pub metrics_listen: Option<SocketAddr>,
}

impl Telemetry {
    /// Reads the variables of logging and metrics.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let format = vars.parsed(&FORMAT, |text| match text {
                "json" => Ok(LogFormat::Json),
                "human" => Ok(LogFormat::Human),
                _ => Err("`json` or `human`".to_owned()),
            });
            let filter = vars.parsed(&FILTER, |text| match EnvFilter::try_new(text) {
                Ok(_) => Ok(text.to_owned()),
                Err(error) => Err(format!("a filter such as info,flysk_jobs=debug ({error})")),
            });
            let metrics_listen = vars.optional(&METRICS_LISTEN, super::Reader::socket);
            Ok(Self { format: format?, filter: filter?, metrics_listen: metrics_listen? })
        })
    }
}
