//! What a stranger's URL must be before we call it.

use std::net::IpAddr;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use reqwest::Client;
use url::{Host, Url};

use super::address::is_public;
use super::login::Login;
use super::{Outbound, OutboundError};

/// The longest URL we take; recording links are a few hundred characters.
const LONGEST: usize = 4096;
/// What `Location` may hold raw and a URL may not: everything beyond ASCII, whatever the encoding.
const RAW: &AsciiSet = CONTROLS;

/// Why a text is not a URL we call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not an absolute URL.
    #[error("not an absolute URL")]
    Syntax,
    /// Neither http nor https.
    #[error("only http and https are called")]
    Scheme,
    /// A user name or a password in it, where none is taken.
    #[error("a URL must not carry a user name or a password")]
    Credentials,
    /// No host.
    #[error("no host")]
    NoHost,
    /// Longer than 4096 bytes.
    #[error("too long")]
    TooLong,
}

/// A URL that may be called, and the client that may call it.
#[derive(Debug)]
pub(super) struct Target<'a> {
    /// Without the login that stood in it.
    pub(super) url: Url,
    pub(super) login: Option<Login>,
    pub(super) client: &'a Client,
}

impl Outbound {
    /// Checks a URL that stands at the start of a chain.
    pub(super) fn target(&self, text: &str) -> Result<Target<'_>, OutboundError> {
        if text.len() > LONGEST {
            return Err(BadUrl::TooLong.into());
        }
        let url = Url::parse(text.trim()).map_err(|_| BadUrl::Syntax)?;
        self.check(url)
    }

    /// The same for a URL that may hold no login.
    pub(super) fn target_without_login(&self, text: &str) -> Result<Target<'_>, OutboundError> {
        let target = self.target(text)?;
        if target.login.is_some() { Err(BadUrl::Credentials.into()) } else { Ok(target) }
    }

    /// Checks where a redirect points to; relative links are allowed, and bytes that are not ASCII, which are
    /// percent-encoded as browsers and curl do.
    pub(super) fn next_hop(&self, from: &Url, location: &[u8]) -> Result<Target<'_>, OutboundError> {
        if location.len() > LONGEST {
            return Err(BadUrl::TooLong.into());
        }
        let location = percent_encode(location, RAW).to_string();
        let url = from.join(&location).map_err(|_| BadUrl::Syntax)?;
        self.check(url)
    }

    /// `Url` has already read decimal, octal and hexadecimal hosts as the addresses they are.
    fn check(&self, mut url: Url) -> Result<Target<'_>, OutboundError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadUrl::Scheme.into());
        }
        let login = Login::take_from(&mut url);
        url.set_fragment(None);
        if self.allow.iter().any(|rule| rule.opens(&url)) {
            return Ok(Target { url, login, client: &self.opened });
        }
        let public = match url.host() {
            None => return Err(BadUrl::NoHost.into()),
            Some(Host::Domain(name)) => !is_loopback_name(name),
            Some(Host::Ipv4(ip)) => is_public(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => is_public(IpAddr::V6(ip)),
        };
        if public {
            Ok(Target { url, login, client: &self.public })
        } else {
            Err(OutboundError::ForbiddenAddress)
        }
    }
}

/// `localhost` and all below it mean this machine whatever a resolver says (RFC 6761, 6.3).
fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}
