//! The address in `REDIS_URL`: one server, or the sentinels of a service.

use std::fmt;
use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

/// Port of Redis if the address names none.
const REDIS_PORT: u16 = 6_379;
/// Port of a sentinel if the address names none.
const SENTINEL_PORT: u16 = 26_379;

/// Servers and credentials of Redis.
#[derive(Debug, Clone)]
pub struct RedisAddress {
    /// The server, or the sentinels that know it.
    pub servers: RedisServers,
    /// Whether all connections use TLS, those to sentinels too.
    pub is_encrypted: bool,
    /// User of Redis; `None`: the default user.
    pub username: Option<String>,
    /// `None` if Redis requires none.
    pub password: Option<SecretString>,
    /// Number of the database.
    pub database: u32,
}

/// The servers that an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisServers {
    /// One server.
    Single(HostPort),
    /// Sentinels, which know the primary of `service`.
    Sentinels {
        /// The sentinels, at least one.
        sentinels: Vec<HostPort>,
        /// The name under which they monitor the primary.
        service: String,
    },
}

/// TCP endpoint, written `host:port`; IPv6 addresses in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// `127.0.0.1:6379`, `[::1]:6379`.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Where Redis is looked for, for errors. It has no secret.
impl fmt::Display for RedisServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(server) => server.fmt(f),
            Self::Sentinels { sentinels, service } => {
                let all: Vec<String> = sentinels.iter().map(ToString::to_string).collect();
                write!(f, "`{service}` of the sentinels {}", all.join(", "))
            }
        }
    }
}

impl RedisAddress {
    /// Parses `redis://[user:password@]host[:port][/database]` or
    /// `redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/database]`; `rediss` instead of `redis` means TLS.
    ///
    /// # Errors
    ///
    /// Completes the sentence "want …". It repeats no part of the address, because a misplaced character makes a part of the
    /// password look like a host.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let (is_encrypted, has_sentinels) = match scheme {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+sentinel" => (false, true),
            "rediss+sentinel" => (true, true),
            _ => {
                let wanted = "an address that begins with redis://, rediss://, redis+sentinel:// or rediss+sentinel://";
                return Err(wanted.to_owned());
            }
        };
        check_characters(rest)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(credentials, hosts)| (Some(credentials), hosts));
        let (username, password) = credentials.map_or(Ok((None, None)), parse_credentials)?;
        let mut path = path.trim_end_matches('/').split('/');
        let servers = if has_sentinels {
            parse_sentinels(hosts, path.next().unwrap_or_default())?
        } else if hosts.contains(',') {
            return Err(
                "one server; several sentinels are written as redis+sentinel://host:port,host:port/service"
                    .to_owned(),
            );
        } else {
            RedisServers::Single(parse_server(hosts, "the server", REDIS_PORT)?)
        };
        let database = parse_database(path.next())?;
        if path.next().is_some() {
            return Err("nothing after the number of the database".to_owned());
        }
        Ok(Self { servers, is_encrypted, username, password, database })
    }
}

/// Refuses characters that end the part of the address with the password, or that change what is verified.
fn check_characters(rest: &str) -> Result<(), String> {
    if rest.ends_with("#insecure") {
        return Err("an address without `#insecure`: certificates are always verified; FLYSK_REDIS_EXTRA_ROOTS adds a root".to_owned());
    }
    if rest.contains(['?', '#']) {
        return Err("an address without `?` and `#`; in a password they are written %3F and %23".to_owned());
    }
    if rest.split_once('/').is_some_and(|(_, path)| path.contains('@')) {
        return Err("a password in which `/` is written %2F".to_owned());
    }
    Ok(())
}

/// `user:password`, `:password`, or `:` for none.
fn parse_credentials(text: &str) -> Result<(Option<String>, Option<SecretString>), String> {
    let Some((username, password)) = text.split_once(':') else {
        return Err("`user:password@` or `:password@` before the host".to_owned());
    };
    let decode = |part: &str| {
        let decoded = percent_decode_str(part).decode_utf8();
        let decoded = decoded.map_err(|_| "user and password in UTF-8, percent-encoded".to_owned())?;
        Ok::<_, String>(Some(decoded.into_owned()).filter(|decoded| !decoded.is_empty()))
    };
    let (username, password) = (decode(username)?, decode(password)?);
    if username.is_some() && password.is_none() {
        return Err("a password after the user: `user:password@`".to_owned());
    }
    Ok((username, password.map(SecretString::from)))
}

fn parse_sentinels(hosts: &str, service: &str) -> Result<RedisServers, String> {
    let count = hosts.split(',').count();
    let sentinels = hosts.split(',').enumerate().map(|(index, host)| {
        parse_server(host, &format!("sentinel {} of {count}", index + 1), SENTINEL_PORT)
    });
    let sentinels = sentinels.collect::<Result<Vec<_>, _>>()?;
    // The characters that `sentinel monitor` accepts.
    let is_name =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    if service.is_empty() || !is_name(service) {
        let wanted = "the name of the monitored service after the sentinels, of letters, digits, `.`, `-`, `_`, such as \
                      redis+sentinel://10.0.0.1:26379,10.0.0.2:26379/flysk";
        return Err(wanted.to_owned());
    }
    Ok(RedisServers::Sentinels { sentinels, service: service.to_owned() })
}

/// `host`, `host:port` or `[IPv6]:port`. `which` names the server in the error.
fn parse_server(text: &str, which: &str, default_port: u16) -> Result<HostPort, String> {
    let text = text.trim();
    let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').unwrap_or_default();
        if host.parse::<Ipv6Addr>().is_err() || !(rest.is_empty() || rest.starts_with(':')) {
            return Err(format!("an IPv6 address in brackets for {which}, such as [::1]:{default_port}"));
        }
        (host, rest.strip_prefix(':'))
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    if port.is_some_and(|port| port.contains(':')) {
        return Err(format!("an IPv6 address in brackets for {which}, such as [::1]:{default_port}"));
    }
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err(format!("a host for {which}, such as 127.0.0.1:{default_port}"));
    }
    let port = match port {
        None => Some(default_port),
        Some(port) => port.parse().ok().filter(|port| *port > 0),
    };
    let port = port.ok_or_else(|| format!("a port from 1 to 65535 after the host of {which}"))?;
    Ok(HostPort { host: host.to_owned(), port })
}

fn parse_database(text: Option<&str>) -> Result<u32, String> {
    match text {
        None | Some("") => Ok(0),
        Some(number) => {
            number.parse().map_err(|_| "the number of a database at the end, such as /0".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn server(host: &str, port: u16) -> HostPort {
        HostPort { host: host.to_owned(), port }
    }

    fn sentinels(of: &[(&str, u16)], service: &str) -> RedisServers {
        let sentinels = of.iter().map(|(host, port)| server(host, *port)).collect();
        RedisServers::Sentinels { sentinels, service: service.to_owned() }
    }

    #[test]
    fn an_address_names_one_server_or_the_sentinels_of_a_service() {
        let three = [("10.0.0.1", 26_379), ("10.0.0.2", 26_380), ("sentinel-3", 26_379)];
        for (text, servers, is_encrypted, database) in [
            ("redis://127.0.0.1", RedisServers::Single(server("127.0.0.1", 6_379)), false, 0),
            ("redis://redis:7000/", RedisServers::Single(server("redis", 7_000)), false, 0),
            ("rediss://cache.example/3", RedisServers::Single(server("cache.example", 6_379)), true, 3),
            ("redis://[::1]:7000/2", RedisServers::Single(server("::1", 7_000)), false, 2),
            ("redis://[::1]", RedisServers::Single(server("::1", 6_379)), false, 0),
            ("redis+sentinel://10.0.0.1/flysk", sentinels(&three[..1], "flysk"), false, 0),
            (
                "redis+sentinel://10.0.0.1,10.0.0.2:26380, sentinel-3/my-name.1/4",
                sentinels(&three, "my-name.1"),
                false,
                4,
            ),
            ("rediss+sentinel://10.0.0.1:26379/flysk/0/", sentinels(&three[..1], "flysk"), true, 0),
        ] {
            let parsed = RedisAddress::parse(text).unwrap_or_else(|wanted| panic!("{text}: want {wanted}"));
            let found = (parsed.servers, parsed.is_encrypted, parsed.database);
            assert_eq!(found, (servers, is_encrypted, database), "{text}");
        }
    }

    #[test]
    fn an_error_can_name_the_servers_without_their_secrets() {
        for (text, named) in [
            ("redis://flysk:hunter2@127.0.0.1/3", "127.0.0.1:6379"),
            ("rediss://:hunter2@[::1]:7000", "[::1]:7000"),
            ("redis+sentinel://:hunter2@one,two:7000/flysk", "`flysk` of the sentinels one:26379, two:7000"),
        ] {
            assert_eq!(RedisAddress::parse(text).unwrap().servers.to_string(), named);
        }
    }

    #[test]
    fn credentials_are_decoded_and_may_be_absent() {
        for (text, username, password) in [
            ("redis://host", None, None),
            ("redis://:@host", None, None),
            ("redis://:secret@host", None, Some("secret")),
            ("rediss://flysk:p%40s%2Fs%3F%20%23@host", Some("flysk"), Some("p@s/s? #")),
            ("redis://flysk:with@sign@host", Some("flysk"), Some("with@sign")),
            ("redis+sentinel://flysk:a:b@one,two/flysk", Some("flysk"), Some("a:b")),
        ] {
            let parsed = RedisAddress::parse(text).unwrap_or_else(|wanted| panic!("{text}: want {wanted}"));
            assert_eq!(parsed.username.as_deref(), username, "{text}");
            assert_eq!(parsed.password.as_ref().map(SecretString::expose_secret), password, "{text}");
            assert!(!format!("{parsed:?}").contains("with@sign"));
        }
    }

    #[test]
    fn a_malformed_address_is_told_what_is_missing_and_not_repeated() {
        for (text, told) in [
            ("", "begins with redis://"),
            ("hunter2:6379", "begins with redis://"),
            ("http://hunter2", "begins with redis://"),
            ("redis+sentinels://hunter2/flysk", "begins with redis://"),
            ("redis:///0", "a host for the server"),
            ("redis://:hunter2@/0", "a host for the server"),
            ("redis://hunter 2:6379", "a host for the server"),
            ("redis://hunter2:port", "a port from 1 to 65535 after the host of the server"),
            ("redis://hunter2:0", "a port from 1 to 65535"),
            ("redis://hunter2:70000", "a port from 1 to 65535"),
            ("redis://hunter2:6379/zero", "the number of a database"),
            ("redis://hunter2:6379/-1", "the number of a database"),
            ("redis://hunter2:6379/0/0", "nothing after the number"),
            ("redis://::1:6379", "an IPv6 address in brackets"),
            ("redis://[hunter2]:6379", "an IPv6 address in brackets"),
            ("redis://hunter2@host", "`user:password@`"),
            ("redis://hunter2:@host", "a password after the user"),
            ("redis://:hunter2%FF@host", "UTF-8"),
            ("redis://:hunter/2@host:6379", "%2F"),
            ("redis://:hunter#2@host:6379", "%23"),
            ("redis://hunter2?protocol=resp3", "without `?`"),
            ("rediss://hunter2:6379/0#insecure", "always verified"),
            ("redis://hunter2:1,hunter2:2/0", "redis+sentinel://"),
            ("redis+sentinel://hunter2:26379", "the name of the monitored service"),
            ("redis+sentinel://hunter2:26379/hunter 2", "the name of the monitored service"),
            ("redis+sentinel://hunter2,,hunter2/flysk", "a host for sentinel 2 of 3"),
            ("redis+sentinel://hunter2:1,hunter2:x/flysk", "after the host of sentinel 2 of 2"),
            ("redis+sentinel:///flysk", "a host for sentinel 1 of 1"),
            ("redis+sentinel://hunter2/flysk/first", "the number of a database"),
        ] {
            let wanted = RedisAddress::parse(text).unwrap_err();
            assert!(wanted.contains(told), "{text}: {wanted}");
            assert!(!wanted.contains("hunter"), "{text}: {wanted}");
        }
    }
}
