//! Whose requests the control API takes. It needs no password, so a page of somebody else that a developer has open must not
//! reach it: neither from its own origin, nor under a name that it lets point at this machine (DNS rebinding).

use std::net::IpAddr;

use poem::Request;
use poem::http::uri::Authority;
use poem::http::{HeaderName, StatusCode, header};
use url::Url;

use super::problem::Problem;

/// Ends of names that public DNS does not have: those of containers' hosts, such as `host.docker.internal`.
const PRIVATE_ENDS: [&str; 2] = [".localhost", ".internal"];

/// Addresses of the control API.
#[derive(Debug, Clone)]
pub(super) struct Visitors {
    public_url: String,
    /// Names of the control API in lower case, beside those that a stranger cannot have.
    hosts: Vec<String>,
}

impl Visitors {
    /// Takes requests to the public URL, to IP addresses, to names without a dot, which are those of this machine and of services
    /// beside this one, and to `more`.
    pub(super) fn new(public_url: &str, more: &[String]) -> Self {
        let own = Url::parse(public_url).ok().and_then(|url| url.host_str().map(str::to_owned));
        let hosts = own.into_iter().chain(more.iter().map(|host| name_of(host)));
        Self {
            public_url: public_url.to_owned(),
            hosts: hosts.map(|host| host.to_ascii_lowercase()).collect(),
        }
    }

    /// Checks where the request was sent to, and which page has sent it. Programs other than browsers name no page.
    ///
    /// # Errors
    ///
    /// It comes from a page of somebody else.
    pub(super) fn check(&self, request: &Request) -> Result<(), Problem> {
        let host = text(request, header::HOST);
        if let Some(host) = host.filter(|host| !self.is_own_host(host)) {
            return Err(refused(
                "foreign_host",
                format!(
                    "`{host}` is not known as an address of the sandbox: use its public URL, an IP address or localhost, \
                     or start it with --allow-host and this name"
                ),
            ));
        }
        let origin = text(request, header::ORIGIN);
        if let Some(origin) = origin.filter(|origin| !self.is_own_origin(origin, host.unwrap_or_default())) {
            return Err(refused(
                "foreign_origin",
                format!(
                    "the sandbox takes requests of its own pages and of programs, not of pages of `{origin}`: send them \
                     from your test or your backend, without the header Origin"
                ),
            ));
        }
        Ok(())
    }

    fn is_own_host(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = name_of(authority.as_str()).to_ascii_lowercase();
        let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        is_address
            || !name.contains('.')
            || PRIVATE_ENDS.iter().any(|end| name.ends_with(end))
            || self.hosts.contains(&name)
    }

    fn is_own_origin(&self, origin: &str, host: &str) -> bool {
        // Behind a published port or a proxy the host is that of the request.
        let of_host = ["http", "https"].map(|scheme| format!("{scheme}://{host}"));
        origin == self.public_url || of_host.iter().any(|own| own == origin)
    }
}

/// The name in a host, without the port.
fn name_of(host: &str) -> String {
    let name = host.parse::<Authority>().map_or_else(|_| host.to_owned(), |host| host.host().to_owned());
    name.trim_end_matches('.').to_owned()
}

/// A header; one that is not text counts as an empty one, which nothing accepts.
fn text(request: &Request, name: HeaderName) -> Option<&str> {
    request.headers().get(name).map(|value| value.to_str().unwrap_or_default())
}

fn refused(code: &'static str, detail: String) -> Problem {
    Problem { status: StatusCode::FORBIDDEN, code, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(host: &str, origin: Option<&str>) -> Option<&'static str> {
        let visitors =
            Visitors::new("https://Sandbox.acme.example:8090", &["flysk.ci.acme.example:8090".to_owned()]);
        let request = Request::builder().header(header::HOST, host);
        let request = match origin {
            Some(origin) => request.header(header::ORIGIN, origin).finish(),
            None => request.finish(),
        };
        visitors.check(&request).err().map(|problem| problem.code)
    }

    #[test]
    fn only_names_that_a_stranger_cannot_have_reach_the_control_api() {
        for own in [
            "127.0.0.1:8090",
            "192.168.0.7",
            "[::1]:8090",
            "localhost:8090",
            "sandbox:8080",
            "flysk.localhost",
            "host.docker.internal:8090",
            "sandbox.acme.example",
            "SANDBOX.acme.example.:8090",
            "flysk.ci.acme.example:80",
        ] {
            assert_eq!(code(own, None), None, "{own}");
        }
        for strange in
            ["evil.example", "evil.example:8090", "127.0.0.1.evil.example", "localhost.evil.example", "a b"]
        {
            assert_eq!(code(strange, None), Some("foreign_host"), "{strange}");
            let own = format!("http://{strange}");
            assert_eq!(code(strange, Some(&own)), Some("foreign_host"), "{strange} as a page of its own");
        }
    }

    #[test]
    fn requests_of_other_pages_are_refused() {
        let host = "127.0.0.1:8090";
        for own in ["http://127.0.0.1:8090", "https://127.0.0.1:8090", "https://Sandbox.acme.example:8090"] {
            assert_eq!(code(host, Some(own)), None, "{own}");
        }
        for strange in ["https://evil.example", "null", "", "http://127.0.0.1:8091", "http://localhost:8090"]
        {
            assert_eq!(code(host, Some(strange)), Some("foreign_origin"), "{strange}");
        }
    }
}
