//! Validates untrusted URLs before requests.

use std::net::IpAddr;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use reqwest::Client;
use url::{Host, Url};

use super::address::is_public;
use super::bad_url::BadUrl;
use super::login::Login;
use super::{Outbound, OutboundError};

/// Maximum length of a URL in bytes; recording links have a few hundred.
const MAX_URL_LEN: usize = 4096;
/// Bytes of `Location` to percent-encode: control characters and everything outside ASCII.
const LOCATION_ESCAPES: &AsciiSet = CONTROLS;

/// A valid URL with the client to use.
#[derive(Debug)]
pub(super) struct ValidatedUrl<'a> {
    /// The URL without its credentials.
    pub(super) url: Url,
    pub(super) login: Option<Login>,
    pub(super) client: &'a Client,
}

impl Outbound {
    /// Validates the first URL of a chain.
    pub(super) fn validate_url(&self, text: &str) -> Result<ValidatedUrl<'_>, OutboundError> {
        if text.len() > MAX_URL_LEN {
            return Err(BadUrl::TooLong.into());
        }
        let url = Url::parse(text.trim()).map_err(|_| BadUrl::Syntax)?;
        self.check(url)
    }

    /// Validates a URL that must not contain credentials.
    pub(super) fn validate_url_without_login(&self, text: &str) -> Result<ValidatedUrl<'_>, OutboundError> {
        let target = self.validate_url(text)?;
        if target.login.is_some() { Err(BadUrl::Credentials.into()) } else { Ok(target) }
    }

    /// Validates the target of a redirect. Accepts relative URLs, and non-ASCII bytes, which it percent-encodes as browsers
    /// and curl do.
    pub(super) fn next_hop(&self, from: &Url, location: &[u8]) -> Result<ValidatedUrl<'_>, OutboundError> {
        if location.len() > MAX_URL_LEN {
            return Err(BadUrl::TooLong.into());
        }
        let location = percent_encode(location, LOCATION_ESCAPES).to_string();
        let url = from.join(&location).map_err(|_| BadUrl::Syntax)?;
        self.check(url)
    }

    /// `Url` has already converted decimal, octal and hexadecimal hosts to IP addresses.
    fn check(&self, mut url: Url) -> Result<ValidatedUrl<'_>, OutboundError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadUrl::Scheme.into());
        }
        let login = Login::take_from(&mut url);
        url.set_fragment(None);
        if self.allow.iter().any(|rule| rule.matches(&url)) {
            return Ok(ValidatedUrl { url, login, client: &self.opened });
        }
        let public = match url.host() {
            None => return Err(BadUrl::NoHost.into()),
            Some(Host::Domain(name)) => !is_loopback_name(name),
            Some(Host::Ipv4(ip)) => is_public(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => is_public(IpAddr::V6(ip)),
        };
        if public {
            Ok(ValidatedUrl { url, login, client: &self.public })
        } else {
            Err(OutboundError::ForbiddenAddress)
        }
    }
}

/// Whether a name is `localhost` or below it: always this machine, without resolving (RFC 6761, 6.3).
fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}
