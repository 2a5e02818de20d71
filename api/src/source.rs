//! The client address of a request.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use flysk_config::Proxies;

/// The address of the client behind trusted proxies; `None` if it is unknown (a Unix socket, or an invalid header of a proxy).
pub(crate) fn source_of(proxies: &Proxies, request: &poem::Request) -> Option<IpAddr> {
    let peer = request.remote_addr().as_socket_addr().map(SocketAddr::ip);
    let forwarded = request.headers().get_all("X-Forwarded-For");
    // A value that is not text becomes an invalid address. Dropping it would make the previous value count.
    let forwarded: Vec<&str> = forwarded.iter().map(|value| value.to_str().unwrap_or("?")).collect();
    proxies.client_ip(peer, &forwarded)
}

/// Key to count requests by source: an IPv4 address, or the /64 network of an IPv6 subscriber.
pub(crate) fn source_key(source: Option<IpAddr>) -> String {
    match source.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        Some(ip) => ip.to_string(),
        None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_is_one_source() {
        for (ip, key) in [
            (Some("203.0.113.9"), "203.0.113.9"),
            (Some("::ffff:203.0.113.9"), "203.0.113.9"),
            (Some("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64"),
            (Some("2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64"),
            (None, "unknown"),
        ] {
            assert_eq!(source_key(ip.map(|ip| ip.parse().unwrap())), key);
        }
        let longest = source_key(Some("ffff:ffff:ffff:ffff::1".parse().unwrap()));
        assert!(longest.len() <= 45, "the column's width: {longest}");
    }
}
