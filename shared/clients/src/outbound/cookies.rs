//! Cookies within one chain of redirects (RFC 6265): later hops to matching hosts send the cookies of earlier hops.
//!
//! A cookie jar belongs to one chain; requests do not share cookies.

use chrono::DateTime;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use url::{Host, Url};

/// Maximum number of cookies in one chain; further ones are ignored.
const MAX_COOKIES: usize = 50;
/// Maximum length of a cookie, name and value together, in bytes.
const MAX_COOKIE_LEN: usize = 4096;

/// The cookies of one chain of redirects.
#[derive(Default)]
pub(super) struct CookieJar(Vec<Cookie>);

/// One cookie. It has no `Debug`, because its value may be a session id.
struct Cookie {
    name: String,
    value: String,
    /// Domain in lower case, as in `Url`.
    domain: String,
    is_host_only: bool,
    /// Port; `None` for the default port. Stricter than browsers, which share cookies between ports, because another port may
    /// be another party's service.
    port: Option<u16>,
    path: String,
    is_secure: bool,
}

impl CookieJar {
    /// Stores the cookies of the response from `url`.
    pub(super) fn take(&mut self, url: &Url, headers: &HeaderMap) {
        for value in headers.get_all(SET_COOKIE) {
            let Some((cookie, is_kept)) =
                std::str::from_utf8(value.as_bytes()).ok().and_then(|text| Cookie::parse(url, text))
            else {
                continue;
            };
            self.0.retain(|known| !known.is_same_as(&cookie));
            if is_kept && self.0.len() < MAX_COOKIES {
                self.0.push(cookie);
            }
        }
    }

    /// The `Cookie` header of a request to `url`; longer paths first.
    pub(super) fn header_for(&self, url: &Url) -> Option<HeaderValue> {
        let mut matching: Vec<&Cookie> = self.0.iter().filter(|cookie| cookie.belongs_to(url)).collect();
        matching.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> =
            matching.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        let mut header = HeaderValue::from_bytes(pairs.join("; ").as_bytes()).ok()?;
        header.set_sensitive(true);
        (!pairs.is_empty()).then_some(header)
    }
}

impl Cookie {
    /// Parses a cookie; the flag is false for an expired one, which deletes the stored cookie of the same name.
    fn parse(url: &Url, text: &str) -> Option<(Self, bool)> {
        let mut parts = text.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.len() + value.len() > MAX_COOKIE_LEN {
            return None;
        }
        let host = url.host_str()?.to_owned();
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: host,
            is_host_only: true,
            port: url.port(),
            path: default_path(url),
            is_secure: false,
        };
        let (mut expires, mut max_age) = (None, None);
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match attribute.trim().to_ascii_lowercase().as_str() {
                "domain" => cookie.widen_to(url, value)?,
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "secure" => cookie.is_secure = true,
                "max-age" => max_age = value.parse::<i64>().ok(),
                "expires" => expires = Some(value.to_owned()),
                _ => {}
            }
        }
        let is_over = max_age.map_or_else(|| expires.is_some_and(|at| is_long_past(&at)), |age| age <= 0);
        Some((cookie, !is_over))
    }

    /// Applies the attribute `Domain`. `None` rejects a cookie for a foreign domain. A cookie for a public suffix stays with
    /// its host.
    fn widen_to(&mut self, url: &Url, domain: &str) -> Option<()> {
        let domain = domain.trim_start_matches('.').to_ascii_lowercase();
        if domain.is_empty() || domain == self.domain {
            self.is_host_only &= domain.is_empty() || !matches!(url.host(), Some(Host::Domain(_)));
            return Some(());
        }
        let is_parent = matches!(url.host(), Some(Host::Domain(host)) if is_below(host, &domain));
        if !is_parent {
            return None;
        }
        if !is_registry(&domain) {
            (self.domain, self.is_host_only) = (domain, false);
        }
        Some(())
    }

    fn is_same_as(&self, other: &Self) -> bool {
        let key =
            |cookie: &Self| (cookie.name.clone(), cookie.domain.clone(), cookie.port, cookie.path.clone());
        key(self) == key(other)
    }

    fn belongs_to(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let is_host = host == self.domain || (!self.is_host_only && is_below(host, &self.domain));
        let path = url.path();
        let is_path = path
            .strip_prefix(&self.path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'));
        is_host && is_path && self.port == url.port() && (!self.is_secure || url.scheme() == "https")
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether a domain looks like a public suffix: `ru`, `co.uk`, `msk.ru`. A false positive only keeps the cookie at the
/// host that set it.
fn is_registry(domain: &str) -> bool {
    match domain.split('.').collect::<Vec<_>>().as_slice() {
        [_] => true,
        [second, _top] => second.len() <= 3,
        _ => false,
    }
}

/// The directory of the URL's path (RFC 6265, 5.1.4).
fn default_path(url: &Url) -> String {
    match url.path().rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(at) => url.path()[..at].to_owned(),
    }
}

/// Whether `Expires` deletes the cookie. Servers use a date far in the past for that; a later expiry is after the end of
/// any chain.
fn is_long_past(expires: &str) -> bool {
    let spaced = expires.replace('-', " ");
    DateTime::parse_from_rfc2822(&spaced).is_ok_and(|at| at.timestamp() < 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `Cookie` header of a hop to `to` after `from` set `cookies`.
    fn sent(from: &str, cookies: &[&str], to: &str) -> Option<String> {
        let mut jar = CookieJar::default();
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(SET_COOKIE, cookie.parse().unwrap());
        }
        jar.take(&from.parse().unwrap(), &headers);
        jar.header_for(&to.parse().unwrap()).map(|header| header.to_str().unwrap().to_owned())
    }

    const LOGIN: &str = "https://pbx.example.com/auth/login";

    #[test]
    fn a_cookie_goes_to_the_host_and_the_folder_that_set_it() {
        let to = |to| sent(LOGIN, &["sid=1; Path=/; HttpOnly; SameSite=Lax", "deep=2"], to);
        assert_eq!(to("https://pbx.example.com/auth/next").as_deref(), Some("deep=2; sid=1"));
        assert_eq!(to("https://pbx.example.com/r/1.mp3").as_deref(), Some("sid=1"));
        assert_eq!(to("https://pbx.example.com/author").as_deref(), Some("sid=1"));
        for other in [
            "https://example.com/",
            "https://pbx.example.com:8443/",
            "https://files.pbx.example.com/",
            "https://pbx.example.com.evil.test/",
        ] {
            assert_eq!(to(other), None, "{other}");
        }
    }

    #[test]
    fn a_domain_is_heeded_only_above_the_host_and_below_a_registry() {
        let files = "https://files.example.com/r/1.mp3";
        assert_eq!(sent(LOGIN, &["a=1; Domain=.Example.com; Path=/"], files).as_deref(), Some("a=1"));
        assert_eq!(sent(LOGIN, &["a=1; Domain=evil.test; Path=/"], "https://evil.test/"), None);
        assert_eq!(sent(LOGIN, &["a=1; Domain=files.example.com; Path=/"], files), None);
        let british = "https://pbx.co.uk/login";
        assert_eq!(sent(british, &["a=1; Domain=co.uk; Path=/"], "https://bank.co.uk/"), None);
        assert_eq!(sent(british, &["a=1; Domain=uk; Path=/"], british).as_deref(), Some("a=1"));
        assert_eq!(sent("http://8.8.8.8/a", &["a=1; Domain=8.8.8"], "http://8.8.8/"), None);
    }

    #[test]
    fn secure_expired_and_repeated_cookies_are_what_they_say() {
        let again = |cookies: &[&str], to| sent(LOGIN, cookies, to);
        let plain = "http://pbx.example.com/auth/1";
        let secure = "https://pbx.example.com/auth/1";
        assert_eq!(again(&["a=1; Secure"], plain), None);
        assert_eq!(again(&["a=1; Secure"], secure).as_deref(), Some("a=1"));
        assert_eq!(again(&["a=1", "a=2"], secure).as_deref(), Some("a=2"));
        assert_eq!(again(&["a=1", "a=; Max-Age=0"], secure), None);
        assert_eq!(again(&["a=1", "a=gone; expires=Thu, 01-Jan-1970 00:00:01 GMT"], secure), None);
        assert_eq!(again(&["a=1; Expires=Thu, 01 Jan 2099 00:00:01 GMT"], secure).as_deref(), Some("a=1"));
        assert_eq!(again(&["", "novalue", "=x"], secure), None);
    }
}
