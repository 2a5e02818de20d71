//! Addresses we did not choose: what may be reached, how long, how much.

use std::time::Duration;

use super::{ConfigError, Env, Variable};

const ALLOW: Variable = Variable::with_default(
    "FLYSK_OUTBOUND_ALLOW",
    "none",
    "Private targets that may be reached all the same, for development: `127.0.0.1:8085`. Leave it at\n\
     `none` in production.",
);
const CONNECT_TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_OUTBOUND_CONNECT_TIMEOUT_MS",
    "10000",
    "Longest time to connect, TLS included, in milliseconds.",
);
const STALL_TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_OUTBOUND_STALL_TIMEOUT_MS",
    "30000",
    "Longest silence while an answer arrives, in milliseconds.",
);
const TOTAL_TIMEOUT_SECONDS: Variable = Variable::with_default(
    "FLYSK_OUTBOUND_TOTAL_TIMEOUT_SECONDS",
    "1200",
    "Longest download of one recording, in seconds.",
);
const MAX_REDIRECTS: Variable = Variable::with_default(
    "FLYSK_OUTBOUND_MAX_REDIRECTS",
    "5",
    "Redirects followed; each hop is checked like the first.",
);

pub(super) const VARIABLES: &[Variable] =
    &[ALLOW, CONNECT_TIMEOUT_MS, STALL_TIMEOUT_MS, TOTAL_TIMEOUT_SECONDS, MAX_REDIRECTS];

/// `host:port` or `[v6]:port`, in lower case; the client that opens it reads it in full.
fn target(text: &str) -> Result<String, String> {
    let named = text
        .rsplit_once(':')
        .filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0));
    named
        .map(|_| text.to_ascii_lowercase())
        .ok_or_else(|| "`host:port`, several separated by commas, or `none`".to_owned())
}

/// Limits of requests to strangers.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// `FLYSK_OUTBOUND_ALLOW`: private targets that are open all the same.
    pub allow: Vec<String>,
    /// `FLYSK_OUTBOUND_CONNECT_TIMEOUT_MS`: longest connect.
    pub connect_timeout: Duration,
    /// `FLYSK_OUTBOUND_STALL_TIMEOUT_MS`: longest silence.
    pub stall_timeout: Duration,
    /// `FLYSK_OUTBOUND_TOTAL_TIMEOUT_SECONDS`: longest download.
    pub total_timeout: Duration,
    /// `FLYSK_OUTBOUND_MAX_REDIRECTS`: hops followed.
    pub max_redirects: u32,
}

impl Outbound {
    /// Reads the concern. How large a recording may be is [`super::Audio::max_bytes`].
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let allow = vars.list(&ALLOW, target);
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
        assert_eq!(target("PBX.example:8085"), Ok("pbx.example:8085".to_owned()));
        assert!(target("[::1]:80").is_ok());
        for text in ["localhost", "host:0", ":80", "host:99999", "10.1.0.0/16"] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
