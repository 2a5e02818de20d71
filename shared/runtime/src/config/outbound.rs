//! Addresses we did not choose: what may be reached, how long, how much.

use std::net::IpAddr;
use std::time::Duration;

use super::{ConfigError, Env, Variable};

const ALLOW: Variable = Variable::with_default(
    "FLYSK_OUTBOUND_ALLOW",
    "none",
    "Private targets that may be reached all the same, for development: `127.0.0.1:8085,10.1.0.0/16`,\n\
     `host:port` or a network in CIDR notation. Leave it at `none` in production.",
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

/// An exception to "no private addresses".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedTarget {
    /// One server, by the name or address it is called by.
    HostPort {
        /// Lower-case name, or address without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// Every port of a network.
    Network {
        /// Any address inside it.
        address: IpAddr,
        /// How many leading bits count.
        prefix: u8,
    },
}

impl AllowedTarget {
    /// Reads `host:port`, `[v6]:port` or `address/prefix`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wanted = || "`host:port` or `address/prefix`, separated by commas, or `none`".to_owned();
        if let Some((address, prefix)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| wanted())?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.parse().ok().filter(|bits| *bits <= longest).ok_or_else(wanted)?;
            return Ok(Self::Network { address, prefix });
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wanted)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wanted)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() { Err(wanted()) } else { Ok(Self::HostPort { host, port }) }
    }

    /// Whether a connection to `address`, asked for as `host` and `port`, falls under this exception.
    pub fn covers(&self, host: &str, port: u16, address: IpAddr) -> bool {
        match self {
            Self::HostPort { host: allowed, port: allowed_port } => {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                *allowed_port == port && allowed.eq_ignore_ascii_case(host)
            }
            Self::Network { address: network, prefix } => match (network, address) {
                (IpAddr::V4(network), IpAddr::V4(address)) => {
                    same_prefix(network.to_bits().into(), address.to_bits().into(), 32, *prefix)
                }
                (IpAddr::V6(network), IpAddr::V6(address)) => {
                    same_prefix(network.to_bits(), address.to_bits(), 128, *prefix)
                }
                _ => false,
            },
        }
    }
}

fn same_prefix(network: u128, address: u128, width: u32, prefix: u8) -> bool {
    let ignored = width.saturating_sub(prefix.into());
    // A shift by the full width is not defined: nothing is compared then.
    (network ^ address).checked_shr(ignored).unwrap_or(0) == 0
}

/// Limits of requests to strangers.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// `FLYSK_OUTBOUND_ALLOW`: private targets that are open all the same.
    pub allow: Vec<AllowedTarget>,
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
            let allow = vars.list(&ALLOW, AllowedTarget::parse);
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

    fn covers(rule: &str, host: &str, port: u16, address: &str) -> bool {
        AllowedTarget::parse(rule).unwrap().covers(host, port, address.parse().unwrap())
    }

    #[test]
    fn one_server_is_one_name_and_one_port() {
        assert!(covers("127.0.0.1:8085", "127.0.0.1", 8085, "127.0.0.1"));
        assert!(!covers("127.0.0.1:8085", "127.0.0.1", 8086, "127.0.0.1"));
        assert!(!covers("127.0.0.1:8085", "rebound.example", 8085, "127.0.0.1"));
        assert!(covers("[::1]:80", "[::1]", 80, "::1"));
    }

    #[test]
    fn a_network_is_its_leading_bits() {
        assert!(covers("10.1.0.0/16", "pbx", 80, "10.1.255.7"));
        assert!(!covers("10.1.0.0/16", "pbx", 80, "10.2.0.1"));
        assert!(covers("10.1.2.3/32", "pbx", 80, "10.1.2.3"));
        assert!(!covers("10.1.2.3/32", "pbx", 80, "10.1.2.2"));
        assert!(covers("0.0.0.0/0", "pbx", 80, "192.168.0.1"));
        assert!(covers("::/0", "pbx", 80, "fe80::1"));
        assert!(!covers("0.0.0.0/0", "pbx", 80, "::1"));
        assert!(covers("fc00::/7", "pbx", 80, "fd12::1"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["localhost", "10.0.0.0/33", "10.0.0.0/", "host:0", ":80", "host:99999", "::1/129"] {
            assert!(AllowedTarget::parse(text).is_err(), "{text}");
        }
    }
}
