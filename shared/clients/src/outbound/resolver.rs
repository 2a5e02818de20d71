//! DNS resolver that returns public IP addresses only.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_public;

/// Resolves with the system's resolver and returns public IP addresses only.
///
/// The connector uses the returned addresses, so there is no second lookup that a hostile name server could answer
/// differently (DNS rebinding).
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicOnly;

/// No IP address of the name is public.
#[derive(Debug, thiserror::Error)]
#[error("the name has no public IP address")]
pub(super) struct NoPublicAddress;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<_> = found.iter().copied().filter(|address| is_public(address.ip())).collect();
            if public.is_empty() && !found.is_empty() {
                return Err(NoPublicAddress.into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::OutboundError;
    use super::*;
    use crate::http::{HttpOptions, builder};

    #[tokio::test]
    async fn a_name_that_leads_home_resolves_to_nothing() {
        let refused = PublicOnly.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(refused.is::<NoPublicAddress>(), "{refused:?}");
    }

    /// `Outbound` refuses `localhost` before resolving; other names with a loopback address reach the resolver.
    #[tokio::test]
    async fn the_refusal_of_a_name_is_told_from_a_failed_look_up() {
        let client = builder(&HttpOptions::default()).unwrap().dns_resolver(PublicOnly).build().unwrap();
        let error = client.get("http://localhost:1/").send().await.unwrap_err();
        assert!(matches!(OutboundError::of_request(error), OutboundError::ForbiddenAddress));
        let error = client.get("http://no-such-name.invalid/").send().await.unwrap_err();
        assert!(matches!(OutboundError::of_request(error), OutboundError::Connect(_)));
    }
}
