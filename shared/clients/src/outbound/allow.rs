//! Allow rules: targets that a deployment permits although they are not public.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use url::{Host, Url};

/// One permitted host and port, such as a simulator or a telephony system in a private network. Other ports of the host
/// stay forbidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowRule {
    /// `127.0.0.1:8080`, `[::1]:8080`: matches only if the URL contains this IP address.
    Address(SocketAddr),
    /// `pbx.internal:8080`: matches only if the URL contains this host name.
    Host {
        /// Host name in lower case.
        name: String,
        /// Port of the host.
        port: u16,
    },
}

/// The text is not `<host>:<port>`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `<host>:<port>` or `<address>:<port>`")]
pub struct InvalidAllowRule(String);

impl AllowRule {
    /// Whether the URL has exactly the host and port of this rule.
    pub fn matches(&self, url: &Url) -> bool {
        let Some(port) = url.port_or_known_default() else { return false };
        match (self, url.host()) {
            (Self::Address(opened), Some(Host::Ipv4(ip))) => *opened == SocketAddr::new(IpAddr::V4(ip), port),
            (Self::Address(opened), Some(Host::Ipv6(ip))) => *opened == SocketAddr::new(IpAddr::V6(ip), port),
            (Self::Host { name, port: opened }, Some(Host::Domain(domain))) => {
                name == domain && *opened == port
            }
            _ => false,
        }
    }
}

impl FromStr for AllowRule {
    type Err = InvalidAllowRule;

    fn from_str(text: &str) -> Result<Self, InvalidAllowRule> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let invalid = || InvalidAllowRule(text.to_owned());
        let (name, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let port = port.parse().map_err(|_| invalid())?;
        match Host::parse(name) {
            Ok(Host::Domain(name)) => Ok(Self::Host { name, port }),
            Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(rule: &str, url: &str) -> bool {
        rule.parse::<AllowRule>().unwrap().matches(&url.parse().unwrap())
    }

    #[test]
    fn a_rule_opens_one_host_and_port_as_the_url_writes_it() {
        assert!(matches("127.0.0.1:8080", "http://127.0.0.1:8080/r.mp3"));
        assert!(matches("[::1]:80", "http://[::1]/r.mp3"));
        assert!(matches("PBX.internal:443", "https://pbx.internal/r.mp3"));
        for url in [
            "http://127.0.0.1:8081/",
            "http://127.0.0.2:8080/",
            "http://localhost:8080/",
            "http://[::ffff:127.0.0.1]:8080/",
            "http://127.0.0.1/",
        ] {
            assert!(!matches("127.0.0.1:8080", url), "{url}");
        }
        assert!(!matches("pbx.internal:443", "https://x.pbx.internal/"));
        assert!(!matches("pbx.internal:443", "http://pbx.internal/"));
    }

    #[test]
    fn a_rule_needs_a_host_and_a_port() {
        for text in
            ["", "localhost", "localhost:", ":80", "localhost:99999", "10.0.0.0/8", "127.1:80", "a b:80"]
        {
            assert!(text.parse::<AllowRule>().is_err(), "{text:?}");
        }
    }
}
