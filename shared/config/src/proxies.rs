//! Client IP address behind trusted proxies.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Reader, Reported, Variable};

pub(super) const TRUSTED_PROXIES: Variable = Variable::with_default(
    "FLYSK_TRUSTED_PROXIES",
    "none",
    "Networks of the deployment's own reverse proxies. X-Forwarded-For is trusted only from them. Behind a proxy that is\n\
     not listed, all clients share the proxy's address and the limits per address.",
);

/// `FLYSK_TRUSTED_PROXIES`: networks of trusted reverse proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(super) fn read(vars: &mut Reader<'_>) -> Result<Self, Reported> {
        vars.list(&TRUSTED_PROXIES, network).map(Self)
    }

    /// The client's IP address: the peer, or, if the peer is a trusted proxy, the last address of `forwarded` (the values
    /// of `X-Forwarded-For` in their order) that is not one. `None` if the peer is unknown or that value is not an address.
    pub fn client_ip(&self, peer: Option<IpAddr>, forwarded: &[&str]) -> Option<IpAddr> {
        let mut source = peer.map(|ip| ip.to_canonical());
        let hops = forwarded.iter().rev().flat_map(|value| value.rsplit(',')).map(str::trim);
        for hop in hops.filter(|hop| !hop.is_empty()) {
            match source {
                Some(ip) if is_within(&self.0, ip) => {
                    source = hop.parse().ok().map(|ip: IpAddr| ip.to_canonical());
                }
                _ => break,
            }
        }
        source
    }
}

/// Whether an address is in one of the networks.
pub(super) fn is_within(networks: &[IpNet], ip: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&ip.to_canonical()))
}

/// Reads a network in CIDR notation, or a single address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "networks such as 91.194.226.0/23 or addresses, separated by commas".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_named_by_our_own_proxies_and_by_nobody_else() {
        let proxies = Proxies(vec![network("10.0.0.0/8").unwrap(), network("fd00::/8").unwrap()]);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let told: [(&str, &[&str], Option<&str>); 9] = [
            ("203.0.113.9", &[], Some("203.0.113.9")),
            ("203.0.113.9", &["198.51.100.1"], Some("203.0.113.9")),
            ("10.0.0.5", &["198.51.100.1"], Some("198.51.100.1")),
            ("::ffff:10.0.0.5", &["198.51.100.1"], Some("198.51.100.1")),
            ("10.0.0.5", &["192.0.2.1, 198.51.100.1, 10.0.0.7"], Some("198.51.100.1")),
            // The client's own claim precedes the proxy's addition, in the same header or in a separate one.
            ("10.0.0.5", &["192.0.2.1", "198.51.100.1"], Some("198.51.100.1")),
            ("fd00::1", &["2001:db8::7"], Some("2001:db8::7")),
            ("10.0.0.5", &["nonsense"], None),
            ("10.0.0.5", &[], Some("10.0.0.5")),
        ];
        for (peer, forwarded, source) in told {
            assert_eq!(proxies.client_ip(Some(ip(peer)), forwarded), source.map(ip), "{peer} {forwarded:?}");
        }
        assert_eq!(proxies.client_ip(None, &["198.51.100.1"]), None);
        assert!(network("91.194.226").is_err());
    }
}
