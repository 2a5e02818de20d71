//! Credentials in URLs, and the hosts to which they are sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// Credentials for one host as an HTTP Basic header (RFC 7617). The header is marked as sensitive, so `Debug` hides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    scheme: String,
    host: Host<String>,
    port: u16,
    header: HeaderValue,
}

impl Login {
    /// Removes the credentials from a URL; `None` if it has none.
    pub(super) fn take_from(url: &mut Url) -> Option<Self> {
        if url.username().is_empty() && url.password().is_none() {
            return None;
        }
        let (host, port) = (url.host()?.to_owned(), url.port_or_known_default()?);
        let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
        pair.push(b':');
        pair.extend(percent_decode_str(url.password().unwrap_or_default()));
        let mut header = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).ok()?;
        header.set_sensitive(true);
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        Some(Self { scheme: url.scheme().to_owned(), host, port, header })
    }

    /// Whether the credentials may be sent to this URL: same scheme, host and port, or an upgrade of the same host from http
    /// to https, both on their default ports. Credentials of an https URL are never sent without TLS.
    fn belongs_to(&self, url: &Url) -> bool {
        let Some(port) = url.port_or_known_default() else { return false };
        let is_same_host = url.host().is_some_and(|host| host.to_owned() == self.host);
        let is_same = self.scheme == url.scheme() && self.port == port;
        let is_upgrade = self.scheme == "http" && self.port == 80 && url.scheme() == "https" && port == 443;
        is_same_host && (is_same || is_upgrade)
    }
}

/// The credentials of one chain of redirects.
#[derive(Debug, Default)]
pub(super) struct Logins(Vec<Login>);

impl Logins {
    pub(super) fn add(&mut self, login: Option<Login>) {
        self.0.extend(login);
    }

    /// The `Authorization` header of a request to `url`; the latest credentials count.
    pub(super) fn header_for(&self, url: &Url) -> Option<HeaderValue> {
        self.0.iter().rev().find(|login| login.belongs_to(url)).map(|login| login.header.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(link: &str, to: &str) -> Option<String> {
        let mut url: Url = link.parse().unwrap();
        let mut logins = Logins::default();
        logins.add(Login::take_from(&mut url));
        assert!(!url.as_str().contains('@'), "{url}");
        let header = logins.header_for(&to.parse().unwrap())?;
        assert!(!format!("{logins:?} {header:?}").contains("Basic"), "`Debug` shows the credentials");
        let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        Some(String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap())
    }

    #[test]
    fn a_login_is_decoded_and_may_lack_a_half() {
        for (link, login) in [
            ("http://crm:s3cret@pbx.example.com/17.wav", "crm:s3cret"),
            ("http://crm%40office:p%3Aw%2Fd@pbx.example.com/17.wav", "crm@office:p:w/d"),
            ("http://%D0%BE%D1%84%D0%B8%D1%81:пароль@pbx.example.com/17.wav", "офис:пароль"),
            ("http://crm@pbx.example.com/17.wav", "crm:"),
            ("http://:s3cret@pbx.example.com/17.wav", ":s3cret"),
            ("http://crm:p@ss@pbx.example.com/17.wav", "crm:p@ss"),
        ] {
            assert_eq!(sent(link, "http://pbx.example.com/17.wav").as_deref(), Some(login), "{link}");
        }
        assert_eq!(sent("http://pbx.example.com/17.wav", "http://pbx.example.com/17.wav"), None);
    }

    #[test]
    fn a_login_is_for_its_own_host_port_and_scheme() {
        let from = |link| move |to| sent(link, to).is_some();
        let plain = from("http://u:p@pbx.example.com/1");
        assert!(plain("http://PBX.example.com:80/2") && plain("https://pbx.example.com/1"));
        for to in [
            "http://files.pbx.example.com/1",
            "http://example.com/1",
            "http://pbx.example.com:8080/1",
            "https://pbx.example.com:8443/1",
            "http://pbx.example.com.evil.example/1",
        ] {
            assert!(!plain(to), "{to}");
        }
        let secure = from("https://u:p@pbx.example.com/1");
        assert!(secure("https://pbx.example.com/2") && !secure("http://pbx.example.com/2"));
        assert!(!secure("http://pbx.example.com:443/2"));
    }
}
