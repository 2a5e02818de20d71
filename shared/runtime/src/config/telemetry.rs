//! Logs and metrics.

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;

use super::{ConfigError, Env, Variable};

const FORMAT: Variable =
    Variable::with_default("FLYSK_LOG_FORMAT", "json", "`json` (one object per line) or `human`.");
const FILTER: Variable = Variable::with_default(
    "FLYSK_LOG",
    "info",
    "What is logged, in the syntax of tracing's EnvFilter, such as info,flysk_jobs=debug.",
);
const METRICS_LISTEN: Variable = Variable::optional(
    "FLYSK_METRICS_LISTEN",
    "127.0.0.1:9090",
    "Address and port of the Prometheus metrics of this process; not for the public. Off when not set.",
);

pub(super) const VARIABLES: &[Variable] = &[FORMAT, FILTER, METRICS_LISTEN];

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For eyes.
    Human,
}

/// What a process tells about itself.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// `FLYSK_LOG_FORMAT`: how lines look.
    pub format: LogFormat,
    /// `FLYSK_LOG`: which lines there are; known to parse.
    pub filter: String,
    /// `FLYSK_METRICS_LISTEN`: where metrics are served, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
}

impl Telemetry {
    /// Reads the concern.
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
