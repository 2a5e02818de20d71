//! DNS resolver that returns public IP addresses only.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_public;

/// Time for which addresses are used again. The system's resolver does not tell how long they are valid, so it is short.
const CACHE_TTL: Duration = Duration::from_secs(30);
/// Names whose addresses are kept.
const MAX_CACHED_NAMES: usize = 1_000;

/// Resolves with the system's resolver and returns public IP addresses only. Clones share the cache.
///
/// The connector uses the returned addresses, so there is no second lookup that a hostile name server could answer
/// differently (DNS rebinding). Only addresses that were checked are kept.
#[derive(Debug, Clone, Default)]
pub(super) struct PublicOnly {
    cache: Arc<Mutex<HashMap<String, CachedName>>>,
}

/// Public addresses of a name.
#[derive(Debug)]
struct CachedName {
    addresses: Vec<SocketAddr>,
    looked_up: Instant,
}

/// No IP address of the name is public.
#[derive(Debug, thiserror::Error)]
#[error("the name has no public IP address")]
pub(super) struct NoPublicAddress;

impl PublicOnly {
    fn cached(&self, name: &str, now: Instant) -> Option<Vec<SocketAddr>> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = cache.get(name)?;
        (now.saturating_duration_since(cached.looked_up) < CACHE_TTL).then(|| cached.addresses.clone())
    }

    fn keep(&self, name: &str, addresses: &[SocketAddr], looked_up: Instant) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_CACHED_NAMES {
            cache.clear();
        }
        cache.insert(name.to_owned(), CachedName { addresses: addresses.to_vec(), looked_up });
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let now = Instant::now();
            let public = if let Some(public) = this.cached(name.as_str(), now) {
                public
            } else {
                let public = look_up(name.as_str()).await?;
                if !public.is_empty() {
                    this.keep(name.as_str(), &public, now);
                }
                public
            };
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

/// The public addresses of a name; an error if it has only others.
async fn look_up(name: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((name, 0)).await?.collect();
    let public: Vec<SocketAddr> = found.iter().copied().filter(|address| is_public(address.ip())).collect();
    if public.is_empty() && !found.is_empty() {
        return Err(NoPublicAddress.into());
    }
    Ok(public)
}

#[cfg(test)]
mod tests {
    use super::super::OutboundError;
    use super::*;
    use crate::http::{HttpOptions, builder};

    #[tokio::test]
    async fn a_name_that_leads_home_resolves_to_nothing() {
        let refused = PublicOnly::default().resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(refused.is::<NoPublicAddress>(), "{refused:?}");
    }

    #[test]
    fn addresses_are_kept_for_half_a_minute() {
        let (resolver, now) = (PublicOnly::default(), Instant::now());
        let address: SocketAddr = "8.8.8.8:0".parse().unwrap();
        resolver.keep("a.example", &[address], now);
        assert_eq!(resolver.cached("a.example", now + CACHE_TTL / 2), Some(vec![address]));
        assert_eq!(resolver.cached("a.example", now + CACHE_TTL), None);
        assert_eq!(resolver.cached("b.example", now), None);
        for number in 0..=MAX_CACHED_NAMES {
            resolver.keep(&number.to_string(), &[address], now);
        }
        assert!(resolver.cache.lock().unwrap().len() <= MAX_CACHED_NAMES);
    }

    /// `Outbound` refuses `localhost` before resolving; other names with a loopback address reach the resolver.
    #[tokio::test]
    async fn the_refusal_of_a_name_is_told_from_a_failed_look_up() {
        let client =
            builder(&HttpOptions::default()).unwrap().dns_resolver(PublicOnly::default()).build().unwrap();
        let error = client.get("http://localhost:1/").send().await.unwrap_err();
        assert!(matches!(OutboundError::of_request(error), OutboundError::ForbiddenAddress));
        let error = client.get("http://no-such-name.invalid/").send().await.unwrap_err();
        assert!(matches!(OutboundError::of_request(error), OutboundError::Connect(_)));
    }
}
