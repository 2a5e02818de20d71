//! Outbound HTTP to untrusted URLs: allowed targets, timeouts, limits.

use std::time::Duration;

use super::{ConfigError, Env, Variable};

const ALLOW: Variable = Variable::with_default(
    "FLYSK_OUTBOUND_ALLOW",
    "none",
    "Private addresses that requests may reach despite the SSRF protection, for development: `127.0.0.1:8085`.\n\
     Leave it at `none` in production.",
);
const CONNECT_TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_OUTBOUND_CONNECT_TIMEOUT_MS",
    "10000",
    "Timeout of connecting, including TLS, in milliseconds.",
);
const STALL_TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_OUTBOUND_STALL_TIMEOUT_MS",
    "30000",
    "Maximum time without data during a response, in milliseconds.",
);
const TOTAL_TIMEOUT_SECONDS: Variable = Variable::with_default(
    "FLYSK_OUTBOUND_TOTAL_TIMEOUT_SECONDS",
    "1200",
    "Time limit of downloading one recording, in seconds.",
);
const MAX_REDIRECTS: Variable = Variable::with_default(
    "FLYSK_OUTBOUND_MAX_REDIRECTS",
    "5",
    "Maximum number of redirects. Each target is checked like the first URL.",
);

pub(super) const VARIABLES: &[Variable] =
    &[ALLOW, CONNECT_TIMEOUT_MS, STALL_TIMEOUT_MS, TOTAL_TIMEOUT_SECONDS, MAX_REDIRECTS];

/// Reads `host:port` or `[v6]:port` into lower case. The outbound client parses it completely.
fn parse_target(text: &str) -> Result<String, String> {
    let named = text
        .rsplit_once(':')
        .filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0));
    named
        .map(|_| text.to_ascii_lowercase())
        .ok_or_else(|| "`host:port`, several separated by commas, or `none`".to_owned())
}

/// Limits of requests to untrusted URLs.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// `FLYSK_OUTBOUND_ALLOW`: private targets that requests may reach, as `host:port`.
    pub allow: Vec<String>,
    /// `FLYSK_OUTBOUND_CONNECT_TIMEOUT_MS`: timeout of connecting, including TLS.
    pub connect_timeout: Duration,
    /// `FLYSK_OUTBOUND_STALL_TIMEOUT_MS`: maximum time without data.
    pub stall_timeout: Duration,
    /// `FLYSK_OUTBOUND_TOTAL_TIMEOUT_SECONDS`: time limit of one download.
    pub total_timeout: Duration,
    /// `FLYSK_OUTBOUND_MAX_REDIRECTS`: maximum number of redirects.
    pub max_redirects: u32,
}

impl Outbound {
    /// Reads the variables of outbound HTTP. The maximum size of a recording is [`super::Audio::max_bytes`].
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let allow = vars.list(&ALLOW, parse_target);
            let connect_timeout = vars.millis(&CONNECT_TIMEOUT_MS, 10..=120_000);
            let stall_timeout = vars.millis(&STALL_TIMEOUT_MS, 10..=600_000);
            let total_timeout = vars.seconds(&TOTAL_TIMEOUT_SECONDS, 1..=14_400);
            let max_redirects = vars.number(&MAX_REDIRECTS, 0..=20);
            Ok(Self {
                allow: allow?,
                connect_timeout: connect_timeout?,
                stall_timeout: stall_timeout?,
                total_timeout: total_timeout?,
                max_redirects: max_redirects?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        assert_eq!(parse_target("PBX.example:8085"), Ok("pbx.example:8085".to_owned()));
        assert!(parse_target("[::1]:80").is_ok());
        for text in ["localhost", "host:0", ":80", "host:99999", "10.1.0.0/16"] {
            assert!(parse_target(text).is_err(), "{text}");
        }
    }
}
